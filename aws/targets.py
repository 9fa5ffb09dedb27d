"""What a worker's activities share of each target."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

from aws.drs.client import DrsClient
from aws.drs.job_poller import JobPoller
from aws.drs.launch_events import LaunchEvent
from aws.quotas import ServiceQuotas
from aws.sessions import MOST_TARGETS, AwsSessions
from recovery.access.allow_list import AllowList
from recovery.access.allow_list_file import parse_allow_list, read_allow_list
from recovery.plan.model import Target
from settings import Settings, aws_elsewhere

NO_ALLOW_LIST = (
    "The worker has no allow-list: it acts in every account and Region, with every role, that a "
    "plan names, and steps use whatever it names. Set DRS_WAVES_ALLOW_LIST_FILE"
)


def configured_allow_list(settings: Settings) -> AllowList | None:
    """The allow-list that the settings name, if any.

    Raises:
        ModelFileError: it cannot be read, or is not valid; with all problems.
    """
    if settings.allow_list_file is not None:
        return read_allow_list(Path(settings.allow_list_file))
    if settings.allow_list is not None:
        return parse_allow_list(settings.allow_list, source="DRS_WAVES_ALLOW_LIST")
    return None


class TargetClients:
    """DRS clients, job pollers and quotas by target; shared by all activities of a worker.

    Launches, polls of jobs, looks at readiness and other calls have clients, and so threads, of
    their own. So have targets: a call waits only for calls of its kind in its target. What is
    unused for longest is dropped.

    Attributes:
        allow_list: the targets that the worker may act in; None: all.
        sessions: the way to all services of a target.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.allow_list = configured_allow_list(settings)
        self.sessions = AwsSessions(self.allow_list)
        self._drs, self._launches, self._looks = (
            lru_cache(MOST_TARGETS)(self._new_client) for _ in range(3)
        )
        self._pollers = lru_cache(MOST_TARGETS)(self._new_poller)
        # Those that are in use, also after their place in the cache was taken.
        self._hinted = WeakValueDictionary[Target, JobPoller]()
        self.quotas = ServiceQuotas(self.sessions, settings)

    def drs(self, target: Target) -> DrsClient:
        """The DRS client of a target."""
        return self._drs(target)

    def launches(self, target: Target) -> DrsClient:
        """The DRS client of a target's launches."""
        return self._launches(target)

    def looks(self, target: Target) -> DrsClient:
        """The DRS client of a target's looks at readiness, which no recovery waits for."""
        return self._looks(target)

    def poller(self, target: Target) -> JobPoller:
        """The job poller of a target, for all plans, whether or not they name its account."""
        return self._pollers(target.model_copy(update={"account_id": None}))

    def hint(self, event: LaunchEvent) -> bool:
        """Make the poll of an event's account and Region due; whether one waits for its job."""
        pollers = [
            poller
            for target, poller in self._hinted.items()
            if target.region == event.region
            and (not event.account or self.sessions.known_account(target) in (event.account, None))
        ]
        looks = [poller.look_soon(event.detail.job_id) for poller in pollers]
        return any(looks)

    @property
    def allow_list_warning(self) -> str | None:
        """What the lack of an allow-list means; None where it has one, or nothing to protect."""
        # A sandbox on this machine has nothing to protect.
        return NO_ALLOW_LIST if self.allow_list is None and aws_elsewhere() else None

    def identity_warnings(self, targets: Iterable[Target]) -> list[str]:
        """What the sessions in targets lack to show who acts."""
        found = [each for target in targets for each in self.sessions.warnings(target)]
        return list(dict.fromkeys(found))

    def _new_client(self, target: Target) -> DrsClient:
        return DrsClient(self.sessions, target)

    def _new_poller(self, target: Target) -> JobPoller:
        pause = self._settings.scaled_poll_seconds
        poller = JobPoller(self._new_client(target), pause_seconds=pause)
        self._hinted[target] = poller
        return poller
