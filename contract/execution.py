"""The input of the plan's workflow, messages to it, and references to executions in Temporal."""

import zlib
from typing import Any

from pydantic import Field, field_validator

from contract.identifiers import target_key
from recovery.access.grants import SignedRequest, SignedTakeover, StartSubject
from recovery.base_model import Model, StrictModel
from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.forecast.durations import LearnedDurations
from recovery.plan.model import RecoveryPlan
from recovery.steps.state import StepState
from recovery.text_format import shortened


class Takeover(Model):
    """An earlier execution of the same type whose servers, by the history, are taken over.

    Attributes:
        since: its start (epoch seconds).
    """

    execution_id: str
    since: float


class StartExecution(StrictModel):
    """Input of the plan's workflow.

    Attributes:
        execution_id: the execution's own ID; it survives resets, which change the run ID.
        start_time: when it was started (epoch seconds); a reset does not change it.
        declared_time: when the disaster or the exercise was declared (epoch seconds), if known.
        confirmation: the PlanId, typed by the operator; a real recovery is refused without it.
        relaunch: servers that may be launched although this destroys a live recovery instance.
        takeover: the earlier execution that is taken over.
        expected: seconds that servers are expected to take, by source server, if known.
        learned: the learned durations, which also give defaults by operating system.
        signed: what was signed of it; left out where nothing was, for a worker that does not
            know the field.
        accepted_findings: with which a drill started because somebody accepted them, named.
        portfolio: the execution of a portfolio that started it.
        portfolio_time: when that was, so that its deadline counts from then; `start_time` is when
            it was signed.
        priority: the portfolio's for it, instead of the plan's.
        scheduled_time: of a drill that its plan's schedule started (epoch seconds); then the
            schedule is what was signed.
    """

    execution_id: str
    plan: RecoveryPlan
    execution_type: ExecutionType = ExecutionType.DRILL
    started_by: str = "unknown"
    start_time: float | None = None
    declared_time: float | None = None
    confirmation: str | None = None
    relaunch: list[str] = []
    takeover: Takeover | None = None
    expected: dict[str, float] = {}
    learned: LearnedDurations = LearnedDurations()
    signed: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)
    accepted_findings: list[str] = []
    portfolio: str | None = None
    portfolio_time: float | None = None
    priority: int | None = None
    scheduled_time: float | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def from_execution(self) -> str | None:
        """The execution that is taken over."""
        return self.takeover.execution_id if self.takeover else None

    @property
    def overrides(self) -> list[str]:
        """What was accepted at the start, or is relaunched, against a finding."""
        relaunched = [f"relaunch of {each}" for each in self.relaunch]
        return [shortened(each, max_bytes=200) for each in [*self.accepted_findings, *relaunched]]

    @property
    def summary(self) -> str:
        """What Temporal's Web UI says of it in a line."""
        return f"{self.execution_type} of {self.plan.plan_name}"[:190]

    @property
    def details(self) -> str:
        """What Temporal's Web UI says of it, in Markdown."""
        plan = self.plan
        by = f" through portfolio {self.portfolio}" if self.portfolio else ""
        return (
            f"{self.execution_type} `{self.execution_id}` started by {self.started_by}{by}\n\n"
            f"{len(plan.waves)} waves, {plan.server_count} servers; plan hash "
            f"`{plan.plan_hash[:12]}`"
        )

    @property
    def targets_memo(self) -> list[str]:
        """Where it launches, so that Temporal can be asked what runs in an account."""
        targets = self.plan.targets
        keys = (target_key(t.account_id or t.role_account_id, t.region) for t in targets)
        return list(dict.fromkeys(keys))

    @property
    def subject(self) -> StartSubject:
        """What a signature of it covers."""
        takeover = self.takeover
        return StartSubject(
            execution_id=self.execution_id,
            plan_id=self.plan.plan_id,
            plan_hash=self.plan.plan_hash,
            points_hash=self.plan.points_hash,
            execution_type=self.execution_type,
            start_time=self.start_time or 0.0,
            declared_time=self.declared_time,
            relaunch=self.relaunch,
            takeover=None
            if takeover is None
            else SignedTakeover(execution_id=takeover.execution_id, since=takeover.since),
        )

    @field_validator("plan", mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, plan: Any) -> Any:
        """Reject unknown keys in the whole plan, because a person may have written it."""
        if isinstance(plan, RecoveryPlan):
            return plan
        return RecoveryPlan.model_validate(plan, extra="forbid")


def packed_state(state: ExecutionState) -> bytes:
    """An execution's state, compressed: that of 4,000 failed servers is more than 2 MB."""
    return zlib.compress(state.model_dump_json().encode(), level=1)


def unpacked_state(packed: bytes) -> ExecutionState:
    """The state that `packed_state` has compressed."""
    return ExecutionState.model_validate_json(zlib.decompress(packed))


class TakenOver(Model):
    """What an execution takes over from an earlier one.

    Attributes:
        servers: those that have a job.
        steps: those that began, by WaveId.
    """

    servers: list[ServerResult]
    steps: dict[str, list[StepState]] = {}


class ReceivedMessage(Model):
    """A message as it came.

    Attributes:
        fields: its input; empty if it is no object.
        signed: what was signed of it.
    """

    name: str
    fields: dict[str, Any] = {}
    signed: SignedRequest | None = None


class ReceivedMessages(Model):
    """Messages of one execution."""

    execution_id: str
    messages: list[ReceivedMessage]


class ExecutionEndRequest(Model):
    """The execution whose end to await, and the workflow ID of its plan."""

    workflow_id: str
    execution_id: str
    poll_seconds: float = 5.0


class ExecutionRun(Model):
    """A reference to an execution in Temporal.

    Attributes:
        workflow_id: the ID of its plan's workflow.
        run_id: a run of that workflow; a reset starts another.
    """

    execution_id: str
    workflow_id: str
    run_id: str


class HistoryRepair(Model):
    """The result of a repair.

    Attributes:
        repaired: keys of the items that were written.
        remaining: keys of the items that still differ.
    """

    repaired: list[str]
    remaining: list[str]
