"""Finds the job of a launch among DRS's jobs. No I/O.

A job is identified by its launch ID. Any other job with the same servers belongs to another client:
the launch waits for it, and takes over what it launched instead of launching it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aws.drs.models import DRILL_JOB, RECOVERY_JOB, Job, epoch
from contract.launch import LaunchRequest

# The maximum difference of AWS's clock and ours (seconds).
_SKEW_SECONDS = 300.0


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        own: the job of this launch.
        parts: by server, the job of a part of this launch; see `part_id`.
        candidates: untagged jobs that may belong to an unanswered call: with some of these servers
            and none that the call did not include, of this type, new enough.
        blocking: other running jobs with some of the servers.
        launched_by_others: by server, another job of the same type that launched it after this
            launch was requested.
    """

    own: Job | None = None
    parts: dict[str, Job] = field(default_factory=dict)
    candidates: tuple[Job, ...] = ()
    blocking: tuple[Job, ...] = ()
    launched_by_others: dict[str, Job] = field(default_factory=dict)


def search(
    jobs: Sequence[Job], request: LaunchRequest, *, batch_server_ids: Iterable[str] = ()
) -> SearchResult:
    """Find a launch's job, and other jobs with its servers.

    Args:
        jobs: every job since the launch was first requested, and earlier ones that may still run.
        request: the launch.
        batch_server_ids: servers that the same call may include.
    """
    ours = set(request.server_ids)
    theirs = [j for j in jobs if ours.intersection(j.server_ids)]
    part_ids = {part_id(request.launch_id, i) for i in request.server_ids}
    own_parts = [j for j in theirs if not part_ids.isdisjoint(j.launch_ids)]
    parts = {i: j for j in own_parts for i in request.server_ids if i in j.server_ids}
    own = next((j for j in jobs if request.launch_id in j.launch_ids), None)
    if own is not None:
        # Of what its parts left.
        return SearchResult(own=own, parts=parts)
    others = [j for j in theirs if j not in own_parts]
    in_batch = ours.union(batch_server_ids)
    return SearchResult(
        candidates=tuple(j for j in jobs if _is_candidate(j, request, in_batch)),
        parts=parts,
        blocking=tuple(j for j in others if j.is_running),
        launched_by_others={
            server_id: job
            for server_id in request.server_ids
            if server_id not in request.relaunch
            and (job := _launching_job(server_id, others, request)) is not None
        },
    )


def part_id(launch_id: str, first_server_id: str) -> str:
    """The launch ID of a part of a launch that DRS refuses as a whole.

    Parts of one launch have different first servers, so that none is sent twice.
    """
    return f"{launch_id}/{first_server_id}"


def is_of_mode(job: Job, *, is_drill: bool) -> bool:
    """Whether a job certainly is a drill, or a recovery."""
    return job.initiated_by == (DRILL_JOB if is_drill else RECOVERY_JOB)


def is_of_other_mode(job: Job, *, is_drill: bool) -> bool:
    """Whether a job certainly is not a drill, or not a recovery."""
    return job.initiated_by is not None and not is_of_mode(job, is_drill=is_drill)


def _requested_at(request: LaunchRequest) -> float:
    """When the wave requested it (epoch seconds)."""
    return request.since if request.requested_time is None else request.requested_time


def _is_candidate(job: Job, request: LaunchRequest, in_batch: set[str]) -> bool:
    """Whether a job without a launch ID may belong to an unanswered call.

    A job with other tags would have ours too.
    """
    if job.tags or is_of_other_mode(job, is_drill=request.is_drill):
        return False
    created = epoch(job.creation_date_time)
    if created is not None and created < _requested_at(request) - _SKEW_SECONDS:
        return False
    # A job without servers may be ours.
    named = set(job.server_ids)
    return not named or (not named.isdisjoint(request.server_ids) and named <= in_batch)


def _launching_job(server_id: str, jobs: list[Job], request: LaunchRequest) -> Job | None:
    """The last job of a server, if it launched the server after the launch was requested.

    A job that ended earlier is ignored, because a drill launches its servers again.
    """
    own = sorted(
        (j for j in jobs if server_id in j.server_ids),
        key=lambda j: epoch(j.creation_date_time) or 0.0,
    )
    if not own:
        return None
    job = own[-1]
    ended = epoch(job.end_date_time)
    overlaps = not job.is_over or (ended is not None and ended >= _requested_at(request))
    statuses = [
        s.launch_status for s in job.participating_servers if s.source_server_id == server_id
    ]
    launched = "LAUNCHED" in statuses and is_of_mode(job, is_drill=request.is_drill)
    return job if overlaps and launched else None
