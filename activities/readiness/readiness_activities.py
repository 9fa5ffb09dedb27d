"""The activity of a look at a plan's target; it changes nothing."""

import asyncio
import time
from collections.abc import Iterable
from itertools import chain

from temporalio import activity

from activities.heartbeat import heartbeating
from activities.readiness.identity import read_identity
from activities.readiness.launch.pace import Pace
from activities.readiness.launch.slow_store import StoredEvidence, WorkerMemory
from activities.readiness.look import Look
from activities.readiness.read_cache import ReadCache
from activities.readiness.registry import SUBJECTS, WITHOUT_SERVERS
from activities.readiness.replication import (
    read_source_servers,
    replication_of,
    unread_replication,
)
from activities.telemetry.measurements import count_look
from aws.drs.client import UNREADABLE_ITEMS
from aws.drs.models import SourceServer
from aws.errors import AwsError
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from contract.readiness import (
    MOST_FINDINGS,
    SourcesSeen,
    TargetContext,
    TargetLook,
    TargetResult,
)
from recovery.readiness.failed_read import RESPONSE_ITEMS_UNREADABLE
from recovery.readiness.finding import Finding
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.result import Lag
from recovery.readiness.subjects.identity import identity_findings
from recovery.readiness.subjects.replication import ReplicationEvidence, replication_findings
from recovery.readiness.verdict import worst_first
from storage.readiness import ReadinessTable


class ReadinessActivities:
    """Looks at the targets of plans."""

    def __init__(self, clients: TargetClients, table: ReadinessTable | None = None) -> None:
        """Create the activities; without a table, evidence is kept as long as the worker runs."""
        self._clients = clients
        self._services = ServiceClient(clients)
        self._cache = ReadCache()
        self._slow = StoredEvidence(table) if table else WorkerMemory()
        self._pace = Pace()

    @activity.defn
    async def look_at_target(self, request: TargetLook) -> TargetResult:
        """Read and judge what a plan needs in one target."""
        look = Look(
            planned=PlannedTarget(request.plan, request.target),
            now=time.time(),
            is_fresh=request.is_fresh,
            drs=self._clients.looks(request.target),
            clients=self._clients,
            services=self._services,
            cache=self._cache,
            slow=self._slow,
            pace=self._pace,
        )
        UNREADABLE_ITEMS.set(look.unreadable)
        async with heartbeating():
            found = await _look(look)
        count_look(request.target.region)
        return found


async def _look(look: Look) -> TargetResult:
    context, identity = await read_identity(look)
    found = list(identity_findings(look.planned, identity))
    if identity.keeps_from_looking:
        return _result(look, context, found, [], ReplicationEvidence())
    servers, replication = list[SourceServer](), ReplicationEvidence()
    # Where only steps act, DRS need not be in use.
    if look.planned.servers:
        try:
            servers = await read_source_servers(look)
            replication = replication_of(servers)
        except AwsError as error:
            replication = unread_replication(error)
    found += replication_findings(look.planned, replication, look.now)
    uses_drs = look.planned.servers and not replication.is_uninitialized
    subjects = SUBJECTS if uses_drs else WITHOUT_SERVERS
    found += chain(*await asyncio.gather(*(subject(look) for subject in subjects)))
    found += _unreadable_items(look)
    return _result(look, context, found, servers, replication)


def _result(
    look: Look,
    context: TargetContext,
    findings: Iterable[Finding],
    servers: list[SourceServer],
    replication: ReplicationEvidence,
) -> TargetResult:
    names = {each.source_server_id: each.display_name for each in servers}
    named = [
        f.model_copy(
            update={
                "server_name": f.server_name or names.get(f.source_server_id or ""),
                "account_id": f.account_id or context.account_id,
            }
        )
        for f in findings
    ]
    states = replication.servers.items()
    lags = [
        Lag(seconds=each.lag_seconds, source_server_id=i)
        for i, each in states
        if each.lag_seconds is not None
    ]
    return TargetResult(
        context=context,
        findings=worst_first(named)[:MOST_FINDINGS],
        left_out=max(0, len(named) - MOST_FINDINGS),
        sources=SourcesSeen(
            seen=sum(each.is_seen(look.now) for _, each in states),
            known=sum(each.last_seen is not None for _, each in states),
            total=len(look.planned.servers),
        ),
        worst_lag=max(lags, key=lambda lag: lag.seconds, default=None),
        origins=sorted({each.origin_region for each in servers if each.origin_region}),
    )


def _unreadable_items(look: Look) -> Iterable[Finding]:
    for operation, number in look.unreadable.items():
        message = f"{operation}: {number} items of an unknown form"
        seen = {"Operation": f"drs:{operation}", "Items": str(number)}
        yield look.planned.finding(RESPONSE_ITEMS_UNREADABLE, message, evidence=seen)
