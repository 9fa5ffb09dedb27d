"""What crosses Temporal for steps: a call of a step, its start, its progress and its result."""

from enum import StrEnum

from pydantic import Field, JsonValue

from recovery.access.grants import RevertSubject, SignedRequest
from recovery.access.session_identity import SessionIdentity
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.plan.model import Target
from recovery.steps.model import Step, StepPhase
from recovery.steps.replaced import RevertView
from recovery.steps.state import CheckResult, StepOverride, StepStatus


class StepServer(Model):
    """A server that a step concerns, or that its references name.

    Attributes:
        instance_id: None if it is not up.
        name: None if DRS has none.
        target: where its instance is.
    """

    source_server_id: str
    instance_id: str | None = None
    name: str | None = None
    target: Target


class StepCall(Model):
    """One attempt of a step.

    Attributes:
        wave_workflow_id: the workflow that calls.
        attempt: of the step, from 1.
        attempt_id: the same for the same attempt, also after a reset (`step_attempt_id`).
        target: where it acts.
        server_ids: the wave's servers that are up.
        servers: these, and those that its references name.
        outputs: what earlier steps returned, by `WAVE.STEP` and name.
        possibly_sent: it may have been sent before, so it is looked up first.
        since: when the attempt was fixed (epoch seconds); what it started is not older.
        deadline: when its time is over (epoch seconds).
        decided_by: the operators' signed messages about steps of the wave's attempt, until now.
    """

    execution_id: str
    execution_type: ExecutionType
    plan_id: str
    wave_id: str
    wave_workflow_id: str
    phase: StepPhase
    step: Step
    attempt: int
    attempt_id: str
    target: Target
    server_ids: list[str] = []
    servers: list[StepServer] = []
    outputs: dict[str, dict[str, JsonValue]] = {}
    possibly_sent: bool = False
    since: float
    deadline: float
    acting_for: SessionIdentity | None = None
    decided_by: list[SignedRequest] = []


class StartOutcome(StrEnum):
    """What is known of a step's effect after its start."""

    STARTED = "STARTED"
    NOT_STARTED = "NOT_STARTED"
    """It certainly had no effect."""
    UNKNOWN = "UNKNOWN"
    """It may have had its effect, and cannot be looked up."""
    PLAN_CLOSED = "PLAN_CLOSED"
    """It had no effect and never begins: the plan's workflow has ended."""


class StartedStep(Model):
    """A step's start.

    Attributes:
        reason: why it did not start, or why that is not known.
        reference: what finds it in the system that runs it; "" if that needs nothing more.
        link: for people.
        before: the state that it replaced, to be put back.
        result: if the start was all of it.
    """

    outcome: StartOutcome
    reason: str = ""
    reference: str = ""
    link: str = ""
    before: JsonValue = None
    result: "StepResult | None" = None


class StepResult(Model):
    """The result of a step's attempt.

    Attributes:
        status: SUCCEEDED, FAILED, TIMED_OUT or OUTCOME_UNKNOWN.
        result: of a check.
        reason: why, or the evidence of a check.
        outputs: by name; not masked.
    """

    status: StepStatus
    result: CheckResult | None = None
    reason: str = ""
    outputs: dict[str, JsonValue] = {}


class WatchedStep(Model):
    """A started step to be awaited or stopped."""

    call: StepCall
    started: StartedStep


class StepProgress(Model):
    """Signal to a wave: what a running step does, or a check last saw."""

    step_id: str
    attempt: int
    result: CheckResult | None = None
    reason: str


class StepAnswer(Model):
    """Signal to a wave: an operator's decision about one of its steps.

    Attributes:
        attempt: of the step, that the decision is about.
        time: when the plan's workflow took it (epoch seconds); also if a reset sends it again.
        outputs: of a completed step, by name.
        signed: the message, as it was signed.
    """

    step_id: str
    decision: StepOverride
    attempt: int = 0
    time: float = 0.0
    actor: str
    reason: str = ""
    outputs: dict[str, JsonValue] = {}
    signed: SignedRequest | None = None


class StepHeartbeat(Model):
    """The heartbeat details of a step's start, from which the next attempt at it continues.

    Attributes:
        sent: its effect may have been asked for.
        problem: why it could not be started last.
        report_after: when the wave may be signalled again (epoch seconds).
        before: the state that it replaces; noted before the effect is asked for.
    """

    sent: bool
    problem: str = ""
    report_after: float = 0.0
    before: JsonValue = None


class StartRevert(Model):
    """Input of the workflow that puts back what a step replaced.

    Attributes:
        step: `WAVE/STEP`.
        view: what was confirmed; None: only look.
        signed: what was signed of it; left out where nothing was.
    """

    execution_id: str
    plan_id: str
    step: str
    actor: str = "unknown"
    view: RevertView | None = None
    confirmation: str | None = None
    is_forced: bool = False
    signed: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def subject(self) -> RevertSubject:
        """What a signature of it covers."""
        assert self.view is not None, "a look is not signed"
        return RevertSubject(
            execution_id=self.execution_id,
            plan_id=self.plan_id,
            step=self.step,
            place=self.view.place,
            now=self.view.now,
            was=self.view.was,
            is_forced=self.is_forced,
        )


class RevertResult(Model):
    """What is there, and what became of putting it back.

    Attributes:
        text: what was done; "" after a look.
        actor_verified: the one who asked for it signed that.
    """

    view: RevertView
    text: str = ""
    actor_verified: bool = False
