"""What the plan's workflow is started with, and where an execution is found in Temporal."""

from typing import Any

from pydantic import field_validator

from recovery.base_model import Model, StrictModel
from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionType
from recovery.forecast.durations import LearnedDurations
from recovery.plan.model import RecoveryPlan


class Takeover(Model):
    """An earlier execution of the same mode whose servers are taken over.

    Attributes:
        since: when it began (epoch seconds).
        servers: what it recorded of servers that have a job, whatever became of them.
    """

    execution_id: str
    since: float
    servers: list[ServerResult]


class StartExecution(StrictModel):
    """Input of the plan's workflow.

    Attributes:
        execution_id: the execution's own ID; it survives resets, which change the run ID.
        start_time: when it was started (epoch seconds); a reset does not change it.
        confirmation: the PlanId, typed by the operator; a real recovery is refused without it.
        relaunch: servers that may be launched although that destroys a live recovery instance.
        takeover: what an earlier execution has launched already, to be taken over.
        expected: seconds that servers are expected to take, by source server, where that is known.
        learned: what that is known from; it tells of other servers by their operating systems.
    """

    execution_id: str
    plan: RecoveryPlan
    execution_type: ExecutionType = ExecutionType.DRILL
    started_by: str = "unknown"
    start_time: float | None = None
    confirmation: str | None = None
    relaunch: list[str] = []
    takeover: Takeover | None = None
    expected: dict[str, float] = {}
    learned: LearnedDurations = LearnedDurations()

    @field_validator("plan", mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, plan: Any) -> Any:
        """Refuse them deep in the plan too, which elsewhere may come from a later version."""
        if isinstance(plan, RecoveryPlan):
            return plan
        return RecoveryPlan.model_validate(plan, extra="forbid")


class ExecutionEndRequest(Model):
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
