"""A decision that an execution waits for, as its state has it."""

from enum import StrEnum

from recovery.base_model import Model
from recovery.execution.wave import OperatorDecision


class DecisionKind(StrEnum):
    """What must be decided."""

    RECOVERY_APPROVAL = "RECOVERY_APPROVAL"
    """The approvals of a real recovery, before its first launch."""
    RESUME = "RESUME"
    APPROVAL = "APPROVAL"
    LAUNCH = "LAUNCH"
    """Whether DRS has the job of a launch."""
    LASTING_ERROR = "LASTING_ERROR"
    """An error of a launch that lasts until an operator removes its cause."""
    STEP = "STEP"
    """Whether a manual step is done, or a step whose outcome is unknown had its effect."""
    FAILURE = "FAILURE"
    """How to continue after a wave that FAILED or TIMED_OUT, and that nobody accepted."""
    PLAN = "PLAN"
    """Of a portfolio: how to continue after a plan that is not up, for which others wait."""
    HELD_PLAN = "HELD_PLAN"
    """Of a portfolio: an execution of the other type keeps a plan from being started."""

    @property
    def is_approval(self) -> bool:
        """Whether approvers decide."""
        return self in (DecisionKind.RECOVERY_APPROVAL, DecisionKind.APPROVAL)


class OpenDecision(Model):
    """A decision that an execution waits for.

    Attributes:
        wave_id: its wave; None if it is about the execution.
        step_id: its step; None if it is not about one.
        attempt: of the wave, or of the step.
        launches: in doubt, if it is about launches.
        since: when it was first asked (epoch seconds).
        acknowledged_by: who said that they take care of it.
    """

    kind: DecisionKind
    wave_id: str | None = None
    step_id: str | None = None
    attempt: int = 0
    launches: list[str] = []
    since: float
    acknowledged_by: OperatorDecision | None = None

    @property
    def key(self) -> str:
        """Unique within its execution; another attempt of a wave has another one."""
        step = f"/{self.step_id}" if self.step_id else ""
        return f"{self.kind}/{self.wave_id or ''}{step}/{self.attempt}"
