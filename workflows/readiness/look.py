"""A look at a plan: at each of its targets, and at what a recovery needs besides them."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.membership.membership_activities import MembershipActivities
    from activities.readiness.readiness_activities import ReadinessActivities
    from activities.readiness.surroundings import SurroundingsActivities
    from contract.readiness import (
        MembershipRequest,
        Readiness,
        SurroundingsLook,
        SurroundingsResult,
        TargetLook,
        TargetResult,
    )
    from contract.temporal import READINESS_TASK_QUEUE, TASK_QUEUE
    from recovery.plan.membership import resolve, unresolved
    from recovery.plan.model import RecoveryPlan, Target
    from recovery.readiness.failed_read import FailedRead
    from recovery.readiness.finding import Finding
    from recovery.readiness.planned_target import PlannedTarget, looked_at, part_of
    from recovery.readiness.subjects.membership import membership_findings
    from recovery.text_format import count

_TARGETS_AT_ONCE = 20
_RETRY = RetryPolicy(maximum_attempts=3)


async def look_at(plan: RecoveryPlan, *, is_fresh: bool) -> Readiness:
    """Look at a plan.

    A target that no worker could look at is a finding.

    Args:
        plan: the plan.
        is_fresh: read everything now, for somebody waits to start the plan; else the look takes
            the slots of looks, and what another plan's look has read serves too.
    """
    began = workflow.time()
    plan, membership = await _with_servers(plan)
    slots = asyncio.Semaphore(_TARGETS_AT_ONCE)
    looks = [_look_at_target(plan, each, slots, is_fresh=is_fresh) for each in looked_at(plan)]
    targets = await asyncio.gather(*looks)
    origins = sorted({origin for target in targets for origin in target.origins})
    lags = [target.worst_lag for target in targets if target.worst_lag is not None]
    around = SurroundingsLook(
        plan=plan,
        origins=origins,
        worst_lag=max(lags, key=lambda lag: lag.seconds, default=None),
    )
    surroundings = await _look_at_surroundings(around, is_fresh=is_fresh)
    found = Readiness.of(plan, targets, surroundings, looked_time=began)
    return found.with_findings([*membership, *found.findings]) if membership else found


async def _with_servers(plan: RecoveryPlan) -> tuple[RecoveryPlan, list[Finding]]:
    """The plan with the servers that its tags match, and what is wrong with them."""
    if not unresolved(plan):
        return plan, []
    try:
        known = await workflow.execute_activity_method(
            MembershipActivities.read_membership,
            MembershipRequest(plan=plan),
            summary="Look up source servers by their tags; nothing is launched",
            start_to_close_timeout=timedelta(seconds=40),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=_RETRY,
        )
    except ActivityError as error:
        failed = FailedRead(action="look", error=str(error.cause or error))
        return plan, [failed.finding("the servers with the plan's tags")]
    # Those that a recovery would have now.
    resolved = resolve(plan, known, is_drill=False).plan
    return resolved or plan, list(membership_findings(plan, known))


async def _look_at_target(
    plan: RecoveryPlan, target: Target, slots: asyncio.Semaphore, *, is_fresh: bool
) -> TargetResult:
    planned = PlannedTarget(plan, target)
    part = part_of(plan, target)
    async with slots:
        try:
            return await workflow.execute_activity_method(
                ReadinessActivities.look_at_target,
                TargetLook(plan=part, target=target, is_fresh=is_fresh),
                task_queue=_queue(is_fresh=is_fresh),
                summary=f"Check {count(len(planned.servers), 'server')} in {target.region}; "
                "nothing is launched",
                start_to_close_timeout=timedelta(minutes=2 if is_fresh else 10),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=_RETRY,
            )
        except ActivityError as error:
            return TargetResult.unread(planned, str(error.cause or error))


async def _look_at_surroundings(look: SurroundingsLook, *, is_fresh: bool) -> SurroundingsResult:
    try:
        return await workflow.execute_activity_method(
            SurroundingsActivities.look_at_surroundings,
            look,
            task_queue=_queue(is_fresh=is_fresh),
            summary="Check what a recovery needs besides its targets",
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=_RETRY,
        )
    except ActivityError as error:
        return SurroundingsResult.unread(str(error.cause or error))


def _queue(*, is_fresh: bool) -> str:
    return TASK_QUEUE if is_fresh else READINESS_TASK_QUEUE
