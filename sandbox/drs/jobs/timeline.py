"""When each thing in a DRS job happens: pure functions, no clock.

All offsets are seconds of AWS's side after the call that created the job. The constants are those
of a recorded drill of two small Linux servers (us-west-2, December 2022), to the microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

JOB_START = 0.357363
# The recorded job says COMPLETED 26 ms before its JOB_END is logged.
LOG_BEHIND_END = 0.026318
JOB_TAIL = 2.807323
EARLY_FAILURE_TAIL = 0.8
# A Windows server boots about 20 minutes (AWS documentation), the recorded Linux ones 278 s.
WINDOWS_EXTRA_BOOT = 1200.0 - 278.0
# Field reports: a launch that fails late does so some 10 minutes after the others succeeded.
LATE_FAILURE_DELAY = 600.0
TERMINATION_SECONDS = 60.0

DEFAULT_LATE_ERROR = (
    "Failed to launch recovery instance: the instance did not pass its EC2 instance status checks "
    "within the allotted time."
)


class Outcome(StrEnum):
    """How the launch of one source server goes."""

    LAUNCHED = "launched"
    FAILED_EARLY = "failed-early"
    FAILED_LATE = "failed-late"
    STUCK = "stuck"
    SKIPPED = "skipped"


class LaunchStatus(StrEnum):
    """`participatingServers[].launchStatus`."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    LAUNCHED = "LAUNCHED"
    FAILED = "FAILED"
    TERMINATED = "TERMINATED"


@dataclass(frozen=True)
class LaunchBehavior:
    """How one source server behaves in one job.

    Attributes:
        outcome: How it ends.
        windows: Whether it boots as slowly as Windows does.
        launch_seconds: From the call to LAUNCH_END; None means as recorded.
        stuck_seconds: From the call to LAUNCH_END of a stuck server; None means never.
        raw_error: The reason logged for a failure; None means the outcome's default.
        cleans_up: Whether an earlier recovery instance is there to be cleaned up.
    """

    outcome: Outcome = Outcome.LAUNCHED
    windows: bool = False
    launch_seconds: float | None = None
    stuck_seconds: float | None = None
    raw_error: str | None = None
    cleans_up: bool = False


@dataclass(frozen=True)
class LogEvent:
    """One line of a job log. `server` is a place among the participants, None for the job's own."""

    offset: float
    event: str
    server: int | None = None
    raw_error: str | None = None


@dataclass(frozen=True)
class ServerTimeline:
    """One source server's way through a job.

    Attributes:
        events: Its log lines, in order.
        launch_start: When it turns IN_PROGRESS, or None.
        end: When it reaches its final status, or None for never.
        final: The status it ends in.
        tail: Seconds from its end to the end of the job, if it is the last to end.
    """

    events: tuple[LogEvent, ...]
    launch_start: float | None
    end: float | None
    final: LaunchStatus
    tail: float = JOB_TAIL

    def status(self, offset: float) -> LaunchStatus:
        """Return the launch status at an offset from the call."""
        if self.end is not None and offset >= self.end:
            return self.final
        if self.launch_start is not None and offset >= self.launch_start:
            return LaunchStatus.IN_PROGRESS
        return LaunchStatus.PENDING


@dataclass(frozen=True)
class JobTimeline:
    """A whole job. `end` is None for a job that never ends."""

    start: float
    end: float | None
    servers: tuple[ServerTimeline, ...]
    events: tuple[LogEvent, ...]

    def status(self, offset: float) -> str:
        """Return the job's status at an offset from the call; there is no FAILED job."""
        if self.end is not None and offset >= self.end:
            return "COMPLETED"
        return "STARTED" if offset >= self.start else "PENDING"


@dataclass(frozen=True)
class _Phases:
    snapshot_start: float
    snapshot_end: float
    conversion_start: float
    conversion_end: float
    launch_start: float
    launch_end: float

    def ending_at(self, seconds: float) -> _Phases:
        """Scale the conversion and the launch so that the launch ends at `seconds`."""
        # The wait after SNAPSHOT_END is scaled too, or no launch could take less than 53 s. A
        # launch shorter than the snapshot itself scales everything, to keep the log in order.
        anchor = self.snapshot_end if seconds > self.snapshot_end else 0.0
        factor = (seconds - anchor) / (self.launch_end - anchor)

        def scaled(offset: float) -> float:
            return offset if offset <= anchor else anchor + (offset - anchor) * factor

        return _Phases(
            scaled(self.snapshot_start),
            scaled(self.snapshot_end),
            scaled(self.conversion_start),
            scaled(self.conversion_end),
            scaled(self.launch_start),
            seconds,
        )

    def stuck_until(self, seconds: float) -> _Phases:
        """Stretch only the conversion, where stuck servers stay, if there is room for it."""
        shift = seconds - self.launch_end
        if self.conversion_end + shift <= self.conversion_start:
            return self.ending_at(seconds)
        return replace(
            self,
            conversion_end=self.conversion_end + shift,
            launch_start=self.launch_start + shift,
            launch_end=seconds,
        )


def _recorded_phases(position: int, windows: bool) -> _Phases:
    # In the recorded job the second server's LAUNCH_END comes 1.4 s before the first's.
    launch_end = 529.126341 if position == 1 else 530.527781 + 0.3 * max(position - 1, 0)
    return _Phases(
        snapshot_start=0.761221 + 0.02552 * position,
        snapshot_end=0.951705 + 0.026002 * position,
        conversion_start=52.920144 + 0.026272 * position,
        conversion_end=250.434163 + 0.061614 * position,
        launch_start=251.007593 + 0.189609 * position,
        launch_end=launch_end + (WINDOWS_EXTRA_BOOT if windows else 0.0),
    )


def server_timeline(position: int, behavior: LaunchBehavior) -> ServerTimeline:
    """Compute one server's way through a launch.

    Args:
        position: Its place among the job's servers, from 0.
        behavior: How it behaves.

    Returns:
        Its events, ordered, and its statuses.
    """
    phases = _recorded_phases(position, behavior.windows)
    if behavior.launch_seconds is not None:
        phases = phases.ending_at(behavior.launch_seconds)
    match behavior.outcome:
        case Outcome.SKIPPED:
            return _skipped(position, phases, behavior)
        case Outcome.FAILED_EARLY:
            return _failed_early(position, phases, behavior)
        case Outcome.STUCK:
            if behavior.stuck_seconds is None:
                events = _conversion(position, phases)[:-1]
                return ServerTimeline(events, None, None, LaunchStatus.PENDING)
            phases = phases.stuck_until(behavior.stuck_seconds)
        case _:
            pass
    events = _conversion(position, phases) + _launch_start(position, phases, behavior)
    if behavior.outcome is Outcome.FAILED_LATE:
        end, final = phases.launch_end + LATE_FAILURE_DELAY, LaunchStatus.FAILED
        reason = behavior.raw_error or DEFAULT_LATE_ERROR
        last = LogEvent(end, "LAUNCH_FAILED", position, reason)
    else:
        end, final = phases.launch_end, LaunchStatus.LAUNCHED
        # LAUNCH_END is recorded in real logs although the API model does not list it.
        last = LogEvent(end, "LAUNCH_END", position)
    return ServerTimeline((*events, last), phases.launch_start, end, final)


def _skipped(position: int, phases: _Phases, behavior: LaunchBehavior) -> ServerTimeline:
    event = LogEvent(phases.snapshot_start, "SERVER_SKIPPED", position, behavior.raw_error)
    end = phases.snapshot_start
    return ServerTimeline((event,), None, end, LaunchStatus.FAILED, EARLY_FAILURE_TAIL)


def _failed_early(position: int, phases: _Phases, behavior: LaunchBehavior) -> ServerTimeline:
    # Field reports show nothing between SNAPSHOT_END and JOB_END, so a reason is logged only when
    # the scenario names one.
    events = _snapshot(position, phases)
    end = phases.snapshot_end
    if behavior.raw_error is not None:
        events = (*events, LogEvent(end, "CONVERSION_FAIL", position, behavior.raw_error))
    return ServerTimeline(events, None, end, LaunchStatus.FAILED, EARLY_FAILURE_TAIL)


def _snapshot(position: int, phases: _Phases) -> tuple[LogEvent, ...]:
    return (
        LogEvent(phases.snapshot_start, "SNAPSHOT_START", position),
        LogEvent(phases.snapshot_end, "SNAPSHOT_END", position),
    )


def _conversion(position: int, phases: _Phases) -> tuple[LogEvent, ...]:
    return (
        *_snapshot(position, phases),
        LogEvent(phases.conversion_start, "CONVERSION_START", position),
        LogEvent(phases.conversion_end, "CONVERSION_END", position),
    )


def _launch_start(position: int, phases: _Phases, behavior: LaunchBehavior) -> tuple[LogEvent, ...]:
    start = LogEvent(phases.launch_start, "LAUNCH_START", position)
    if not behavior.cleans_up:
        return (start,)
    third = (phases.launch_start - phases.conversion_end) / 3
    return (
        LogEvent(phases.conversion_end + third, "CLEANUP_START", position),
        LogEvent(phases.conversion_end + 2 * third, "CLEANUP_END", position),
        start,
    )


def launch_timeline(behaviors: Sequence[LaunchBehavior]) -> JobTimeline:
    """Compute a LAUNCH job from the conduct of its servers, in the order of the call."""
    return _job([server_timeline(index, behavior) for index, behavior in enumerate(behaviors)])


def termination_timeline(servers: int) -> JobTimeline:
    """Compute a TERMINATE job of so many recovery instances; it takes about a minute."""
    gone = TERMINATION_SECONDS - EARLY_FAILURE_TAIL
    return _job(
        [
            ServerTimeline(
                events=(
                    LogEvent(0.76 + 0.0255 * index, "CLEANUP_START", index),
                    LogEvent(gone, "CLEANUP_END", index),
                ),
                launch_start=0.76 + 0.0255 * index,
                end=gone,
                final=LaunchStatus.TERMINATED,
                tail=EARLY_FAILURE_TAIL,
            )
            for index in range(servers)
        ]
    )


def _job(servers: Sequence[ServerTimeline]) -> JobTimeline:
    first = min(server.events[0].offset for server in servers)
    start = min(JOB_START, first / 2)
    events = [LogEvent(start, "JOB_START"), *(event for each in servers for event in each.events)]
    ends = [None if each.end is None else each.end + each.tail for each in servers]
    known_ends = [end for end in ends if end is not None]
    logged = max(known_ends) if len(known_ends) == len(ends) else None
    if logged is not None:
        events.append(LogEvent(logged, "JOB_END"))
    # A stable sort keeps each server's own order where two events share an instant.
    events.sort(key=lambda event: event.offset)
    end = None if logged is None else logged - LOG_BEHIND_END
    return JobTimeline(start, end, tuple(servers), tuple(events))
