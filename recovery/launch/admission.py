"""Decides which servers may be launched now, and in which jobs, under DRS's quotas.

The input is what is queued, what is running and the quotas.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ConfigDict

from recovery.base_model import Model

DEFAULT_PRIORITY = 3
# Each launch of a job is a tag; AWS allows 50 tags per resource.
LAUNCHES_PER_JOB = 45
# A wave is launched in parts of this many servers, so that it can start when a quota is scarce.
SERVERS_PER_LAUNCH = 10


class Quotas(Model):
    """DRS's quotas of one account and Region.

    Source: AWS's documentation of DRS quotas.

    Attributes:
        jobs: jobs in progress.
        servers: source servers in all jobs.
        servers_per_job: source servers in one job.
    """

    model_config = ConfigDict(frozen=True)

    jobs: int = 20
    servers: int = 500
    servers_per_job: int = 100


@dataclass(frozen=True)
class AdmissionRequest:
    """Servers that are launched together.

    Attributes:
        key: identifies it.
        servers: how many.
        group: the execution type and target; only requests of the same group share a job.
        priority: its plan's, 1 the first.
        remaining_seconds: how long its plan still takes, along the longest chain.
        queued_time: when it was queued (epoch seconds).
        wave: its wave; requests of one wave share a job if they fit.
    """

    key: str
    servers: int
    group: str = ""
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    queued_time: float = 0.0
    wave: str = ""

    @property
    def order(self) -> tuple[int, float, float, str, int, str]:
        """The sort key: the plan's priority, then the longest remaining chain."""
        first = (self.priority, -self.remaining_seconds, self.queued_time)
        # Keys of one wave end with numbers, and 10 comes after 9.
        return *first, self.wave, len(self.key), self.key


@dataclass
class PlannedJob:
    """A job to start."""

    group: str
    wave: str
    requests: list[AdmissionRequest] = field(default_factory=list)

    @property
    def servers(self) -> int:
        """How many servers it launches."""
        return sum(request.servers for request in self.requests)

    @property
    def keys(self) -> list[str]:
        """The keys of its requests."""
        return [request.key for request in self.requests]


def admit(
    requests: Iterable[AdmissionRequest], quotas: Quotas, *, jobs: int, servers: int
) -> list[PlannedJob]:
    """Choose what to launch now, in which jobs.

    Each wave has its own job while half of the job quota is free. Otherwise waves share as few jobs
    as possible, so that one is left for the next wave. A request is never overtaken by a later
    one that fits.

    Args:
        requests: the queued requests; one that fits into no job is launched when no job runs.
        quotas: DRS's quotas.
        jobs: the number of jobs in progress, of any client.
        servers: the number of source servers in them.
    """
    planned: list[PlannedJob] = []
    for request in sorted(requests, key=lambda each: each.order):
        in_jobs = servers + sum(job.servers for job in planned)
        in_use = jobs + len(planned)
        is_idle = not in_use and not in_jobs
        if in_jobs + request.servers > quotas.servers and not is_idle:
            break
        job = _find_job(planned, request, quotas, is_scarce=in_use >= quotas.jobs // 2)
        if job is None:
            if in_use >= quotas.jobs:
                break
            job = PlannedJob(request.group, request.wave)
            planned.append(job)
        job.requests.append(request)
    return planned


def _find_job(
    planned: Iterable[PlannedJob], request: AdmissionRequest, quotas: Quotas, *, is_scarce: bool
) -> PlannedJob | None:
    """The job that a request can join: its own wave's, or any if jobs are scarce."""
    for job in planned:
        if (
            job.group == request.group
            and (is_scarce or job.wave == request.wave)
            and job.servers + request.servers <= quotas.servers_per_job
            and len(job.requests) < LAUNCHES_PER_JOB
        ):
            return job
    return None
