"""A DRS job: a timeline with a start time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from ..jobs.timeline import JobTimeline, LaunchStatus, LogEvent, ServerTimeline, refused_at_launch
from ..servers.launch_actions import LaunchAction, launch_actions_status
from ..simulation import simulation


@dataclass(frozen=True)
class Participant:
    """A source server in a job.

    Attributes:
        source_server_id: The server.
        recovery_instance_id: The instance that the job launches or terminates.
        conversion_server_id: The temporary instance that converts the disks.
        reports_instance_id: Whether the job names the instance; recorded jobs do not.
        status_lag: By how many unscaled seconds the job is late to name a final status.
        launch_actions: What DRS runs after the launch, in order; None: they are not enabled.
    """

    source_server_id: str
    recovery_instance_id: str
    conversion_server_id: str
    reports_instance_id: bool = True
    status_lag: float = 0.0
    launch_actions: tuple[LaunchAction, ...] | None = None


# Many threads serve requests; a launch is checked once.
_checking = RLock()


@dataclass
class Job:
    """A job of type LAUNCH or TERMINATE. Only its tags change after its creation.

    Attributes:
        planned: Its timeline, if EC2 refuses no launch.
        refusal: Returns why EC2 refuses to launch a participant at its LAUNCH_START (in epoch
            seconds), or None.
    """

    job_id: str
    arn: str
    initiated_by: str
    created: float
    planned: JobTimeline
    participants: tuple[Participant, ...]
    tags: dict[str, str] = field(default_factory=dict)
    speed: float = field(default_factory=lambda: simulation.speed)
    refusal: Callable[[Participant, float], str | None] | None = None
    _unchecked: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.refusal is not None:
            starts = [each.launch_start for each in self.planned.servers]
            self._unchecked = sorted(
                (self.at(start), index) for index, start in enumerate(starts) if start is not None
            )

    @property
    def timeline(self) -> JobTimeline:
        """Its timeline, by what EC2 had when launches came to LAUNCH_START."""
        if self._unchecked and self._unchecked[0][0] <= simulation.now():
            self._check_launches(simulation.now())
        return self.planned

    def _check_launches(self, now: float) -> None:
        with _checking:
            while self._unchecked and self._unchecked[0][0] <= now:
                start, index = self._unchecked[0]
                error = self.refusal(self.participants[index], start) if self.refusal else None
                if error is not None:
                    self.planned = refused_at_launch(self.planned, index, error)
                self._unchecked.pop(0)

    @property
    def type(self) -> str:
        """LAUNCH or TERMINATE."""
        ends = self.initiated_by == "TERMINATE_RECOVERY_INSTANCES"
        return "TERMINATE" if ends else "LAUNCH"

    @property
    def is_drill(self) -> bool:
        """Whether it launches for a drill."""
        return self.initiated_by == "START_DRILL"

    def at(self, offset: float) -> float:
        """Convert an offset in unscaled seconds to epoch seconds."""
        return self.created + offset / self.speed

    def offset(self, now: float) -> float:
        """Convert epoch seconds to an offset in unscaled seconds."""
        return (now - self.created) * self.speed

    def status(self, now: float) -> str:
        """Return PENDING, STARTED or COMPLETED."""
        return self.timeline.status(self.offset(now))

    def in_progress(self, now: float) -> bool:
        """Return whether the job is not COMPLETED. Its source servers cannot be in another job."""
        return self.status(now) != "COMPLETED"

    def launch_status(self, source_server_id: str, now: float) -> LaunchStatus:
        """Return the launch status of a participating server."""
        servers = {participant.source_server_id: server for participant, server in self._servers()}
        return servers[source_server_id].status(self.offset(now))

    def _servers(self) -> Iterator[tuple[Participant, ServerTimeline]]:
        return zip(self.participants, self.timeline.servers, strict=True)

    def launch_starts(self) -> Iterator[tuple[Participant, float]]:
        """Iterate over the servers that get to LAUNCH_START, with its time in epoch seconds."""
        if self.type == "LAUNCH":
            for participant, server in self._servers():
                if server.launch_start is not None:
                    yield participant, self.at(server.launch_start)

    def as_ledger_json(self, now: float) -> dict[str, Any]:
        """Return the job for the ledger, including results that lie in the future."""
        end = self.timeline.end
        return {
            "JobId": self.job_id,
            "Type": self.type,
            "Created": self.created,
            "Ends": None if end is None else self.at(end),
            "Tags": dict(self.tags),
            "Servers": [
                {
                    "SourceServerId": participant.source_server_id,
                    "LaunchStatus": server.status(self.offset(now)).value,
                    "FinalStatus": server.final.value,
                    "FinalTime": None if server.end is None else self.at(server.end),
                    "RecoveryInstanceId": participant.recovery_instance_id,
                }
                for participant, server in self._servers()
            ],
        }

    def describe(self, now: float) -> dict[str, Any]:
        """Return the Job structure of the API."""
        description: dict[str, Any] = {
            "jobID": self.job_id,
            "arn": self.arn,
            "type": self.type,
            "initiatedBy": self.initiated_by,
            "creationDateTime": simulation.timestamp(self.created),
            "status": self.status(now),
            "participatingServers": [
                self._describe_server(participant, server, now)
                for participant, server in self._servers()
            ],
            "tags": dict(self.tags),
        }
        if self.timeline.end is not None and not self.in_progress(now):
            description["endDateTime"] = simulation.timestamp(self.at(self.timeline.end))
        return description

    def _reported_status(
        self, participant: Participant, server: ServerTimeline, now: float
    ) -> LaunchStatus:
        offset = self.offset(now)
        if server.end is not None and 0 < offset - server.end < participant.status_lag:
            return LaunchStatus.PENDING
        return server.status(offset)

    def _describe_server(
        self, participant: Participant, server: ServerTimeline, now: float
    ) -> dict[str, Any]:
        status = self._reported_status(participant, server, now)
        item: dict[str, Any] = {
            "sourceServerID": participant.source_server_id,
            "launchStatus": status.value,
        }
        there = self.type == "TERMINATE" or status is LaunchStatus.LAUNCHED
        if there and participant.reports_instance_id:
            item["recoveryInstanceID"] = participant.recovery_instance_id
        launched = status is LaunchStatus.LAUNCHED
        if launched and server.end is not None and participant.launch_actions is not None:
            item["launchActionsStatus"] = launch_actions_status(
                participant.launch_actions,
                participant.recovery_instance_id,
                participant.source_server_id,
                self.at(server.end),
                self.speed,
            )
        return item

    def log(self, now: float) -> list[dict[str, Any]]:
        """Return the JobLog structures up to now, in order."""
        offset = self.offset(now)
        return [
            {
                "logDateTime": simulation.timestamp(self.at(event.offset)),
                "event": event.event,
                "eventData": self._event_data(event),
            }
            for event in self.timeline.events
            if event.offset <= offset
        ]

    def _event_data(self, event: LogEvent) -> dict[str, Any]:
        if event.server is None:
            return {}
        participant = self.participants[event.server]
        data = {"sourceServerID": participant.source_server_id}
        match event.event:
            case "CONVERSION_END":
                data["conversionServerID"] = participant.conversion_server_id
            case "LAUNCH_END":
                data["targetInstanceID"] = participant.recovery_instance_id
            case _:
                pass
        if event.raw_error is not None:
            data["rawError"] = event.raw_error
        return data
