"""What DRS's quotas leave: the jobs in progress in an account and Region."""

from collections.abc import Iterable

from activities.job_board import Listing
from recovery.model import Model
from recovery.plan import Target


class LookAtJobs(Model):
    """Where to look at jobs, and for what.

    Attributes:
        seen: the jobs that were in progress; a change is waited for. None: say how it is now.
        asked_for: jobs of which to say whether DRS lists them yet.
        gather_seconds: how long to wait before looking.
    """

    target: Target
    seen: list[str] | None = None
    asked_for: list[str] = []
    gather_seconds: float = 0.0


class JobsInProgress(Model):
    """The jobs in progress in an account and Region, whoever asked for them.

    Attributes:
        time: when DRS was asked (epoch seconds).
        jobs: by job ID, how many source servers it holds.
        listed: those of the jobs asked for that DRS lists, in progress or over.
    """

    time: float
    jobs: dict[str, int] = {}
    listed: list[str] = []

    @classmethod
    def of(cls, listing: Listing, *, asked_for: Iterable[str]) -> "JobsInProgress":
        """What a listing says."""
        known = {job.job_id for job in listing.jobs}
        return cls(
            time=listing.time,
            jobs={job.job_id: len(job.server_ids) for job in listing.jobs if not job.is_over},
            listed=[job_id for job_id in asked_for if job_id in known],
        )
