"""The state of one server's launch."""

from enum import StrEnum

from pydantic import Field

from recovery.base_model import Model
from recovery.launch_settings.network import LaunchNetwork
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


class PostLaunch(StrEnum):
    """The outcome of DRS's post-launch actions of a launched server, without optional ones."""

    PENDING = "PENDING"
    """Which actions DRS runs is not known yet."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_over(self) -> bool:
        """Whether nothing waits for them; what is UNKNOWN may still end."""
        return self not in (PostLaunch.PENDING, PostLaunch.RUNNING)


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
        recovery_point: of when its instance's data is, as DRS says; None if that is not known.
        end_time: when it reached its final state, LAUNCHED or FAILED.
        post_launch: the outcome of DRS's post-launch actions; None if none must succeed.
        reason: why it failed, what is not verified, or which post-launch action runs or failed.
        network: where it may be launched, and where it was; None where no drill is isolated.
    """

    source_server_id: str
    impact: Impact = Impact.CRITICAL
    launch_status: LaunchStatus = LaunchStatus.PENDING
    verified: Verified | None = None
    post_launch: PostLaunch | None = None
    recovery_job_id: str | None = None
    recovery_instance_id: str | None = None
    taken_over: bool = False
    launch_time: float | None = None
    recovery_point: float | None = None
    end_time: float | None = None
    reason: str | None = None
    network: LaunchNetwork | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def is_recorded_up(self) -> bool:
        """Whether an earlier execution recorded it as launched, and this one has not checked it."""
        is_up = self.launch_status is LaunchStatus.LAUNCHED
        return self.taken_over and is_up and self.verified is None

    @property
    def is_final(self) -> bool:
        """Whether the launch is over.

        It failed, or it is launched, its lookup is done or timed out, and so are DRS's post-launch
        actions.
        """
        if self.launch_status is LaunchStatus.LAUNCHED:
            is_over = self.post_launch is None or self.post_launch.is_over
            return self.verified is not None and is_over
        return self.launch_status is LaunchStatus.FAILED

    @property
    def has_failed(self) -> bool:
        """Whether it was not launched, or a post-launch action failed on it."""
        return self.launch_status is LaunchStatus.FAILED or self.actions_failed

    @property
    def actions_failed(self) -> bool:
        """Whether it is launched, and DRS's post-launch actions failed."""
        is_up = self.launch_status is LaunchStatus.LAUNCHED
        return is_up and self.post_launch is PostLaunch.FAILED

    @property
    def is_unverified(self) -> bool:
        """Whether it is launched, and its instance or its post-launch actions are UNKNOWN."""
        is_unknown = self.verified is Verified.UNKNOWN or self.post_launch is PostLaunch.UNKNOWN
        return self.launch_status is LaunchStatus.LAUNCHED and is_unknown

    def is_behind(self, known: "ServerResult") -> bool:
        """Whether this is an earlier state than `known` of the same launch."""
        same_launch = self.recovery_job_id == known.recovery_job_id
        return same_launch and self._progress < known._progress

    @property
    def _progress(self) -> tuple[int, int]:
        if self.launch_status is LaunchStatus.LAUNCHED:
            actions = _ACTIONS_PROGRESS.get(self.post_launch, 3)
            return {None: 2, Verified.UNKNOWN: 3}.get(self.verified, 4), actions
        launch = {LaunchStatus.PENDING: 0, LaunchStatus.IN_PROGRESS: 1}.get(self.launch_status, 4)
        return launch, 3

    def failed(self, reason: str, *, at: float) -> "ServerResult":
        """This server, failed for `reason` at `at` (epoch seconds)."""
        return self.model_copy(
            update={
                "launch_status": LaunchStatus.FAILED,
                "reason": shortened(reason),
                "end_time": at,
            }
        )


_ACTIONS_PROGRESS: dict[PostLaunch | None, int] = {
    PostLaunch.PENDING: 0,
    PostLaunch.RUNNING: 1,
    PostLaunch.UNKNOWN: 2,
}
