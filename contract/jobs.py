"""What DRS's quotas leave: the jobs in progress in an account and Region."""

from recovery.base_model import Model
from recovery.plan.model import Target


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
