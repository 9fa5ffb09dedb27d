"""Where an execution is found in Temporal, and how its end is awaited."""

from recovery.base_model import Model


class AwaitEnd(Model):
    """Which execution's end to await, under the workflow ID of its plan."""

    workflow_id: str
    execution_id: str
    poll_seconds: float = 5.0


class ExecutionRun(Model):
    """Where an execution is found in Temporal.

    Attributes:
        workflow_id: of its plan's workflow.
        run_id: one run of that; a reset gives it another.
    """

    execution_id: str
    workflow_id: str
    run_id: str
