"""Whether a scheduled drill starts, from what a worker has seen."""

from collections.abc import Sequence

from recovery.access.grants import ScheduleSubject
from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan
from recovery.readiness.result import PlanReadiness
from recovery.readiness.verdict import ReadinessStatus
from recovery.schedule.model import DrillSchedule, FreezeWindow, SkipIf
from recovery.schedule.record import Skip, SkipCode
from recovery.text_format import listed, timestamp


class DrillEvidence(Model):
    """What decides whether a drill starts.

    Attributes:
        plan: the newest registered version; None if the plan is not registered.
        refusal: why the worker starts nothing by this schedule.
        is_recorded: the history has the execution already.
        freeze: the windows of the installation.
        recoveries: real recoveries that run in an account of the plan.
        running: the execution of the plan that runs.
        open_cleanups: executions of the plan whose clean-up has not ended.
        readiness: what is known of the plan now; None: it was never looked at.
        problem: what could not be read.
        speed: of the worker's clock; 1 except in a sandbox.
    """

    plan: RecoveryPlan | None = None
    refusal: str | None = None
    is_recorded: bool = False
    freeze: list[FreezeWindow] = []
    recoveries: list[str] = []
    running: str | None = None
    open_cleanups: list[str] = []
    readiness: PlanReadiness | None = None
    problem: str | None = None
    speed: float = 1.0


def skip_of(seen: DrillEvidence, schedule: ScheduleSubject, *, start_time: float) -> Skip | None:
    """Why a scheduled drill does not start; None if it does.

    Args:
        seen: what a worker has seen.
        schedule: what starts it.
        start_time: when it is to start (epoch seconds).
    """
    if seen.problem is not None:
        reason = f"What decides is not known: {seen.problem}"
        return Skip(code=SkipCode.NOT_LOOKED_AT, reason=reason)
    if (skip := forbidden(seen.plan, seen.freeze, schedule, start_time=start_time)) is not None:
        return skip
    if seen.refusal is not None:
        reason = f"The worker refuses it: {seen.refusal}"
        return Skip(code=SkipCode.REFUSED, reason=reason)
    if seen.is_recorded:
        return Skip(code=SkipCode.ALREADY_STARTED, reason="This drill has started already")
    return _occupied(seen) or _not_ready(seen, schedule.skip_if)


def forbidden(
    plan: RecoveryPlan | None,
    freeze: Sequence[FreezeWindow],
    schedule: ScheduleSubject,
    *,
    start_time: float,
) -> Skip | None:
    """Why a schedule starts no drill at a time, whatever runs; None if it may.

    Args:
        plan: the registered version; None if the plan is not registered.
        freeze: the windows of the installation.
        schedule: as it was made, and signed.
        start_time: when the drill is to start, or started (epoch seconds).
    """
    if (skip := unscheduled(plan, schedule)) is not None or plan is None:
        return skip
    if (window := frozen_by([*plan.freeze, *freeze], start_time)) is not None:
        return Skip(code=SkipCode.FREEZE, reason=window)
    return None


def unscheduled(plan: RecoveryPlan | None, schedule: ScheduleSubject) -> Skip | None:
    """Why a schedule is not that of a registered plan; None if it is."""
    own = plan.schedule if plan is not None else None
    if plan is None or own is None or not _is_made_for(own, schedule):
        what = "no such schedule" if plan else "no such plan"
        return Skip(code=SkipCode.NOT_REGISTERED, reason=f"There is {what} any more")
    if plan.plan_hash != schedule.plan_hash:
        reason = "The registered plan is another than its schedule was made for; register it again"
        return Skip(code=SkipCode.OTHER_PLAN, reason=reason)
    return None


def _is_made_for(own: DrillSchedule, made: ScheduleSubject) -> bool:
    """Whether a schedule says of the plan's drills when they start, and whether."""
    wanted = (own.cron, own.time_zone, own.skip_if)
    return wanted == (made.cron, made.time_zone, made.skip_if)


def _occupied(seen: DrillEvidence) -> Skip | None:
    if seen.recoveries:
        return Skip(
            code=SkipCode.RECOVERY_RUNS,
            reason=f"A real recovery runs in its account: {listed(seen.recoveries)}",
        )
    if seen.running is not None:
        return Skip(code=SkipCode.EXECUTION_RUNS, reason=f"{seen.running} of this plan runs")
    if seen.open_cleanups:
        return Skip(
            code=SkipCode.CLEANUP_OPEN,
            reason=f"The clean-up of {listed(seen.open_cleanups)} has not ended",
        )
    return None


def _not_ready(seen: DrillEvidence, skip_if: SkipIf | None) -> Skip | None:
    known = seen.readiness
    if skip_if is None or (known is not None and known.status is ReadinessStatus.READY):
        return None
    # Unknown is not ready.
    status = known.status if known is not None else ReadinessStatus.UNKNOWN
    why = known.reason if known is not None else "it was never looked at"
    reason = f"The plan is {status}: {why}" if why else f"The plan is {status}"
    return Skip(code=SkipCode.NOT_READY, reason=reason)


def frozen_by(windows: Sequence[FreezeWindow], moment: float) -> str | None:
    """The freeze window that a time (epoch seconds) is in, as people read it; None: in none."""
    held = [each for each in windows if each.holds(moment)]
    if not held:
        return None
    last = max(held, key=lambda each: each.end)
    reason = f" ({last.reason})" if last.reason else ""
    return f"Nothing starts before {timestamp(last.end)}: a freeze window{reason}"
