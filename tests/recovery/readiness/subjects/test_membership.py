"""What a look says of servers by tags: pure."""

from recovery.readiness.finding import Severity
from recovery.readiness.subjects.membership import membership_findings
from recovery.readiness.verdict import ReadinessStatus, status_of
from tests.recovery.plan.test_membership import ids, known, plan


def test_servers_that_are_found_are_no_finding() -> None:
    assert list(membership_findings(plan(), known(plan(), [ids(1, 2), ids(3, 1)]))) == []


def test_tags_that_match_nothing_block_and_name_wave_and_tags() -> None:
    (found,) = membership_findings(plan(), known(plan(), [ids(1, 2), []]))
    assert (found.code, found.severity) == ("MEMBERSHIP_UNUSABLE", Severity.BLOCKS)
    assert "web: DRS has no source server with App=crm, Tier=web" in found.message


def test_far_fewer_servers_block_until_a_drill_confirms_them() -> None:
    before, now = [ids(1, 10), ids(20, 1)], [ids(1, 5), ids(20, 1)]
    (found,) = membership_findings(plan(), known(plan(), now, before))
    assert found.code == "MEMBERSHIP_SHRUNK"
    assert status_of([found]) is ReadinessStatus.NOT_READY


def test_what_could_not_be_read_is_unknown() -> None:
    unread = known(plan(), [], [ids(1, 2), ids(3, 1)], error="us-west-2: DRS did not answer")
    (found,) = membership_findings(plan(), unread)
    assert found.severity is Severity.UNKNOWN
    assert "did not answer" in found.message
