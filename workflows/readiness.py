"""Checks on the worker, which has the credentials, whether a plan could be launched now."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.targets import TargetActivities
    from contract.readiness import Readiness
    from recovery.plan.model import RecoveryPlan


@workflow.defn
class ReadinessWorkflow:
    """Checks a plan's servers, quotas and targets; launches nothing."""

    @workflow.run
    async def run(self, plan: RecoveryPlan) -> Readiness:
        """All findings of the check."""
        return await workflow.execute_activity_method(
            TargetActivities.check_readiness,
            plan,
            summary=f"Check {plan.server_count} servers; nothing is launched",
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
