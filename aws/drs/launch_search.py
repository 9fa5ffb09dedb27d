"""Finds the job of a launch among DRS's jobs. No I/O.

A job is identified by its launch ID. Any other job with the same servers is someone else's: the
launch waits for it, and takes over what it launched instead of launching it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aws.drs.models import Job, epoch
from contract.launch import LaunchRequest

DRILL_JOB = "START_DRILL"
RECOVERY_JOB = "START_RECOVERY"
# AWS's clock and ours may disagree by this much (seconds).
_SKEW_SECONDS = 300.0


@dataclass(frozen=True)
class LaunchCriteria:
    """What is needed of a launch to find its job.

    Attributes:
        since: when the wave began to want it (epoch seconds).
        relaunch: servers to launch although another job has launched them.
        batch_server_ids: servers of other launches that the same call may have asked for.
    """

    launch_id: str
    server_ids: tuple[str, ...]
    is_drill: bool
    since: float
    relaunch: tuple[str, ...] = ()
    batch_server_ids: tuple[str, ...] = ()


def launch_criteria(
    request: LaunchRequest, *, batch_server_ids: Sequence[str] = ()
) -> LaunchCriteria:
    """What to look for among DRS's jobs.

    Args:
        request: the launch.
        batch_server_ids: servers that the same call may have asked for.
    """
    return LaunchCriteria(
        launch_id=request.launch_id,
        server_ids=request.server_ids,
        is_drill=request.is_drill,
        since=request.since if request.requested_time is None else request.requested_time,
        relaunch=tuple(request.relaunch),
        batch_server_ids=tuple(batch_server_ids),
    )


@dataclass(frozen=True)
class SearchResult:
    """What a look at the jobs found.

    Attributes:
        own: the job of this launch.
        candidates: untagged jobs that may be an unanswered call's: of some of these servers and
            no others than the call was for, of this mode, new enough.
        blocking: running jobs of others that hold some of the servers.
        launched_by_others: by server, the job of another that launched it in the same mode while
            this launch was wanted.
    """

    own: Job | None = None
    candidates: tuple[Job, ...] = ()
    blocking: tuple[Job, ...] = ()
    launched_by_others: dict[str, Job] = field(default_factory=dict)


def search(jobs: Iterable[Job], criteria: LaunchCriteria) -> SearchResult:
    """Find a launch's job, and what others do with its servers.

    Args:
        jobs: every job since the launch was first wanted, and those before that may still run.
        criteria: the launch.
    """
    found = list(jobs)
    own = next((j for j in found if criteria.launch_id in j.launch_ids), None)
    if own is not None:
        return SearchResult(own=own)
    ours = set(criteria.server_ids)
    others = [j for j in found if ours.intersection(j.server_ids)]
    return SearchResult(
        candidates=tuple(j for j in found if _is_candidate(j, criteria)),
        blocking=tuple(j for j in others if not j.is_over),
        launched_by_others={
            server_id: job
            for server_id in criteria.server_ids
            if server_id not in criteria.relaunch
            and (job := _launching_job(server_id, others, criteria)) is not None
        },
    )


def is_of_mode(job: Job, *, is_drill: bool) -> bool:
    """Whether a job certainly is a drill's, or a recovery's."""
    return job.initiated_by == (DRILL_JOB if is_drill else RECOVERY_JOB)


def is_of_other_mode(job: Job, *, is_drill: bool) -> bool:
    """Whether a job certainly is no drill's, or no recovery's."""
    return job.initiated_by is not None and not is_of_mode(job, is_drill=is_drill)


def _is_candidate(job: Job, criteria: LaunchCriteria) -> bool:
    """Whether a job may be the one that an unanswered call got, though it shows no launch ID.

    One that shows other tags would show ours too.
    """
    if job.tags or is_of_other_mode(job, is_drill=criteria.is_drill):
        return False
    created = epoch(job.creation_date_time)
    if created is not None and created < criteria.since - _SKEW_SECONDS:
        return False
    # A job that names no servers may be anybody's, so it may be ours.
    named, ours = set(job.server_ids), set(criteria.server_ids)
    return not named or (bool(named & ours) and named <= ours.union(criteria.batch_server_ids))


def _launching_job(server_id: str, jobs: list[Job], criteria: LaunchCriteria) -> Job | None:
    """The job of another that launched a server while the launch was wanted, if it was the last.

    A job that ended before is ignored: a drill launches its servers again.
    """
    own = sorted(
        (j for j in jobs if server_id in j.server_ids),
        key=lambda j: epoch(j.creation_date_time) or 0.0,
    )
    if not own:
        return None
    job = own[-1]
    ended = epoch(job.end_date_time)
    overlaps = not job.is_over or (ended is not None and ended >= criteria.since)
    statuses = [
        s.launch_status for s in job.participating_servers if s.source_server_id == server_id
    ]
    launched = "LAUNCHED" in statuses and is_of_mode(job, is_drill=criteria.is_drill)
    return job if overlaps and launched else None
