"""What the readers of one look at a target share."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

from activities.readiness.read_cache import ReadCache
from aws.drs.client import DrsClient
from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from recovery.plan.model import Target
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.planned_target import PlannedTarget

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """A look at one target of a plan.

    Attributes:
        planned: what the plan has there.
        now: epoch seconds.
        is_fresh: read everything now; else what another plan's look has read serves too.
        drs: DRS in the target, for looks only: they wait for no call of a recovery.
        services: all other services.
    """

    planned: PlannedTarget
    now: float
    is_fresh: bool
    drs: DrsClient
    clients: TargetClients
    services: ServiceClient
    cache: ReadCache

    @property
    def target(self) -> Target:
        """Where it looks."""
        return self.planned.target

    async def shared(self, what: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """The result of a read that is the same for all plans in this target."""
        key = (self.target, what)
        return await self.cache.get(key, read, fresh=self.is_fresh)


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
    )
