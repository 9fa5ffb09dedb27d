"""What `drs-waves doctor` says of evidence."""

import re
from pathlib import Path

import pytest

from recovery.doctor.check import Check, CheckStatus, DoctorReport, Part
from recovery.doctor.installation import (
    ChannelEvidence,
    KeyEvidence,
    channel_checks,
    clock_check,
    key_checks,
    signer_check,
)
from recovery.doctor.permissions import (
    PERMISSIONS,
    SIMULATE,
    PermissionEvidence,
    permission_checks,
    principal_of,
)
from recovery.doctor.temporal import (
    QueueEvidence,
    ScheduleEvidence,
    queue_check,
    retention_check,
    schedule_checks,
    search_attribute_check,
)

OK, WARN, FAIL, SKIPPED = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL, CheckStatus.SKIPPED
DAY = 86_400.0


def statuses(checks: list[Check]) -> list[CheckStatus]:
    return [each.status for each in checks]


def test_a_report_is_as_bad_as_its_worst_check_and_shows_it_first() -> None:
    fine = Check.ok(Part.KEYS, "a", "fine")
    unknown = Check.skipped(Part.KEYS, "b", "not asked")
    broken = Check.fail(Part.KEYS, "c", "broken", "Mend it")
    first = Check.ok(Part.TEMPORAL, "d", "fine")
    assert DoctorReport.of([fine], 1).status is OK
    # What nobody knows is not well.
    assert DoctorReport.of([fine, unknown], 1).status is WARN
    assert DoctorReport.of([], 1).status is FAIL
    report = DoctorReport.of([fine, unknown, broken, first], 1)
    assert report.status is FAIL
    assert [each.subject for each in report.checks] == ["d", "c", "b", "a"]


@pytest.mark.parametrize(("days", "status"), [(30, OK), (7, OK), (1, WARN)])
def test_a_short_retention_is_named_with_the_command(days: int, status: CheckStatus) -> None:
    check = retention_check("prod", days * DAY)
    assert check.status is status
    assert ("--namespace prod" in check.action) is (status is WARN)


def test_a_missing_search_attribute_fails() -> None:
    assert search_attribute_check(["A", "B"], ["A", "B", "C"]).status is OK
    missing = search_attribute_check(["A", "B"], ["A"])
    assert (missing.status, "init-tables" in missing.action) == (FAIL, True)


@pytest.mark.parametrize(
    ("pollers", "answered", "status"),
    [(1, True, OK), (0, True, OK), (1, False, FAIL), (0, None, FAIL), (2, None, SKIPPED)],
)
def test_a_listed_poller_is_no_worker_that_answers(
    pollers: int, answered: bool | None, status: CheckStatus
) -> None:
    assert queue_check(QueueEvidence(name="q", pollers=pollers, answered=answered)).status is status


def test_plans_that_nobody_looks_at_are_named_and_the_others_counted() -> None:
    fine = ScheduleEvidence(plan_id="a", every_seconds=DAY, last_seconds=DAY)
    late = ScheduleEvidence(plan_id="b", every_seconds=DAY, last_seconds=3 * DAY)
    paused = ScheduleEvidence(plan_id="c", paused=True)
    missing = ScheduleEvidence(plan_id="d", exists=False)
    checks = list(schedule_checks([fine, late, paused, missing]))
    assert statuses(checks) == [WARN, WARN, WARN, OK]
    assert all(each.action for each in checks[:3])
    assert statuses(list(schedule_checks([]))) == [SKIPPED]


@pytest.mark.parametrize(
    ("ahead", "status"), [(0.4, OK), (-4.0, OK), (30.0, WARN), (-30.0, WARN), (-600.0, FAIL)]
)
def test_a_clock_is_judged_by_its_difference_in_both_directions(
    ahead: float, status: CheckStatus
) -> None:
    check = clock_check("worker", ahead)
    assert check.status is status
    assert status is OK or ("ahead" if ahead > 0 else "behind") in check.message


def test_keys_must_be_required_and_survive_the_loss_of_the_api() -> None:
    assert statuses(list(key_checks(KeyEvidence(is_required=False)))) == [SKIPPED]
    whole = KeyEvidence(is_required=True, signing=["api"], break_glass=["safe"], has_audit_log=True)
    assert statuses(list(key_checks(whole))) == [OK, OK]
    weak = whole.model_copy(update={"is_required": False, "break_glass": []})
    assert statuses(list(key_checks(weak))) == [WARN, WARN]
    only_offline = whole.model_copy(update={"signing": [], "has_audit_log": False})
    assert statuses(list(key_checks(only_offline))) == [FAIL, OK, WARN]


def test_a_signing_key_that_no_worker_trusts_fails() -> None:
    assert signer_check("k1", ["k1", "k2"]).status is OK
    assert signer_check("k1", ["k2"]).status is FAIL
    assert signer_check("k1", []).status is FAIL
    assert signer_check("k1", None).status is SKIPPED


def test_nobody_is_notified_without_channels_which_a_sandbox_need_not_have() -> None:
    assert statuses(list(channel_checks([], is_sandbox=False))) == [WARN]
    assert statuses(list(channel_checks([], is_sandbox=True))) == [SKIPPED]
    (broken,) = channel_checks(
        [ChannelEvidence(name="pager", kind="PagerDuty", error="gone")], is_sandbox=False
    )
    assert (broken.status, "notify test pager" in broken.action) == (FAIL, True)


def test_what_a_launch_needs_fails_and_what_was_not_tried_is_said() -> None:
    evidence = PermissionEvidence(
        where="us-west-2",
        principal="arn:aws:iam::123456789012:role/drs",
        denied={"drs:StartRecovery": "no", "ec2:DescribeSubnets": "no"},
        unread={"drs:DescribeJobs": "late"},
        read=["drs:DescribeSourceServers"],
        not_simulated="it is denied",
    )
    checks = list(permission_checks(evidence))
    assert statuses(checks) == [FAIL, WARN, SKIPPED, SKIPPED, OK]
    assert "role/drs" in checks[0].action
    untried = checks[3].message
    assert "drs:TagResource" in untried
    assert "drs:StartRecovery" not in untried
    assert SIMULATE in checks[3].action


def test_each_permission_is_one_of_the_documentation() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "permissions.md").read_text()
    documented = set(re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", page))
    assert {each.action for each in PERMISSIONS} - documented == set()
    assert SIMULATE in documented


@pytest.mark.parametrize(
    ("caller", "role", "principal"),
    [
        (
            "arn:aws:sts::123456789012:assumed-role/drs/session",
            None,
            "arn:aws:iam::123456789012:role/drs",
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/drs/session",
            "arn:aws:iam::123456789012:role/path/drs",
            "arn:aws:iam::123456789012:role/path/drs",
        ),
        (
            "arn:aws-cn:iam::123456789012:user/path/ops",
            None,
            "arn:aws-cn:iam::123456789012:user/path/ops",
        ),
        ("arn:aws:iam::123456789012:root", None, None),
    ],
)
def test_the_principal_is_the_role_and_not_its_session(
    caller: str, role: str | None, principal: str | None
) -> None:
    assert principal_of(caller, role) == principal
