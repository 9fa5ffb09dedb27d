"""What the workflows are started with, and their names for the outside."""

import hashlib
from enum import StrEnum, unique
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import ValidationError, field_validator
from temporalio import workflow
from temporalio.common import SearchAttributeKey

from activities.launches import LaunchAnswer
from recovery.admission import DEFAULT_PRIORITY
from recovery.execution import ExecutionType, OperatingSystem, ServerResult
from recovery.forecast import SOONEST_SERVER_SECONDS
from recovery.learning import Experience
from recovery.model import Model, StrictModel
from recovery.plan import RecoveryPlan, Wave

M = TypeVar("M", bound=Model)
_UNIQUE_CHARACTERS = 12

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
    MESSAGE_REJECTED = "MessageRejected"
    SEND_AGAIN = "SendAgain"
    CLEANUP_REFUSED = "CleanupRefused"
    CLEANUP_INCOMPLETE = "CleanupIncomplete"
    HISTORY_INCOMPLETE = "HistoryIncomplete"


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
        experience: what that is known from; it tells of other servers by their operating systems.
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
    experience: Experience = Experience()

    @field_validator("plan", mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, plan: Any) -> Any:
        """Refuse them deep in the plan too, which elsewhere may come from a later version."""
        if isinstance(plan, RecoveryPlan):
            return plan
        return RecoveryPlan.model_validate(plan, extra="forbid")


class StartWave(Model):
    """Input of a wave's workflow: its wave and nothing of the others.

    Attributes:
        plan_workflow_id: whom to report to.
        since: when the execution began (epoch seconds); no job of it is older.
        earlier: what is known of the servers from earlier attempts or an earlier execution; the
            truth is asked of DRS before anything is launched.
        launch_prefixes: how the launch IDs of those begin; empty when there are none.
        held: the plan is paused: launch nothing until `go_on`.
        launch_before: when the plan's deadline passes (epoch seconds).
        priority: the plan's, 1 the first.
        remaining: seconds that the plan is expected to take from this wave on, along its longest
            chain.
        expected: seconds that servers are expected to take, where that is known.
        soonest: seconds before which none of them is expected to be up.
        operating_systems: of the wave's servers, where DRS says so.
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
    earlier: list[ServerResult] = []
    launch_prefixes: list[str] = []
    held: bool = False
    priority: int = DEFAULT_PRIORITY
    remaining: float = 0.0
    expected: dict[str, float] = {}
    soonest: float = SOONEST_SERVER_SECONDS
    operating_systems: dict[str, OperatingSystem] = {}


class StartCleanup(StrictModel):
    """Input of the clean-up's workflow.

    Attributes:
        after_seconds: how long to wait after the execution's end.
        confirmation: the PlanId, typed; needed for a real recovery.
    """

    execution_id: str
    plan_id: str
    actor: str = "unknown"
    after_seconds: float = 0.0
    confirmation: str | None = None


class WithdrawLaunches(Model):
    """Signal to the launcher: a wave no longer wants launches."""

    wave_workflow_id: str
    launch_ids: list[str]


class AnswerLaunches(Model):
    """Signal to the launcher: whether DRS has the job of launches, as an operator says."""

    launch_ids: list[str]
    answer: LaunchAnswer


class StopWaiting(Model):
    """Signal to a wave: its plan no longer waits for it."""

    reason: str


def parsed(model: type[M], inputs: tuple[Any, ...]) -> M | None:
    """The input of a signal between our own workflows, or None when it is something else.

    Anybody can send a signal, with any number of inputs; a workflow task must not fail for one
    that is malformed.
    """
    try:
        return model.model_validate(inputs[0] if inputs else None)
    except ValidationError as error:
        workflow.logger.warning("A malformed signal is left aside: %s", error)
        return None


def new_execution_id(plan_id: str, key: str | None = None) -> str:
    """The ID of a new execution of a plan; always the same for the same `key`."""
    unique = uuid4().hex if key is None else hashlib.sha256(key.encode()).hexdigest()
    return f"{plan_id}-{unique[:_UNIQUE_CHARACTERS]}"


def plan_id_of(execution_id: str) -> str:
    """The plan that an execution is of."""
    return execution_id[: -_UNIQUE_CHARACTERS - 1]


def plan_workflow_id(plan_id: str) -> str:
    """The workflow ID under which a plan runs; one at a time."""
    return f"drs-plan/{plan_id}"


def cleanup_workflow_id(execution_id: str) -> str:
    """The workflow ID of an execution's clean-up."""
    return f"drs-cleanup/{execution_id}"


def launch_prefix(execution_id: str, wave_id: str = "") -> str:
    """How the launch IDs of an execution, or of one of its waves, begin."""
    return f"{execution_id}/{wave_id}/" if wave_id else f"{execution_id}/"


def history_workflow_id(execution_id: str) -> str:
    """The workflow ID under which the rest of an execution's history is written."""
    return f"drs-history/{execution_id}"
