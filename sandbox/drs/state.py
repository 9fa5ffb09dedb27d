"""The DRS state of one account and Region, and how jobs change it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any

from moto.core.base_backend import BaseBackend
from moto.moto_api._internal import mock_random

from .exceptions import ResourceNotFoundException, UninitializedAccountException
from .jobs.job import Job, Participant
from .jobs.timeline import (
    JobTimeline,
    LaunchBehavior,
    LaunchStatus,
    ServerTimeline,
    launch_timeline,
    termination_timeline,
)
from .ledger import ConfigurationChange, LedgerEntry, LedgerEvent, LedgerLaunch
from .quotas import Quotas
from .servers.addresses import own_address
from .servers.launch_settings import ec2
from .servers.recovery_instances import RecoveryInstance
from .servers.source_servers import SourceServer
from .simulation import simulation

SOURCE_SERVER = "SOURCE_SERVER"
RECOVERY_INSTANCE = "RECOVERY_INSTANCE"
JOB = "JOB"


class DRSState(BaseBackend):
    """Source servers, jobs, recovery instances, quotas and ledger of one account and Region.

    The timeline of a job is complete at its creation. A request computes the current state from
    the timeline and the clock; nothing runs in the background.
    """

    def __init__(self, region_name: str, account_id: str):
        super().__init__(region_name, account_id)
        self.initialized = False
        self.quotas = Quotas()
        self.ledger: list[LedgerEntry] = []
        self.configuration_changes: list[ConfigurationChange] = []
        self.source_servers: dict[str, SourceServer] = {}
        # The source server of each EC2 launch template.
        self.template_servers: dict[str, SourceServer] = {}
        self.jobs: dict[str, Job] = {}
        self.recovery_instances: dict[str, RecoveryInstance] = {}
        # Many threads serve requests; the check of a quota and the new job must be one step.
        self._lock = RLock()

    def _arn(self, resource_type: str, resource_id: str) -> str:
        return (
            f"arn:{self.partition}:drs:{self.region_name}:{self.account_id}"
            f":{resource_type}/{resource_id}"
        )

    def _require_initialized(self) -> None:
        if not self.initialized:
            raise UninitializedAccountException()

    def _record(self, event: LedgerEvent, job: Job, **fields: Any) -> None:
        self.ledger.append(
            LedgerEntry(
                Time=job.created,
                Event=event,
                AccountId=self.account_id,
                Region=self.region_name,
                JobId=job.job_id,
                SourceServerIds=tuple(each.source_server_id for each in job.participants),
                **fields,
            )
        )

    # Current state

    def jobs_in_progress(self, now: float) -> list[Job]:
        """Return the jobs that are not COMPLETED."""
        return [job for job in list(self.jobs.values()) if job.in_progress(now)]

    def ledger_servers(self) -> list[dict[str, Any]]:
        """Return the current state of the source servers for the ledger.

        Returns:
            One mapping for each source server, ordered by ID. `InstancesUp` lists every EC2
            instance that exists, including those deleted from DRS.
        """
        now = simulation.now()
        return [
            {
                "SourceServerId": server_id,
                "InstancesUp": [
                    {
                        "RecoveryInstanceId": instance.recovery_instance_id,
                        "JobId": instance.job_id,
                        "IsDrill": instance.is_drill,
                        "State": instance.ec2_state(now),
                        "KnownToDrs": instance.is_listed(now),
                    }
                    for instance in list(server.instances)
                    if instance.exists(now)
                ],
            }
            for server_id, server in sorted(self.source_servers.items())
        ]

    def ledger_jobs(self) -> list[dict[str, Any]]:
        """Return the jobs for the ledger.

        Returns:
            One mapping for each job, oldest first. `Ends` and `FinalTime` are epoch seconds, which
            can lie in the future, or None for never.
        """
        now = simulation.now()
        return [job.as_ledger_json(now) for job in list(self.jobs.values())]

    def ledger_launches(self) -> list[LedgerLaunch]:
        """Return what each server was launched with whose LAUNCH_START has passed, in order."""
        now = simulation.now()
        found = []
        for job in list(self.jobs.values()):
            for participant, start in job.launch_starts():
                server = self.source_servers[participant.source_server_id]
                if start > now:
                    continue
                settings = server.settings.of_launch(start)
                found.append(
                    LedgerLaunch(
                        Time=start,
                        SourceServerId=server.source_server_id,
                        JobId=job.job_id,
                        RecoveryInstanceId=participant.recovery_instance_id,
                        IsDrill=job.is_drill,
                        TemplateVersion=settings.template.number,
                        TemplateDescription=settings.template.description,
                        SubnetId=settings.template.subnet_id,
                        SecurityGroupIds=tuple(settings.template.security_group_ids),
                        PrivateIp=settings.template.private_ip,
                        LaunchDisposition=settings.configuration["launchDisposition"],
                    )
                )
        return sorted(found, key=lambda launch: launch.Time)

    def ledger_templates(self) -> list[dict[str, Any]]:
        """Return the launch templates whose default version ever changed, and when it did."""
        return [
            {
                "SourceServerId": server_id,
                "LaunchTemplateId": server.launch_configuration["ec2LaunchTemplateID"],
                "Defaults": [
                    {
                        "Since": since,
                        "Version": version.number,
                        "Description": version.description,
                        "SubnetId": version.subnet_id,
                    }
                    for since, version in changes
                ],
            }
            for server_id, server in sorted(self.source_servers.items())
            if len(changes := server.settings.template.changes()) > 1
        ]

    def _source_server(self, source_server_id: str) -> SourceServer:
        server = self.source_servers.get(source_server_id)
        if server is None:
            raise ResourceNotFoundException(source_server_id, SOURCE_SERVER)
        return server

    def _recovery_instance(self, recovery_instance_id: str, now: float) -> RecoveryInstance:
        instance = self.recovery_instances.get(recovery_instance_id)
        if instance is None or not instance.is_listed(now):
            raise ResourceNotFoundException(recovery_instance_id, RECOVERY_INSTANCE)
        return instance

    def _busy_servers(self, now: float) -> set[str]:
        return {
            participant.source_server_id
            for job in self.jobs_in_progress(now)
            for participant in job.participants
        }

    # Jobs

    def _launch(
        self,
        launches: Sequence[tuple[SourceServer, LaunchBehavior, float]],
        *,
        is_drill: bool,
        tags: dict[str, str],
        created: float,
    ) -> Job:
        """Create a LAUNCH job of (server, behavior, time of the snapshot) and its instances."""
        job = self._create_job(
            "START_DRILL" if is_drill else "START_RECOVERY",
            launch_timeline([behavior for _, behavior, _ in launches]),
            [
                Participant(
                    server.source_server_id,
                    recovery_instance_id=_ec2_instance_id(),
                    conversion_server_id=_ec2_instance_id(),
                    reports_instance_id=server.reports_instance_id,
                    status_lag=server.status_lag,
                    launch_actions=server.enabled_launch_actions(),
                )
                for server, _, _ in launches
            ],
            tags,
            created,
        )
        for index, (server, _, snapshot_taken) in enumerate(launches):
            timeline = job.planned.servers[index]
            self._clean_up_earlier(server, job, timeline)
            server.last_job = job
            if timeline.final is LaunchStatus.LAUNCHED:
                self._add_recovery_instance(job, index, server, snapshot_taken)
        return job

    def _create_job(
        self,
        initiated_by: str,
        timeline: JobTimeline,
        participants: Sequence[Participant],
        tags: dict[str, str],
        created: float,
    ) -> Job:
        job_id = f"drsjob-{mock_random.get_random_hex(17)}"
        job = Job(
            job_id=job_id,
            arn=self._arn("job", job_id),
            initiated_by=initiated_by,
            created=created,
            planned=timeline,
            refusal=self._refusal if initiated_by.startswith("START_") else None,
            participants=tuple(participants),
            tags=dict(tags),
        )
        self.jobs[job_id] = job
        return job

    def _refusal(self, participant: Participant, launch_start: float) -> str | None:
        server = self.source_servers.get(participant.source_server_id)
        if server is None:
            return None
        template = server.settings.of_launch(launch_start).template
        return ec2.refusal(self.account_id, self.region_name, template)

    def _clean_up_earlier(self, server: SourceServer, job: Job, timeline: ServerTimeline) -> None:
        at = {each.event: job.at(each.offset) for each in timeline.events}
        if "CLEANUP_START" in at:
            for instance in server.listed_instances(job.created):
                instance.terminate(at["CLEANUP_START"], at["CLEANUP_END"])

    def _add_recovery_instance(
        self, job: Job, index: int, server: SourceServer, snapshot_taken: float
    ) -> None:
        timeline = job.planned.servers[index]
        assert timeline.end is not None, "a server that is LAUNCHED has an end"
        assert timeline.launch_start is not None, "it has a start of the launch"
        instance_id = job.participants[index].recovery_instance_id
        arn = self._arn("recovery-instance", instance_id)
        instance = RecoveryInstance(
            recovery_instance_id=instance_id,
            arn=arn,
            job_id=job.job_id,
            source_server=server,
            is_drill=job.is_drill,
            snapshot_taken=snapshot_taken,
            launch_start=job.at(timeline.launch_start),
            launched_at=job.at(timeline.end),
            own_address=own_address(arn),
            tags=dict(server.tags) if server.launch_configuration["copyTags"] else {},
            is_refused=lambda: job.timeline.servers[index].final is not LaunchStatus.LAUNCHED,
        )
        self.recovery_instances[instance_id] = instance
        server.instances.append(instance)

    def _terminate(
        self, instances: Sequence[RecoveryInstance], created: float, missing: str | None
    ) -> Job:
        """Create a TERMINATE job, which terminates nothing if a permission is missing."""
        job = self._create_job(
            "TERMINATE_RECOVERY_INSTANCES",
            termination_timeline(len(instances), missing),
            [
                Participant(
                    instance.source_server.source_server_id, instance.recovery_instance_id, ""
                )
                for instance in instances
            ],
            {},
            created,
        )
        for instance, timeline in zip(instances, job.timeline.servers, strict=True):
            if missing:
                break
            assert timeline.end is not None, "a termination ends"
            instance.terminate(job.at(job.timeline.start), job.at(timeline.end))
        return job


def _ec2_instance_id() -> str:
    return f"i-0{mock_random.get_random_hex(16)}"
