"""Which servers have a live instance of a real recovery, by DRS's instances and jobs. No I/O.

An instance that is not listed is not known to be gone. What a recovery's job launched is live until
a TERMINATE job, or EC2's state of that instance, says otherwise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aws.drs.models import DRILL_JOB, RECOVERY_JOB, Job, RecoveryInstance, epoch

# What is not known to be a drill counts as a recovery.
_LAUNCHES = (DRILL_JOB, RECOVERY_JOB, None)
# Source: the DRS API reference, RecoveryInstanceFailback.
_REPLICATES_BACK = (
    "FAILBACK_IN_PROGRESS",
    "FAILBACK_READY_FOR_LAUNCH",
    "FAILBACK_NOT_READY_FOR_LAUNCH",
    "FAILBACK_COMPLETED",
)
_NOT_LIVE = ("TERMINATED", "SHUTTING-DOWN", "NOT_FOUND")


@dataclass(frozen=True)
class LiveRecovery:
    """A live instance of a real recovery.

    Attributes:
        job_id: the job that launched it.
        recovery_instance_id: None if DRS does not list it.
        replicates_back: a failback client replicates it back.
    """

    job_id: str | None
    recovery_instance_id: str | None = None
    replicates_back: bool = False

    def __str__(self) -> str:
        if self.recovery_instance_id is None:
            return (
                f"may have a live instance of a real recovery (job {self.job_id} launched it, and "
                "neither DRS nor EC2 reports that it is terminated)"
            )
        return (
            f"has a live instance {self.recovery_instance_id} of a real recovery "
            f"(job {self.job_id})"
        )


def may_be_live_recovery(instance: RecoveryInstance) -> bool:
    """Whether an instance exists and is not known to be a drill's."""
    return not instance.is_drill and instance.ec2_instance_state not in _NOT_LIVE


def live_recoveries(
    server_ids: Iterable[str], instances: Sequence[RecoveryInstance], jobs: Sequence[Job]
) -> dict[str, LiveRecovery]:
    """The live instances of real recoveries, by server.

    Args:
        server_ids: the servers.
        instances: their recovery instances that DRS lists.
        jobs: the jobs that DRS lists.
    """
    found = {}
    for server_id in server_ids:
        theirs = [i for i in instances if i.source_server_id == server_id]
        listed = [i for i in theirs if may_be_live_recovery(i)]
        job = last_launch(server_id, jobs)
        if listed:
            instance_id = listed[-1].recovery_instance_id or "without an ID"
            is_back = listed[-1].failback_state in _REPLICATES_BACK
            found[server_id] = LiveRecovery(listed[-1].job_id, instance_id, is_back)
        elif (
            job is not None
            and job.initiated_by != DRILL_JOB
            and not any(i.job_id == job.job_id for i in theirs)
            and not was_terminated(job, server_id, jobs)
        ):
            found[server_id] = LiveRecovery(job.job_id)
    return found


def was_terminated(job: Job, server_id: str, jobs: Iterable[Job]) -> bool:
    """Whether DRS has terminated what a job launched, by a later TERMINATE job.

    A running one may not have reached it yet.
    """
    launched = epoch(job.creation_date_time)
    return launched is not None and any(
        each.type == "TERMINATE"
        and each.is_over
        and (epoch(each.creation_date_time) or 0.0) > launched
        and any(
            s.source_server_id == server_id and s.launch_status not in ("FAILED", "LAUNCHED")
            for s in each.participating_servers
        )
        for each in jobs
    )


def last_launch(server_id: str, jobs: Iterable[Job]) -> Job | None:
    """The last job that launched a server; it destroyed what earlier ones launched."""
    launches = [
        job
        for job in jobs
        if job.type != "TERMINATE"
        and job.initiated_by in _LAUNCHES
        and any(
            s.source_server_id == server_id and s.launch_status == "LAUNCHED"
            for s in job.participating_servers
        )
    ]
    return max(launches, key=lambda job: epoch(job.creation_date_time) or 0.0, default=None)
