"""Keeps drills' template versions away from a recovery's job until DRS has read the templates."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.isolation.lease_activities import LeaseActivities
    from contract.launch_settings.lease import GuardInput, HoldRequest
    from workflows.lease.calls import call_until_done
    from workflows.versioning import LONG_LIVED


@workflow.defn(versioning_behavior=LONG_LIVED)
class TemplateGuardWorkflow:
    """Restores a template that a late call of a drill has switched, after a recovery's launch."""

    @workflow.run
    async def run(self, start: GuardInput) -> None:
        """Guard until the launch phase of every server, or the end of its job."""
        jobs = dict(start.jobs)
        while jobs:
            request = HoldRequest(
                target=start.target,
                jobs=jobs,
                drill_subnets=start.drill_subnets,
                acting_for=start.acting_for,
            )
            summary = f"Guard the launch templates of {len(jobs)} servers"
            done = await call_until_done(LeaseActivities.hold_templates, request, summary)
            jobs = {i: job_id for i, job_id in jobs.items() if i not in done}
