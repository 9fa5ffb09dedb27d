"""The timeline of a DRS job: pure functions, no clock.

Offsets are unscaled seconds after the call that creates the job. The constants are from the
first job of a recorded drill of small Linux servers (us-west-2, December 2022), to the microsecond.
The ranges are those of its two jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .permissions import CONVERSION

JOB_START = 0.357363
# The recorded job is COMPLETED 26 ms before its JOB_END is logged.
LOG_BEHIND_END = 0.026318
JOB_TAIL = 2.807323
EARLY_FAILURE_TAIL = 0.8
# From the shortest to the longest recorded conversion, and launch.
CONVERSION_SECONDS = (174.7, 197.5)
BOOT_SECONDS = (277.9, 309.9)
# A Windows server boots about 20 minutes (AWS documentation), the recorded Linux ones 278 s.
WINDOWS_EXTRA_BOOT = 1200.0 - 278.0
# Field reports: a late failure comes about 10 minutes after the other servers are LAUNCHED.
LATE_FAILURE_DELAY = 600.0
TERMINATION_SECONDS = 60.0
PERMISSION_FAILURE_DELAY = 2.0

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
    MISSING_PERMISSION = "missing-permission"
    SNAPSHOT_LOST = "snapshot-lost"
    SKIPPED = "skipped"


class CleanUp(StrEnum):
    """When a job cleans up the earlier instance of a server.

    The documentation says that it does. The order of the events in the model says at the start,
    so that the instance is gone even if the launch fails.
    """

    AT_START = "at-start"
    BEFORE_LAUNCH = "before-launch"


class LaunchStatus(StrEnum):
    """`participatingServers[].launchStatus`."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    LAUNCHED = "LAUNCHED"
    FAILED = "FAILED"
    TERMINATED = "TERMINATED"


def permission_error(action: str) -> str:
    """Return the reason that is logged when the caller of a job lacks an action."""
    return (
        f"An error occurred (UnauthorizedOperation) when calling the {action.partition(':')[2]} "
        f"operation: You are not authorized to perform this operation ({action})."
    )


@dataclass(frozen=True)
class LaunchBehavior:
    """The behavior of one source server in one job.

    Attributes:
        outcome: The outcome of its launch.
        windows: Whether it takes as long to boot as a Windows server.
        conversion_seconds: The duration of its conversion; None means the recorded one.
        boot_seconds: From LAUNCH_START to LAUNCH_END; None means the recorded duration.
        launch_seconds: From the call to LAUNCH_END, with a conversion; None means the sum of the
            phases.
        stuck_seconds: From the call to LAUNCH_END of a stuck server; None means never.
        raw_error: The logged reason of a failure; None means the default of the outcome.
        missing_permission: The permission that the caller lacks, such as `ec2:StartInstances`.
        fast: Whether the conversion is skipped.
        from_snapshot: Whether the caller chose the snapshot.
        cleans_up: When the job cleans up an earlier recovery instance; None if there is none.
    """

    outcome: Outcome = Outcome.LAUNCHED
    windows: bool = False
    conversion_seconds: float | None = None
    boot_seconds: float | None = None
    launch_seconds: float | None = None
    stuck_seconds: float | None = None
    raw_error: str | None = None
    missing_permission: str = "ec2:CreateLaunchTemplateVersion"
    fast: bool = False
    from_snapshot: bool = False
    cleans_up: CleanUp | None = None

    @property
    def permission_error(self) -> str:
        """The reason that is logged when the permission is missing."""
        return permission_error(self.missing_permission)


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


def _recorded_phases(position: int) -> _Phases:
    # In the recorded job the second server's LAUNCH_END comes 1.4 s before the first's.
    launch_end = 529.126341 if position == 1 else 530.527781 + 0.3 * max(position - 1, 0)
    return {
        **{event: first + delay * position for event, (first, delay) in _RECORDED_PHASES.items()},
        "LAUNCH_END": launch_end,
    }


def _phases(position: int, behavior: LaunchBehavior) -> _Phases:
    phases = _recorded_phases(position)
    conversion = behavior.conversion_seconds
    if conversion is not None:
        end = phases["CONVERSION_START"] + conversion
        phases = _shifted(phases, "CONVERSION_END", end - phases["CONVERSION_END"])
    if behavior.boot_seconds is not None:
        boot = phases["LAUNCH_END"] - phases["LAUNCH_START"]
        phases = _shifted(phases, "LAUNCH_END", behavior.boot_seconds - boot)
    if behavior.windows:
        phases = _shifted(phases, "LAUNCH_END", WINDOWS_EXTRA_BOOT)
    if behavior.launch_seconds is not None:
        phases = _ending_at(phases, behavior.launch_seconds)
    if behavior.fast:
        # FAST skips conversion (botocore's model), and what follows it in the recorded job.
        skipped = phases["LAUNCH_START"] - phases["CONVERSION_START"]
        phases = _shifted(phases, "CONVERSION_END", -skipped)
    if behavior.outcome is Outcome.STUCK and behavior.stuck_seconds is not None:
        phases = _stuck_until(phases, behavior.stuck_seconds)
    return phases


def _shifted(phases: _Phases, first: str, seconds: float) -> _Phases:
    """Shift an event and those after it."""
    order = list(phases)
    later = order[order.index(first) :]
    return phases | {event: phases[event] + seconds for event in later}


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
    return _shifted(phases, "CONVERSION_END", shift) | {"LAUNCH_END": seconds}


class _LaunchLog:
    """The log events of a launch that goes well, before its LAUNCH_END.

    Attributes:
        earlier: The clean-up at the start.
        prepared: Those up to the conversion.
        converting: Those up to CONVERSION_START.
        launching: All of them.
    """

    def __init__(self, phases: _Phases, position: int, behavior: LaunchBehavior) -> None:
        self._phases, self._position = phases, position
        first = phases["SNAPSHOT_START"]
        at_start = behavior.cleans_up is CleanUp.AT_START
        before_launch = behavior.cleans_up is CleanUp.BEFORE_LAUNCH
        self.earlier = self._clean_up(first / 2, first) if at_start else []
        snapshot = [self.event("SNAPSHOT_START"), self.event("SNAPSHOT_END")]
        if behavior.from_snapshot:
            snapshot = [self.event("USING_PREVIOUS_SNAPSHOT", first)]
        self.prepared = [*self.earlier, *snapshot]
        self.converting = list(self.prepared)
        self.launching = list(self.prepared)
        if not behavior.fast:
            self.converting.append(self.event("CONVERSION_START"))
            self.launching = [*self.converting, self.event("CONVERSION_END")]
        if before_launch:
            self.launching += self._clean_up(phases["CONVERSION_END"], phases["LAUNCH_START"])
        self.launching.append(self.event("LAUNCH_START"))

    def event(self, event: str, at: float | None = None, error: str | None = None) -> LogEvent:
        """Return an event, by default at the time of its phase."""
        return LogEvent(self._phases[event] if at is None else at, event, self._position, error)

    def _clean_up(self, begin: float, end: float) -> list[LogEvent]:
        third = (end - begin) / 3
        return [
            self.event("CLEANUP_START", begin + third),
            self.event("CLEANUP_END", begin + 2 * third),
        ]


def server_timeline(position: int, behavior: LaunchBehavior) -> ServerTimeline:
    """Compute the timeline of the server at a position of a launch, from 0."""
    phases = _phases(position, behavior)
    log = _LaunchLog(phases, position, behavior)
    reason = behavior.raw_error
    last, final = log.event("LAUNCH_END"), LaunchStatus.LAUNCHED
    match behavior.outcome:
        case Outcome.SKIPPED:
            skipped = log.event("SERVER_SKIPPED", phases["SNAPSHOT_START"], reason)
            return _failing_early([skipped])
        case Outcome.SNAPSHOT_LOST:
            at = phases["SNAPSHOT_START"]
            lost = log.event("USING_PREVIOUS_SNAPSHOT_FAILED", at, reason)
            return _failing_early([*log.earlier, lost])
        case Outcome.FAILED_EARLY:
            # In field reports, no event is logged between SNAPSHOT_END and JOB_END. A reason is
            # logged only if the scenario specifies one.
            failed = log.event("CONVERSION_FAIL", phases["SNAPSHOT_END"], reason)
            return _failing_early([*log.prepared, *([] if reason is None else [failed])])
        case Outcome.MISSING_PERMISSION if _is_needed_to_convert(behavior):
            at = _soon_after(phases, "CONVERSION_START", "CONVERSION_END")
            failed = log.event("CONVERSION_FAIL", at, reason or behavior.permission_error)
            return _failing_early([*log.converting, failed])
        case Outcome.MISSING_PERMISSION:
            at = _soon_after(phases, "LAUNCH_START", "LAUNCH_END")
            last = log.event("LAUNCH_FAILED", at, reason or behavior.permission_error)
            final = LaunchStatus.FAILED
        case Outcome.STUCK if behavior.stuck_seconds is None:
            # It never gets past CONVERSION_START.
            return ServerTimeline(tuple(log.converting), None, None, LaunchStatus.PENDING)
        case Outcome.FAILED_LATE:
            at = phases["LAUNCH_END"] + LATE_FAILURE_DELAY
            last = log.event("LAUNCH_FAILED", at, reason or DEFAULT_LATE_ERROR)
            final = LaunchStatus.FAILED
        case _:
            pass
    return ServerTimeline((*log.launching, last), phases["LAUNCH_START"], last.offset, final)


def _soon_after(phases: _Phases, start: str, end: str) -> float:
    begin, until = phases[start], phases[end]
    return min(begin + PERMISSION_FAILURE_DELAY, (begin + until) / 2)


def _is_needed_to_convert(behavior: LaunchBehavior) -> bool:
    permission = behavior.missing_permission
    return not behavior.fast and (permission.startswith("kms:") or permission in CONVERSION)


def _failing_early(events: Sequence[LogEvent]) -> ServerTimeline:
    return ServerTimeline(
        tuple(events), None, events[-1].offset, LaunchStatus.FAILED, EARLY_FAILURE_TAIL
    )


def launch_timeline(behaviors: Sequence[LaunchBehavior]) -> JobTimeline:
    """Compute a LAUNCH job from the behavior of its servers, in the order of the request."""
    return _job([server_timeline(index, behavior) for index, behavior in enumerate(behaviors)])


def refused_at_launch(timeline: JobTimeline, position: int, error: str) -> JobTimeline:
    """Return the timeline of a job in which EC2 refuses to launch one server at LAUNCH_START."""
    servers = list(timeline.servers)
    server = servers[position]
    start = server.launch_start
    assert start is not None, "it gets to LAUNCH_START"
    end = start + PERMISSION_FAILURE_DELAY
    if server.end is not None:
        end = min(end, (start + server.end) / 2)
    events = [event for event in server.events if event.offset <= start]
    events.append(LogEvent(end, "LAUNCH_FAILED", position, error))
    servers[position] = ServerTimeline(tuple(events), start, end, LaunchStatus.FAILED)
    return _job(servers)


def termination_timeline(servers: int, missing_permission: str | None = None) -> JobTimeline:
    """Compute a TERMINATE job of `servers` recovery instances. It takes about a minute.

    Args:
        servers: How many.
        missing_permission: The permission that the caller lacks, so that none is terminated.
    """
    gone = TERMINATION_SECONDS - EARLY_FAILURE_TAIL
    last, final, error = "CLEANUP_END", LaunchStatus.TERMINATED, None
    if missing_permission:
        last, final = "CLEANUP_FAIL", LaunchStatus.FAILED
        error = permission_error(missing_permission)
    return _job(
        [
            ServerTimeline(
                events=(
                    LogEvent(0.76 + 0.0255 * index, "CLEANUP_START", index),
                    LogEvent(gone, last, index, error),
                ),
                launch_start=0.76 + 0.0255 * index,
                end=gone,
                final=final,
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
