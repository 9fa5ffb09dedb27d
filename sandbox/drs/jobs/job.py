"""A DRS job: its timeline laid on the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..jobs.timeline import JobTimeline, LaunchStatus, LogEvent
from ..simulation import Simulation


@dataclass(frozen=True)
class Participant:
    """A source server in a job.

    Attributes:
        source_server_id: The server.
        recovery_instance_id: The instance that is launched, or terminated.
        conversion_server_id: The temporary instance that converts its disks.
        reports_instance_id: Whether the job names the instance; recorded jobs do not.
    """

    source_server_id: str
    recovery_instance_id: str
    conversion_server_id: str
    reports_instance_id: bool = True


@dataclass
class Job:
    """A job of type LAUNCH or TERMINATE. Everything but its tags is decided at its creation."""

    job_id: str
    arn: str
    type: str
    initiated_by: str
    created: float
    timeline: JobTimeline
    participants: tuple[Participant, ...]
    simulation: Simulation
    tags: dict[str, str] = field(default_factory=dict)
    speed: float = field(init=False)

    def __post_init__(self) -> None:
        self.speed = self.simulation.speed

    def at(self, offset: float) -> float:
        """Turn an offset of AWS's side into epoch seconds."""
        return self.created + offset / self.speed

    def offset(self, now: float) -> float:
        """Turn epoch seconds into an offset of AWS's side."""
        return (now - self.created) * self.speed

    def status(self, now: float) -> str:
        """Return PENDING, STARTED or COMPLETED."""
        return self.timeline.status(self.offset(now))

    def in_progress(self, now: float) -> bool:
        """Return whether the job still holds its source servers."""
        return self.status(now) != "COMPLETED"

    def launch_status(self, source_server_id: str, now: float) -> LaunchStatus:
        """Return one participating server's launch status."""
        index = next(
            index
            for index, participant in enumerate(self.participants)
            if participant.source_server_id == source_server_id
        )
        return self.timeline.servers[index].status(self.offset(now))

    def as_ledger_json(self, now: float) -> dict[str, Any]:
        """Return what the job does to each server, what is still to come included."""
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
                for participant, server in zip(
                    self.participants, self.timeline.servers, strict=True
                )
            ],
        }

    def describe(self, now: float) -> dict[str, Any]:
        """Return the Job structure of the API."""
        description: dict[str, Any] = {
            "jobID": self.job_id,
            "arn": self.arn,
            "type": self.type,
            "initiatedBy": self.initiated_by,
            "creationDateTime": self.simulation.timestamp(self.created),
            "status": self.status(now),
            "participatingServers": [
                self._describe_server(index, now) for index in range(len(self.participants))
            ],
            "tags": dict(self.tags),
        }
        if self.timeline.end is not None and not self.in_progress(now):
            description["endDateTime"] = self.simulation.timestamp(self.at(self.timeline.end))
        return description

    def _describe_server(self, index: int, now: float) -> dict[str, Any]:
        participant = self.participants[index]
        status = self.timeline.servers[index].status(self.offset(now))
        item: dict[str, Any] = {
            "sourceServerID": participant.source_server_id,
            "launchStatus": status.value,
        }
        there = self.type == "TERMINATE" or status is LaunchStatus.LAUNCHED
        if there and participant.reports_instance_id:
            item["recoveryInstanceID"] = participant.recovery_instance_id
        return item

    def log(self, now: float) -> list[dict[str, Any]]:
        """Return the JobLog structures of everything that happened so far, in order."""
        offset = self.offset(now)
        return [
            {
                "logDateTime": self.simulation.timestamp(self.at(event.offset)),
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
