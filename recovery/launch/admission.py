"""Which servers may be launched now, and in how many jobs, under DRS's quotas.

Plain numbers in, plain numbers out: what is queued, what runs already, what the quotas leave.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ConfigDict

from recovery.base_model import Model

DEFAULT_PRIORITY = 3
# So many launch IDs tag a job, of the 50 tags that AWS allows a resource.
LAUNCHES_PER_JOB = 45
# A wave is launched in parts of so many servers, so that it can begin where a quota is short.
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
    """Servers that are launched together or not at all.

    Attributes:
        key: identifies it.
        servers: how many.
        group: what may share a job with it: the same execution type and target.
        priority: its plan's, 1 the first.
        remaining_seconds: how long its plan takes from here on, along the longest chain.
        queued_time: when it was queued (epoch seconds).
        wave: the wave it is of; requests of one wave go into one job where they fit.
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
        """Which goes first: the plan's priority, then what the longest chain waits for."""
        first = (self.priority, -self.remaining_seconds, self.queued_time)
        # Keys of one wave end with numbers, of which 10 comes after 9.
        return *first, self.wave, len(self.key), self.key


@dataclass
class PlannedJob:
    """One job to ask for."""

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
    """Say what to launch now, in which jobs.

    Waves have jobs of their own as long as those leave half of the job quota free; beyond it they
    share jobs, as few as possible, so that one is left for what becomes ready next. A request is
    never overtaken by a later one that happens to fit.

    Args:
        requests: what is queued; each fits into a job, or is launched when nothing else runs.
        quotas: what DRS allows.
        jobs: how many jobs are in progress, whoever started them.
        servers: how many source servers those hold.
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
    """A job that a request can join: its own wave's, or any if jobs are scarce."""
    for job in planned:
        if (
            job.group == request.group
            and (is_scarce or job.wave == request.wave)
            and job.servers + request.servers <= quotas.servers_per_job
            and len(job.requests) < LAUNCHES_PER_JOB
        ):
            return job
    return None
