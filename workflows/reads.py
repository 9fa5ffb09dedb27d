"""Workflows that only read: the worker has the credentials for it."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.coverage.coverage_activities import CoverageActivities
    from activities.doctor.doctor_activities import DoctorActivities
    from activities.heartbeat import heartbeat_timeout
    from activities.job_logs import JobLogActivities
    from activities.launch_settings.settings_activities import LaunchSettingsActivities
    from activities.membership.membership_activities import MembershipActivities
    from activities.snapshots import SnapshotActivities
    from contract.job_logs import JobLogs, JobLogsRequest
    from contract.launch_settings.apply import SettingsRequest
    from contract.readiness import (
        CoverageRequest,
        MembershipRequest,
        PlanSnapshots,
        SnapshotsRead,
        SnapshotsRequest,
    )
    from recovery.coverage.gaps import Coverage
    from recovery.doctor.worker import WorkerReport
    from recovery.launch_settings.report import ServerSettings
    from recovery.plan.members import TaggedMembership
    from recovery.plan.model import Server, Target
    from recovery.plan.snapshots import ServerSnapshots
    from recovery.text_format import count

_SERVERS_PER_READ = 100
_TARGETS_AT_ONCE = 10
_EXAMINED_SECONDS = 45.0
_QUEUE_ANSWERS = timedelta(seconds=5)


@workflow.defn
class PingWorkflow:
    """Ends at once; that it ends shows that a worker runs workflows."""

    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


@workflow.defn
class DoctorWorkflow:
    """Examines the installation as workers see it; changes nothing."""

    @workflow.run
    async def run(self, queues: list[str]) -> WorkerReport:
        """Have these task queues answer, and a worker check what it sees."""
        examining = asyncio.create_task(_examine())
        answers = [(queue, asyncio.create_task(_is_served(queue))) for queue in queues]
        report = await examining
        report.served = [queue for queue, answer in answers if await answer]
        return report


async def _examine() -> WorkerReport:
    try:
        return await workflow.execute_activity_method(
            DoctorActivities.examine_installation,
            _EXAMINED_SECONDS,
            summary="Check tables, targets, channels and keys; nothing is changed",
            schedule_to_start_timeout=_QUEUE_ANSWERS,
            start_to_close_timeout=timedelta(seconds=_EXAMINED_SECONDS + 15),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
    except ActivityError as error:
        return WorkerReport(error=str(error.cause or error))


async def _is_served(queue: str) -> bool:
    try:
        await workflow.execute_activity_method(
            DoctorActivities.answer_queue,
            queue,
            task_queue=queue,
            summary="Does a worker serve this task queue?",
            schedule_to_close_timeout=_QUEUE_ANSWERS,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
    except ActivityError:
        return False
    return True


@workflow.defn
class CoverageWorkflow:
    """Reads what registered plans and their drills leave uncovered; changes nothing."""

    @workflow.run
    async def run(self, request: CoverageRequest) -> Coverage:
        """All gaps."""
        return await workflow.execute_activity_method(
            CoverageActivities.read_coverage,
            request,
            summary="Compare source servers, plans and drills",
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )


@workflow.defn
class MembershipWorkflow:
    """Looks up the servers of a plan's waves that name tags."""

    @workflow.run
    async def run(self, request: MembershipRequest) -> TaggedMembership:
        """What DRS has, and what was recorded before."""
        return await workflow.execute_activity_method(
            MembershipActivities.read_membership,
            request,
            summary="Look up source servers by their tags; nothing is launched",
            start_to_close_timeout=timedelta(seconds=40),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=2),
        )


@workflow.defn
class JobLogWorkflow:
    """Reads the logs of DRS jobs."""

    @workflow.run
    async def run(self, request: JobLogsRequest) -> JobLogs:
        """The logs."""
        return await workflow.execute_activity_method(
            JobLogActivities.read_job_logs,
            request,
            summary=f"Read the log of {count(len(request.job_ids), 'job')}",
            start_to_close_timeout=timedelta(seconds=45),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=2),
        )


@workflow.defn
class ReadLaunchSettingsWorkflow:
    """Reads the launch settings of servers; changes nothing."""

    @workflow.run
    async def run(self, request: SettingsRequest) -> list[ServerSettings]:
        """What DRS and EC2 have for each server, and how it differs from what is wanted."""
        return await workflow.execute_activity_method(
            LaunchSettingsActivities.read_launch_settings,
            request,
            summary=f"Read the launch settings of {count(len(request.servers), 'server')}",
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )


@workflow.defn
class SnapshotsWorkflow:
    """Reads the snapshots of a plan's servers, some of each target at a time."""

    @workflow.init
    def __init__(self, request: SnapshotsRequest) -> None:
        self._found: dict[str, ServerSnapshots] = {}

    @workflow.run
    async def run(self, request: SnapshotsRequest) -> PlanSnapshots:
        """All snapshots of its servers, summarized."""
        began = workflow.time()
        slots = asyncio.Semaphore(_TARGETS_AT_ONCE)
        reads = [self._read_target(read, slots) for read in _by_target(request)]
        await asyncio.gather(*reads)
        ids = [i for wave in request.plan.waves for i in wave.server_ids]
        return PlanSnapshots(
            servers=[self._found[server_id] for server_id in ids],
            seconds=round(workflow.time() - began, 1),
            around=request.around,
        )

    @workflow.query
    def progress(self) -> int:
        """Of how many servers the snapshots are read."""
        return len(self._found)

    async def _read_target(self, read: SnapshotsRead, slots: asyncio.Semaphore) -> None:
        async with slots:
            for first in range(0, len(read.servers), _SERVERS_PER_READ):
                some = read.servers[first : first + _SERVERS_PER_READ]
                found = await workflow.execute_activity_method(
                    SnapshotActivities.read_snapshots,
                    read.model_copy(update={"servers": some}),
                    summary=f"Read the snapshots of {count(len(some), 'server')}",
                    start_to_close_timeout=timedelta(minutes=5),
                    heartbeat_timeout=heartbeat_timeout(),
                    retry_policy=RetryPolicy(maximum_attempts=3),
                )
                self._found.update({each.source_server_id: each for each in found})


def _by_target(request: SnapshotsRequest) -> list[SnapshotsRead]:
    servers: dict[Target, list[Server]] = {}
    for wave in request.plan.waves:
        servers.setdefault(wave.target, []).extend(wave.servers)
    return [
        SnapshotsRead(target=target, servers=some, around=request.around)
        for target, some in servers.items()
    ]
