"""A workflow of a user's own, for `Workflow` steps."""

from temporalio import workflow

TASK_QUEUE = "customer"


@workflow.defn(name="Customer")
class CustomerWorkflow:
    """Ends at once."""

    @workflow.run
    async def run(self, what: str) -> str:
        """Return what it was given."""
        return what
