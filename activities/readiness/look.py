"""What the readers of one look at a target share."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from activities.readiness.launch.pace import Pace
from activities.readiness.launch.slow_store import SlowEvidenceStore
from activities.readiness.read_cache import ReadCache
from aws.drs.client import UNREADABLE_ITEMS, DrsClient
from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from recovery.plan.model import Target
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.planned_target import PlannedTarget

T = TypeVar("T")
# Somebody waits to start the plan.
_FRESH_SECONDS = 20.0
_SECONDS = 120.0


@dataclass(frozen=True)
class Look:
    """A look at one target of a plan.

    Attributes:
        planned: what the plan has there.
        now: epoch seconds.
        is_fresh: read everything now; else what another plan's look has read serves too.
        drs: DRS in the target, for looks only: they wait for no call of a recovery.
        services: all other services.
        cache: what looks share.
        slow: keeps what DRS answers for one server a call.
        pace: of calls that are made for each server, unless somebody waits.
        own: what the subjects of this look share.
        unreadable: how many items of DRS's responses could not be read, by operation; of shared
            reads too, whichever look made them.
        counted: the reads whose items are in it.
    """

    planned: PlannedTarget
    now: float
    is_fresh: bool
    drs: DrsClient
    clients: TargetClients
    services: ServiceClient
    cache: ReadCache
    slow: SlowEvidenceStore
    pace: Pace
    own: ReadCache = field(default_factory=ReadCache)
    unreadable: Counter[str] = field(default_factory=Counter)
    counted: set[Hashable] = field(default_factory=set)

    @property
    def target(self) -> Target:
        """Where it looks."""
        return self.planned.target

    async def shared(self, what: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """The result of a read that is the same for all plans in this target.

        Raises:
            AwsError: it failed, or there was no answer in time.
        """
        key, seconds = (self.target, what), _FRESH_SECONDS if self.is_fresh else _SECONDS
        try:
            async with asyncio.timeout(seconds):
                return self._of(
                    what, await self.cache.get(key, _counted(read), fresh=self.is_fresh)
                )
        except TimeoutError:
            problem = f"AWS did not answer in {seconds:g} s"
            raise AwsError(AwsErrorKind.UNREACHABLE, problem) from None

    async def once(self, what: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """The result of a read that several subjects of this look need."""
        return self._of(what, await self.own.get(what, _counted(read)))

    def _of(self, what: Hashable, counted: tuple[T, Counter[str]]) -> T:
        result, unreadable = counted
        if what not in self.counted:
            self.counted.add(what)
            self.unreadable.update(unreadable)
        return result


def _counted(read: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[tuple[T, Counter[str]]]]:
    """A read, with how many items it could not read; what it waits for counts for itself."""

    async def run() -> tuple[T, Counter[str]]:
        unreadable = Counter[str]()
        UNREADABLE_ITEMS.set(unreadable)
        return await read(), unreadable

    return run


Subject = Callable[[Look], Awaitable[list[Finding]]]
"""Reads the evidence of a subject in a target, and judges it; a failed read is a finding."""


def failed_read(service: str, error: AwsError) -> FailedRead:
    """A failed call as evidence.

    Args:
        service: its prefix in IAM, such as `drs`.
        error: of the call.
    """
    if error.operation in ("AssumeRole", "GetCallerIdentity"):
        service = "sts"
    return FailedRead(
        action=f"{service}:{error.operation}" if error.operation else service,
        error=str(error),
        is_denied=error.kind is AwsErrorKind.ACCESS_DENIED,
        is_clock_skewed=error.is_clock_skew,
    )
