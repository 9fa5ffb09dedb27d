"""The reference of plan files has every key, and the repository has the reference of this code."""

from pathlib import Path

from recovery.plan.file.keys import KINDS, LEVELS, level_of
from recovery.plan.file.reference import reference
from recovery.steps.model import ManualInput, StepOutput

DOCUMENT = Path(__file__).parents[4] / "docs" / "plan.md"


def test_the_document_is_what_the_models_say() -> None:
    assert DOCUMENT.read_text() == reference(), "make references"


def test_every_key_of_every_level_is_in_the_reference() -> None:
    sections = reference().split("\n## ")[1:-1]
    kinds = [level_of(model) for model in KINDS.values()]
    levels = [*LEVELS, *kinds, level_of(StepOutput), level_of(ManualInput)]
    assert len(sections) == len(levels)
    for section, level in zip(sections, levels, strict=True):
        rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| `")]
        assert [row[0].strip("| `") for row in rows] == list(level.keys)
        assert all(cell.strip(" |") for row in rows for cell in (row[1], row[3]))
