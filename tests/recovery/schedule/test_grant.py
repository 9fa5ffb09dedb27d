"""What the signature of a schedule allows."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    Algorithm,
    CleanupSubject,
    Grant,
    ScheduleSubject,
    SignedTakeover,
    StartSubject,
)
from recovery.execution.state import ExecutionType
from recovery.schedule.grant import scheduled_cleanup, scheduled_start

BERLIN = ZoneInfo("Europe/Berlin")
SATURDAY = datetime(2026, 11, 28, 3, 0, tzinfo=BERLIN).timestamp()
DAY = 86_400.0
GRANT = Grant(
    kid="1",
    algorithm=Algorithm.ED25519,
    issued_time=SATURDAY - 30 * DAY,
    expires_time=SATURDAY + 300 * DAY,
    nonce="1",
    actor="ann",
    subject=ScheduleSubject(
        plan_id="crm",
        plan_hash="hash",
        cron="0 3 * * SAT",
        time_zone="Europe/Berlin",
        announce_seconds=900.0,
        cleanup_seconds=7200.0,
    ),
)
START = StartSubject(
    execution_id="crm-0f3b52a1c7d9",
    plan_id="crm",
    plan_hash="hash",
    execution_type=ExecutionType.DRILL,
    start_time=SATURDAY + 900,
)
CLEANUP = CleanupSubject(execution_id="crm-0f3b52a1c7d9", plan_id="crm", after_seconds=7200.0)


def started(
    grant: Grant = GRANT,
    *,
    at: float | None = SATURDAY,
    began: float = SATURDAY + 900,
    **fields: Any,
) -> Grant:
    """The grant of a start by the schedule."""
    asked = START.model_copy(update=fields)
    return scheduled_start(grant, asked, scheduled_time=at, began=began, deadline_seconds=DAY)


def test_a_drill_of_its_time_is_granted_until_its_deadline_and_a_day() -> None:
    grant = started()
    assert grant.subject == START
    assert grant.actor == "schedule of ann"
    assert grant.expires_time == SATURDAY + 900 + 2 * DAY


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"execution_type": ExecutionType.RECOVERY}, AccessCode.OTHER_CONTENT),
        ({"plan_id": "erp"}, AccessCode.OTHER_PLAN),
        ({"plan_hash": "other"}, AccessCode.OTHER_PLAN),
        ({"relaunch": ["s-1"]}, AccessCode.OTHER_CONTENT),
        ({"points_hash": "hash"}, AccessCode.OTHER_CONTENT),
        ({"takeover": SignedTakeover(execution_id="crm-1", since=0.0)}, AccessCode.OTHER_CONTENT),
        ({"start_time": SATURDAY + DAY}, AccessCode.OTHER_CONTENT),
        ({"at": None}, AccessCode.OTHER_CONTENT),
        ({"at": SATURDAY + 60}, AccessCode.OTHER_CONTENT),
        ({"at": SATURDAY + 1}, AccessCode.OTHER_CONTENT),
        ({"at": SATURDAY - 7 * DAY}, AccessCode.EXPIRED),
        ({"began": SATURDAY - 1, "start_time": SATURDAY - 1}, AccessCode.EXPIRED),
        ({"began": SATURDAY + 3 * 3600}, AccessCode.EXPIRED),
        (
            {"grant": GRANT.model_copy(update={"expires_time": SATURDAY})},
            AccessCode.EXPIRED,
        ),
        (
            {"grant": GRANT.model_copy(update={"subject": CLEANUP})},
            AccessCode.OTHER_KIND,
        ),
    ],
)
def test_nothing_else_is_granted(changed: dict[str, Any], code: AccessCode) -> None:
    with pytest.raises(AccessRefusedError) as refused:
        started(**changed)
    assert refused.value.code is code


def test_its_clean_up_is_granted_at_its_time_and_no_other() -> None:
    grant = scheduled_cleanup(GRANT, CLEANUP, scheduled_time=SATURDAY)
    assert (grant.subject, grant.actor) == (CLEANUP, "schedule of ann")
    assert grant.issued_time == SATURDAY
    assert grant.expires_time > SATURDAY + 9 * DAY
    for changed in ({"plan_id": "erp"}, {"after_seconds": 0.0}, {"confirmation": "crm"}):
        with pytest.raises(AccessRefusedError):
            scheduled_cleanup(GRANT, CLEANUP.model_copy(update=changed), scheduled_time=SATURDAY)
    with pytest.raises(AccessRefusedError):
        scheduled_cleanup(GRANT, CLEANUP, scheduled_time=SATURDAY + 3600)
