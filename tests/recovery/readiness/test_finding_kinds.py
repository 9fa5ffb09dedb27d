"""The table of kinds of findings."""

from recovery.readiness.finding import FindingCode, Severity
from recovery.readiness.finding_kinds import FINDING_KINDS, SUBJECTS


def test_each_code_has_one_kind() -> None:
    codes = [kind.code for kinds in SUBJECTS.values() for kind in kinds]

    assert sorted(codes) == sorted(set(codes))
    assert set(codes) == set(FindingCode)


def test_only_what_cannot_be_undone_refuses_a_drill() -> None:
    refusing = {kind.code for kind in FINDING_KINDS.values() if kind.refuses_drill}

    allowed = {FindingCode.LIVE_RECOVERY_INSTANCE, FindingCode.WRONG_ACCOUNT}
    assert refusing <= allowed | {"ISOLATION_IMPOSSIBLE"}
    assert all(FINDING_KINDS[code].severity is Severity.BLOCKS for code in refusing)
