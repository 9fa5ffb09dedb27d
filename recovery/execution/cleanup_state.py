"""The clean-up after an execution."""

from enum import StrEnum

from recovery.base_model import Model
from recovery.text_format import shortened


class CleanupStatus(StrEnum):
    """The status of a clean-up."""

    WAITING = "WAITING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"


class LaunchedInstance(Model):
    """A recovery instance that an execution launched.

    Attributes:
        reason: why it still exists, if it does.
    """

    recovery_instance_id: str
    source_server_id: str
    recovery_job_id: str
    region: str
    reason: str | None = None

    def left(self, reason: str) -> "LaunchedInstance":
        """It, with why it still exists; 4,000 of them are one result, which Temporal takes."""
        return self.model_copy(update={"reason": shortened(reason, max_bytes=200)})


class CleanupState(Model):
    """The clean-up after an execution.

    Attributes:
        terminated: instances that DRS no longer lists as running.
        leftovers: instances that still exist, or may exist.
        differences: how launch templates differ from what they were before an isolated drill.
        applied: how `launch-settings apply` has changed launch templates since the drill.
    """

    execution_id: str
    status: CleanupStatus
    status_reason: str = ""
    revision: int = 0
    actor: str
    start_time: float
    end_time: float | None = None
    terminated: list[LaunchedInstance] = []
    leftovers: list[LaunchedInstance] = []
    differences: list[str] = []
    applied: list[str] = []
