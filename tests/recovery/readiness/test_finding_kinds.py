"""The table of kinds of findings."""

from pathlib import Path

from recovery.readiness.finding import FindingCode, Severity
from recovery.readiness.finding_kinds import FINDING_KINDS, SUBJECTS
from recovery.readiness.reference import reference


def test_each_code_has_one_kind() -> None:
    codes = [kind.code for kinds in SUBJECTS.values() for kind in kinds]

    assert sorted(codes) == sorted(set(codes))
    assert set(codes) == set(FindingCode)


def test_only_what_cannot_be_undone_refuses_a_drill() -> None:
    refusing = {kind.code for kind in FINDING_KINDS.values() if kind.refuses_drill}

    allowed = {FindingCode.LIVE_RECOVERY_INSTANCE, FindingCode.WRONG_ACCOUNT}
    assert refusing <= allowed | {"ISOLATION_IMPOSSIBLE"}
    assert all(FINDING_KINDS[code].severity is Severity.BLOCKS for code in refusing)


def test_the_reference_is_made_from_the_code() -> None:
    path = Path(__file__).parents[3] / "docs/findings.md"
    assert path.read_text() == reference(), "run `make references`"
