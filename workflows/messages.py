"""What the workflows are started with, and their names for the outside."""

from enum import StrEnum, unique

from temporalio.common import SearchAttributeKey

from recovery.execution import ExecutionType
from recovery.model import Model
from recovery.plan import RecoveryPlan, Wave

PLAN_ID_KEY = SearchAttributeKey.for_keyword("DrsPlanId")
EXECUTION_ID_KEY = SearchAttributeKey.for_keyword("DrsExecutionId")
EXECUTION_TYPE_KEY = SearchAttributeKey.for_keyword("DrsExecutionType")
STATUS_KEY = SearchAttributeKey.for_keyword("DrsStatus")
SEARCH_ATTRIBUTES = (PLAN_ID_KEY, EXECUTION_ID_KEY, EXECUTION_TYPE_KEY, STATUS_KEY)


@unique
class FailureType(StrEnum):
    """The types of the errors that our workflows close with."""

    PLAN_FAILED = "PlanFailed"
    PLAN_REFUSED = "PlanRefused"
    WAVE_FAILED = "WaveFailed"


class StartExecution(Model):
    """Input of the plan's workflow.

    Attributes:
        execution_id: the execution's own ID; it survives resets, which change the run ID.
        confirmation: the PlanId, typed by the operator; a real recovery is refused without it.
        relaunch: servers that may be launched although that destroys a live recovery instance.
    """

    execution_id: str
    plan: RecoveryPlan
    execution_type: ExecutionType = ExecutionType.DRILL
    started_by: str = "unknown"
    confirmation: str | None = None
    relaunch: list[str] = []


class StartWave(Model):
    """Input of a wave's workflow: its wave and nothing of the others.

    Attributes:
        plan_workflow_id: whom to report to.
        since: when the execution began (epoch seconds); no job of it is older.
        launch_before: when the plan's deadline passes (epoch seconds).
    """

    execution_id: str
    execution_type: ExecutionType
    plan_workflow_id: str
    wave: Wave
    attempt: int
    revision: int
    speed: float
    since: float
    launch_before: float
    relaunch: list[str] = []


class StopWaiting(Model):
    """Signal to a wave: its plan no longer waits for it."""

    reason: str


def plan_workflow_id(plan_id: str) -> str:
    """The workflow ID under which a plan runs; one at a time."""
    return f"drs-plan/{plan_id}"


def wave_workflow_id(execution_id: str, wave_id: str, attempt: int) -> str:
    """The workflow ID of one attempt at one wave."""
    return f"drs-wave/{execution_id}/{wave_id}/{attempt}"
