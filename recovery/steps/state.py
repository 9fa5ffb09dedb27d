"""The state of a wave's steps."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import JsonValue

from recovery.base_model import Model
from recovery.plan.fields import Impact
from recovery.steps.model import Manual, Step, StepKind, StepPhase
from recovery.steps.replaced import StepRevert, can_be_put_back
from recovery.text_format import shortened

MAX_OUTPUT_BYTES = 4096
MASK = "********"


class StepStatus(StrEnum):
    """The status of a step."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    """Whether it had its effect is not known; an operator must say."""
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"
    NOT_TESTED = "NOT_TESTED"
    """Its `When` leaves it out of this kind of execution."""
    NOT_RUN = "NOT_RUN"
    """The wave ended before it."""

    @property
    def lets_next_begin(self) -> bool:
        """Whether the next step of the list may begin."""
        return self in (StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.NOT_TESTED)

    @property
    def has_failed(self) -> bool:
        """Whether it fails its wave, unless it is OPTIONAL."""
        return self in (StepStatus.FAILED, StepStatus.TIMED_OUT, StepStatus.OUTCOME_UNKNOWN)


class CheckResult(StrEnum):
    """The result of a check."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"
    """It could not be carried out; that never passes."""


class StepOverride(StrEnum):
    """What an operator decided about a step."""

    SKIP = "SKIP"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    RERUN = "RERUN"

    @property
    def text(self) -> str:
        """What was done to the step, before the name of who did it."""
        return _DONE[self]


_DONE = {
    StepOverride.SKIP: "skipped",
    StepOverride.COMPLETE: "completed",
    StepOverride.FAIL: "marked as failed",
    StepOverride.RERUN: "run again",
}
_AFTER = {
    StepOverride.SKIP: StepStatus.SKIPPED,
    StepOverride.COMPLETE: StepStatus.SUCCEEDED,
    StepOverride.FAIL: StepStatus.FAILED,
    StepOverride.RERUN: StepStatus.PENDING,
}


class StepState(Model):
    """The state of one step.

    Attributes:
        result: of a check.
        reason: what it waits for, why it failed, or the last evidence of a check.
        attempt: from 1; 0 before it begins.
        attempt_id: of that attempt; also in a later execution that takes it up again.
        actor: the operator who decided about it, and that is kept for ever.
        decision: what that operator decided.
        decide_until: until when it waits for an operator (epoch seconds); None if it does not.
        outputs: at most 4 KB; the values of secret ones are masked.
        secret_outputs: the names of those.
        link: the link or ID in the system that ran it.
        before: the state that it replaced, to be put back.
        reverts: each time that this was put back; only the history has them.
        manual: the instruction and the inputs of a manual step, while it can be completed.
        left_running: it runs on in the system that ran it, so its attempt is taken up again.
        taken_over: it began in an earlier execution, and has not in this one.
        inputs: a hash of the recovery instances and outputs that it began with.
        definition: a hash of the step in its plan, which may differ in a later execution.
    """

    step_id: str
    kind: StepKind
    phase: StepPhase
    impact: Impact = Impact.CRITICAL
    status: StepStatus = StepStatus.PENDING
    result: CheckResult | None = None
    reason: str = ""
    attempt: int = 0
    attempt_id: str = ""
    start_time: float | None = None
    end_time: float | None = None
    actor: str | None = None
    decision: StepOverride | None = None
    decide_until: float | None = None
    outputs: dict[str, JsonValue] = {}
    secret_outputs: list[str] = []
    link: str = ""
    before: JsonValue = None
    reverts: list[StepRevert] = []
    manual: Manual | None = None
    left_running: bool = False
    taken_over: bool = False
    inputs: str = ""
    definition: str = ""

    @classmethod
    def of(cls, step: Step, phase: StepPhase) -> "StepState":
        """The initial state of a step."""
        return cls(
            step_id=step.step_id,
            kind=step.kind,
            phase=phase,
            impact=step.impact,
            secret_outputs=[name for name, output in step.outputs.items() if output.secret],
            definition=step.definition_hash,
        )

    def masked(self, outputs: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Outputs as they are shown and recorded."""
        secret = self.secret_outputs
        return {name: MASK if name in secret else value for name, value in outputs.items()}

    @property
    def known_outputs(self) -> dict[str, JsonValue]:
        """The outputs whose values are recorded, without secret ones."""
        secret = self.secret_outputs
        return {name: value for name, value in self.outputs.items() if name not in secret}

    def decided(
        self,
        decision: StepOverride,
        actor: str,
        reason: str,
        outputs: dict[str, JsonValue],
        *,
        now: float,
    ) -> None:
        """Apply an operator's decision. `now` is in epoch seconds."""
        by = f"{actor}: {reason}" if reason else actor
        before = f"; before: {self.reason}" if self.reason else ""
        may_run_on = self.status in (StepStatus.RUNNING, StepStatus.TIMED_OUT)
        # Only then it begins a second time.
        is_rerun = decision is StepOverride.RERUN
        self.left_running |= self.acts_outside and may_run_on
        self.left_running &= not is_rerun
        left = "; left running" if self.left_running else ""
        self.reason = shortened(f"{decision.text} by {by}{left}{before}")
        self.status = _AFTER[decision]
        self.actor, self.decision = actor, decision
        self.decide_until = None
        if self.status.lets_next_begin:
            self.manual = None
        self.end_time = None if is_rerun else now
        self.outputs = self.masked(outputs) if decision is StepOverride.COMPLETE else {}

    def with_pending_decision_of(self, before: "StepState") -> "StepState":
        """This newer state, with the decision that `before` has and this does not know yet."""
        is_pending = before.decision is not None and before.is_open
        is_unknown = self.decision is None and self.is_open
        # One that was applied began the next attempt.
        is_applied = before.decision is StepOverride.RERUN and self.attempt != before.attempt
        if not (is_pending and is_unknown) or is_applied:
            return self
        return self.model_copy(update={"decision": before.decision, "actor": before.actor})

    @property
    def acts_outside(self) -> bool:
        """Whether it has an effect that an operator does not make."""
        return self.kind.acts and self.kind is not StepKind.MANUAL

    @property
    def is_known(self) -> bool:
        """Whether it has begun, or an operator decided about it."""
        return bool(self.attempt) or self.decision is not None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended, or waits for an operator."""
        return self.status in (StepStatus.PENDING, StepStatus.RUNNING) or self.awaits_operator

    @property
    def is_put_back(self) -> bool:
        """Whether what it replaced is there again, and it has not run since."""
        last = self.end_time or self.start_time or 0.0
        return bool(self.reverts) and self.reverts[-1].time >= last

    @property
    def can_be_put_back(self) -> bool:
        """Whether it replaced something that is not put back."""
        return can_be_put_back(self.before) and not self.is_put_back

    @property
    def fails_wave(self) -> bool:
        """Whether it makes its wave FAILED."""
        return self.impact is Impact.CRITICAL and self.status.has_failed and not self.is_open

    @property
    def makes_partial(self) -> bool:
        """Whether it makes its wave PARTIAL unless that is FAILED."""
        has_failed = self.status.has_failed and not self.is_open
        return self.is_overridden or (has_failed and self.impact is Impact.OPTIONAL)

    @property
    def is_overridden(self) -> bool:
        """Whether an operator skipped it, or completed what is not a manual step."""
        skipped = self.decision is StepOverride.SKIP and self.status is StepStatus.SKIPPED
        completed = (
            self.decision is StepOverride.COMPLETE
            and self.status is StepStatus.SUCCEEDED
            and self.kind is not StepKind.MANUAL
        )
        return skipped or completed

    @property
    def awaits_operator(self) -> bool:
        """Whether it waits for an operator's decision."""
        return self.decide_until is not None
