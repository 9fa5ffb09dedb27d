"""The reference of plan files has every key, and the repository has the reference of this code."""

from pathlib import Path

from recovery.plan.file.keys import LEVELS
from recovery.plan.file.reference import reference

DOCUMENT = Path(__file__).parents[4] / "docs" / "plan.md"


def test_the_document_is_what_the_models_say() -> None:
    assert DOCUMENT.read_text() == reference(), "make references"


def test_every_key_of_every_level_is_in_the_reference() -> None:
    sections = reference().split("\n## ")[1:]
    assert len(sections) == len(LEVELS)
    for section, keys in zip(sections, LEVELS.values(), strict=True):
        rows = [row.split("|") for row in section.splitlines() if row.startswith("| `")]
        assert [row[1].strip(" `") for row in rows] == list(keys)
        assert all(cell.strip() for row in rows for cell in (row[2], row[4]))
