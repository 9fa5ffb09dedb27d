"""What skips a scheduled drill, and in which order it is said."""

from typing import Any

import pytest

from recovery.access.grants import ScheduleSubject
from recovery.plan.model import RecoveryPlan
from recovery.readiness.result import PlanReadiness
from recovery.readiness.verdict import ReadinessStatus
from recovery.schedule.decision import DrillEvidence, skip_of
from recovery.schedule.model import DrillIsolation, DrillSchedule, FreezeWindow, SkipIf
from recovery.schedule.record import Skip, SkipCode
from tests.recovery.plans import diamond

NOW = 1_800_000_000.0
CRON = "0 3 * * SAT"
ALWAYS = FreezeWindow.model_validate(
    {"From": "2020-01-01T00:00Z", "To": "2120-01-01T00:00Z", "Reason": "year end"}
)
PAST = FreezeWindow.model_validate({"From": "2020-01-01T00:00Z", "To": "2021-01-01T00:00Z"})


def plan(**fields: Any) -> RecoveryPlan:
    """A registered plan with a schedule."""
    schedule = DrillSchedule(cron=CRON, cleanup_after="2h")
    given = {"schedule": schedule, "isolation": DrillIsolation.NOT_NEEDED} | fields
    return diamond().model_copy(update=given)


def readiness(status: ReadinessStatus) -> PlanReadiness:
    """A plan that was looked at just now."""
    return PlanReadiness(
        plan_id="crm", plan_hash=plan().plan_hash, looked_time=NOW, since=NOW, status=status
    )


def skip(seen: DrillEvidence, skip_if: SkipIf | None = None) -> Skip | None:
    """What is decided about a drill of the schedule that was made for the plan."""
    made = ScheduleSubject(
        plan_id="crm",
        plan_hash=plan().plan_hash,
        cron=CRON,
        time_zone="UTC",
        skip_if=skip_if,
        announce_seconds=0.0,
        cleanup_seconds=7200.0,
    )
    if seen.plan is not None and seen.plan.schedule is not None and skip_if is not None:
        schedule = seen.plan.schedule.model_copy(update={"skip_if": skip_if})
        seen = seen.model_copy(update={"plan": plan(schedule=schedule)})
    return skip_of(seen, made, start_time=NOW)


def test_nothing_keeps_a_drill_from_its_start() -> None:
    seen = DrillEvidence(plan=plan(freeze=[PAST]), freeze=[PAST])
    assert skip(seen) is None
    seen.readiness = readiness(ReadinessStatus.READY)
    assert skip(seen, SkipIf.NOT_READY) is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"problem": "DynamoDB did not answer"}, SkipCode.NOT_LOOKED_AT),
        ({"plan": None}, SkipCode.NOT_REGISTERED),
        ({"plan": plan(schedule=None)}, SkipCode.NOT_REGISTERED),
        (
            {"plan": plan(schedule=DrillSchedule(cron="0 4 * * SAT", cleanup_after="2h"))},
            SkipCode.NOT_REGISTERED,
        ),
        # Its schedule in Temporal is an earlier one.
        *(
            (
                {"plan": plan(schedule=DrillSchedule(cron=CRON, cleanup_after="2h", **other))},
                SkipCode.NOT_REGISTERED,
            )
            for other in ({"time_zone": "Europe/Rome"}, {"skip_if": SkipIf.NOT_READY})
        ),
        ({"plan": plan(waves=diamond().waves[:1])}, SkipCode.OTHER_PLAN),
        ({"refusal": "it is not signed"}, SkipCode.REFUSED),
        ({"is_recorded": True}, SkipCode.ALREADY_STARTED),
        ({"freeze": [ALWAYS]}, SkipCode.FREEZE),
        ({"plan": plan(freeze=[PAST, ALWAYS])}, SkipCode.FREEZE),
        ({"recoveries": ["erp-0f3b52a1c7d9"]}, SkipCode.RECOVERY_RUNS),
        ({"running": "crm-0f3b52a1c7d9"}, SkipCode.EXECUTION_RUNS),
        ({"open_cleanups": ["crm-0f3b52a1c7d9"]}, SkipCode.CLEANUP_OPEN),
    ],
)
def test_each_reason_skips_a_drill_whatever_its_readiness(
    fields: dict[str, Any], code: SkipCode
) -> None:
    ready = readiness(ReadinessStatus.READY)
    found = skip(DrillEvidence.model_validate({"plan": plan(), "readiness": ready} | fields))
    assert found is not None
    assert found.code is code
    assert found.reason


@pytest.mark.parametrize(
    "status", [each for each in ReadinessStatus if each is not ReadinessStatus.READY]
)
def test_a_plan_that_is_not_known_to_be_ready_skips_only_where_its_schedule_says_so(
    status: ReadinessStatus,
) -> None:
    seen = DrillEvidence(plan=plan(), readiness=readiness(status))
    assert skip(seen) is None
    found = skip(seen, SkipIf.NOT_READY)
    assert found == Skip(code=SkipCode.NOT_READY, reason=f"The plan is {status}")


def test_a_plan_that_was_never_looked_at_is_not_ready() -> None:
    found = skip(DrillEvidence(plan=plan()), SkipIf.NOT_READY)
    assert found is not None
    assert found.reason == "The plan is UNKNOWN: it was never looked at"


def test_a_window_ends_at_its_end_and_says_until_when_it_lasts() -> None:
    window = FreezeWindow.model_validate(
        {"From": "2027-01-15T08:00Z", "To": "2027-01-15T09:00+00:00", "Reason": "year end"}
    )
    assert window.end == NOW + 3600
    assert (window.holds(NOW - 1), window.holds(NOW)) == (False, True)
    assert (window.holds(NOW + 3599), window.holds(NOW + 3600)) == (True, False)
    found = skip(DrillEvidence(plan=plan(), freeze=[window]))
    assert found is not None
    assert "year end" in found.reason
