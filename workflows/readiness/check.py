"""The look at a plan that somebody is about to start."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.readiness import Readiness
    from recovery.plan.model import RecoveryPlan
    from workflows.readiness.look import look_at


@workflow.defn
class ReadinessWorkflow:
    """Checks whether a plan could be launched now; launches nothing."""

    @workflow.run
    async def run(self, plan: RecoveryPlan) -> Readiness:
        """All findings about its servers, targets and surroundings."""
        return await look_at(plan, is_fresh=True)
