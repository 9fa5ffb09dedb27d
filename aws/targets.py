"""What a worker's activities share of each target."""

from aws.drs.client import DrsClient
from aws.drs.job_poller import JobPoller
from aws.quotas import ServiceQuotas
from aws.sessions import AwsSessions
from recovery.plan.model import Target
from settings import Settings


class TargetClients:
    """DRS clients, job pollers and quotas by target; shared by all activities of a worker.

    Launches, polls of jobs and other calls have clients, and so threads, of their own.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions = AwsSessions()
        self._drs: dict[Target, DrsClient] = {}
        self._launches: dict[Target, DrsClient] = {}
        self._pollers: dict[Target, JobPoller] = {}
        self.quotas = ServiceQuotas(self._sessions, settings)

    def drs(self, target: Target) -> DrsClient:
        """The DRS client of a target."""
        return self._client(self._drs, target)

    def launches(self, target: Target) -> DrsClient:
        """The DRS client of a target's launches."""
        return self._client(self._launches, target)

    def poller(self, target: Target) -> JobPoller:
        """The job poller of a target, for all plans, whether or not they name its account."""
        key = target.model_copy(update={"account_id": None})
        if key not in self._pollers:
            pause = self._settings.scaled_poll_seconds
            self._pollers[key] = JobPoller(DrsClient(self._sessions, key), pause_seconds=pause)
        return self._pollers[key]

    def _client(self, clients: dict[Target, DrsClient], target: Target) -> DrsClient:
        if target not in clients:
            clients[target] = DrsClient(self._sessions, target)
        return clients[target]
