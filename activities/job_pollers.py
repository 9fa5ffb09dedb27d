"""The job pollers of a worker, one per account and Region, shared by launches and watches."""

from aws.drs.job_poller import JobPoller
from aws.targets import TargetClients
from recovery.plan.model import Target
from settings import Settings


class JobPollers:
    """One poller per target, shared by all plans."""

    def __init__(self, clients: TargetClients, settings: Settings) -> None:
        self._clients = clients
        self._settings = settings
        self._pollers: dict[Target, JobPoller] = {}

    def of(self, target: Target) -> JobPoller:
        """The poller of a target, with or without its account."""
        key = target.model_copy(update={"account_id": None})
        if key not in self._pollers:
            pause = self._settings.scaled_poll_seconds
            self._pollers[key] = JobPoller(self._clients.drs(key), pause_seconds=pause)
        return self._pollers[key]
