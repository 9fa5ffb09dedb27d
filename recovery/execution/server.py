"""The state of one server's launch."""

from enum import StrEnum

from recovery.base_model import Model
from recovery.plan.fields import Impact
from recovery.text_format import shortened


class LaunchStatus(StrEnum):
    """The status of a server's launch, derived from DRS's responses."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    LAUNCHED = "LAUNCHED"
    FAILED = "FAILED"


class Verified(StrEnum):
    """The result of looking up a launched server's recovery instance."""

    YES = "YES"
    NO = "NO"
    UNKNOWN = "UNKNOWN"


class OperatingSystem(StrEnum):
    """The kinds of operating system that DRS replicates."""

    LINUX = "LINUX"
    WINDOWS = "WINDOWS"


def server_label(server_id: str, name: str | None) -> str:
    """A server as people read it: its name, if DRS has one, and its ID."""
    return f"{name} ({server_id})" if name else server_id


class ServerResult(Model):
    """The state of one server's launch.

    Attributes:
        taken_over: its job belongs to an earlier execution or to another client of DRS.
        launch_time: when DRS launched it, from the job's log if that can be read.
        end_time: when it reached its final state, LAUNCHED or FAILED.
        reason: why it failed, or what is not verified.
    """

    source_server_id: str
    impact: Impact = Impact.CRITICAL
    launch_status: LaunchStatus = LaunchStatus.PENDING
    verified: Verified | None = None
    recovery_job_id: str | None = None
    recovery_instance_id: str | None = None
    taken_over: bool = False
    launch_time: float | None = None
    end_time: float | None = None
    reason: str | None = None

    @property
    def is_recorded_up(self) -> bool:
        """Whether an earlier execution recorded it as launched, and this one has not checked it."""
        is_up = self.launch_status is LaunchStatus.LAUNCHED
        return self.taken_over and is_up and self.verified is None

    @property
    def is_final(self) -> bool:
        """Whether the launch is over: failed, or launched and its lookup done or timed out."""
        if self.launch_status is LaunchStatus.LAUNCHED:
            return self.verified is not None
        return self.launch_status is LaunchStatus.FAILED

    def is_behind(self, known: "ServerResult") -> bool:
        """Whether this is an earlier state than `known` of the same launch."""
        same_launch = self.recovery_job_id == known.recovery_job_id
        return same_launch and self._progress < known._progress

    @property
    def _progress(self) -> int:
        if self.launch_status is LaunchStatus.LAUNCHED:
            return {None: 2, Verified.UNKNOWN: 3}.get(self.verified, 4)
        return {LaunchStatus.PENDING: 0, LaunchStatus.IN_PROGRESS: 1}.get(self.launch_status, 4)

    def failed(self, reason: str, *, at: float) -> "ServerResult":
        """This server, failed for `reason` at `at` (epoch seconds)."""
        return self.model_copy(
            update={
                "launch_status": LaunchStatus.FAILED,
                "reason": shortened(reason),
                "end_time": at,
            }
        )
