"""The timeline of a DRS job: pure functions, no clock.

Offsets are unscaled seconds after the call that creates the job. The constants are from a recorded
drill of two small Linux servers (us-west-2, December 2022), to the microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

JOB_START = 0.357363
# The recorded job is COMPLETED 26 ms before its JOB_END is logged.
LOG_BEHIND_END = 0.026318
JOB_TAIL = 2.807323
EARLY_FAILURE_TAIL = 0.8
# A Windows server boots about 20 minutes (AWS documentation), the recorded Linux ones 278 s.
WINDOWS_EXTRA_BOOT = 1200.0 - 278.0
# Field reports: a late failure comes about 10 minutes after the other servers are LAUNCHED.
LATE_FAILURE_DELAY = 600.0
TERMINATION_SECONDS = 60.0

DEFAULT_LATE_ERROR = (
    "Failed to launch recovery instance: the instance did not pass its EC2 instance status checks "
    "within the allotted time."
)


class Outcome(StrEnum):
    """The outcome of one source server's launch."""

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
    """The behavior of one source server in one job.

    Attributes:
        outcome: The outcome of its launch.
        windows: Whether it takes as long to boot as a Windows server.
        launch_seconds: From the call to LAUNCH_END; None means the recorded duration.
        stuck_seconds: From the call to LAUNCH_END of a stuck server; None means never.
        raw_error: The logged reason of a failure; None means the default of the outcome.
        cleans_up: Whether the job cleans up an earlier recovery instance.
    """

    outcome: Outcome = Outcome.LAUNCHED
    windows: bool = False
    launch_seconds: float | None = None
    stuck_seconds: float | None = None
    raw_error: str | None = None
    cleans_up: bool = False


@dataclass(frozen=True)
class LogEvent:
    """One job log event. `server` is the index of the participant, None for an event of the job."""

    offset: float
    event: str
    server: int | None = None
    raw_error: str | None = None


@dataclass(frozen=True)
class ServerTimeline:
    """The timeline of one source server in a job.

    Attributes:
        events: Its log events, in order.
        launch_start: When its status changes to IN_PROGRESS, or None.
        end: When it reaches its final status, or None for never.
        final: Its final status.
        tail: Seconds from its end to the end of the job, if this server ends last.
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
    """The timeline of a job. `end` is None for a job that never ends."""

    start: float
    end: float | None
    servers: tuple[ServerTimeline, ...]
    events: tuple[LogEvent, ...]

    def status(self, offset: float) -> str:
        """Return the job status at an offset from the call. DRS has no FAILED status for jobs."""
        if self.end is not None and offset >= self.end:
            return "COMPLETED"
        return "STARTED" if offset >= self.start else "PENDING"


# The recorded offsets of the first server's log events, and the delay of those of each further one.
_RECORDED_PHASES = {
    "SNAPSHOT_START": (0.761221, 0.02552),
    "SNAPSHOT_END": (0.951705, 0.026002),
    "CONVERSION_START": (52.920144, 0.026272),
    "CONVERSION_END": (250.434163, 0.061614),
    "LAUNCH_START": (251.007593, 0.189609),
}
# The offset of each log event of a launch, in order. Real logs contain LAUNCH_END, although the API
# model does not list it.
_Phases = dict[str, float]


def _recorded_phases(position: int, windows: bool) -> _Phases:
    # In the recorded job the second server's LAUNCH_END comes 1.4 s before the first's.
    launch_end = 529.126341 if position == 1 else 530.527781 + 0.3 * max(position - 1, 0)
    return {
        **{event: first + delay * position for event, (first, delay) in _RECORDED_PHASES.items()},
        "LAUNCH_END": launch_end + (WINDOWS_EXTRA_BOOT if windows else 0.0),
    }


def _ending_at(phases: _Phases, seconds: float) -> _Phases:
    """Scale the conversion and the launch so that the launch ends at `seconds`."""
    # The wait after SNAPSHOT_END is scaled too, so that a launch can take less than 53 s. If the
    # launch is shorter than the snapshot, all phases are scaled to keep the log in order.
    anchor = phases["SNAPSHOT_END"] if seconds > phases["SNAPSHOT_END"] else 0.0
    factor = (seconds - anchor) / (phases["LAUNCH_END"] - anchor)
    scaled = {
        event: at if at <= anchor else anchor + (at - anchor) * factor
        for event, at in phases.items()
    }
    return {**scaled, "LAUNCH_END": seconds}


def _stuck_until(phases: _Phases, seconds: float) -> _Phases:
    """Extend only the conversion, where a stuck server waits, if `seconds` allows it."""
    shift = seconds - phases["LAUNCH_END"]
    if phases["CONVERSION_END"] + shift <= phases["CONVERSION_START"]:
        return _ending_at(phases, seconds)
    later = {event: phases[event] + shift for event in ("CONVERSION_END", "LAUNCH_START")}
    return {**phases, **later, "LAUNCH_END": seconds}


def server_timeline(position: int, behavior: LaunchBehavior) -> ServerTimeline:
    """Compute the timeline of the server at a position of a launch, from 0."""
    phases = _recorded_phases(position, behavior.windows)
    if behavior.launch_seconds is not None:
        phases = _ending_at(phases, behavior.launch_seconds)
    if behavior.outcome is Outcome.STUCK and behavior.stuck_seconds is not None:
        phases = _stuck_until(phases, behavior.stuck_seconds)
    events = [LogEvent(at, event, position) for event, at in phases.items()]
    end, final = phases["LAUNCH_END"], LaunchStatus.LAUNCHED
    reason = behavior.raw_error
    match behavior.outcome:
        case Outcome.SKIPPED:
            at = phases["SNAPSHOT_START"]
            return _failing_early([LogEvent(at, "SERVER_SKIPPED", position, reason)])
        case Outcome.FAILED_EARLY:
            # In field reports, no event is logged between SNAPSHOT_END and JOB_END. A reason is
            # logged only if the scenario specifies one.
            events = events[:2]
            if reason is not None:
                at = phases["SNAPSHOT_END"]
                events.append(LogEvent(at, "CONVERSION_FAIL", position, reason))
            return _failing_early(events)
        case Outcome.STUCK if behavior.stuck_seconds is None:
            # It never gets past CONVERSION_START.
            return ServerTimeline(tuple(events[:3]), None, None, LaunchStatus.PENDING)
        case Outcome.FAILED_LATE:
            end, final = end + LATE_FAILURE_DELAY, LaunchStatus.FAILED
            events[-1] = LogEvent(end, "LAUNCH_FAILED", position, reason or DEFAULT_LATE_ERROR)
        case _:
            pass
    if behavior.cleans_up:
        converted = phases["CONVERSION_END"]
        third = (phases["LAUNCH_START"] - converted) / 3
        # Between CONVERSION_END and LAUNCH_START.
        events[4:4] = [
            LogEvent(converted + third, "CLEANUP_START", position),
            LogEvent(converted + 2 * third, "CLEANUP_END", position),
        ]
    return ServerTimeline(tuple(events), phases["LAUNCH_START"], end, final)


def _failing_early(events: Sequence[LogEvent]) -> ServerTimeline:
    return ServerTimeline(
        tuple(events), None, events[-1].offset, LaunchStatus.FAILED, EARLY_FAILURE_TAIL
    )


def launch_timeline(behaviors: Sequence[LaunchBehavior]) -> JobTimeline:
    """Compute a LAUNCH job from the behavior of its servers, in the order of the request."""
    return _job([server_timeline(index, behavior) for index, behavior in enumerate(behaviors)])


def termination_timeline(servers: int) -> JobTimeline:
    """Compute a TERMINATE job of `servers` recovery instances. It takes about a minute."""
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
    # A stable sort keeps the order of a server's events that have the same offset.
    events.sort(key=lambda event: event.offset)
    end = None if logged is None else logged - LOG_BEHIND_END
    return JobTimeline(start, end, tuple(servers), tuple(events))
