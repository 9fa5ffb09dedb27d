"""Reads the snapshots that DRS has of source servers; DRS takes one server a call."""

import asyncio
from collections.abc import Sequence

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeating
from aws.drs.client import DrsClient
from aws.drs.models import epoch
from aws.errors import AwsError, TargetRefusedError
from aws.targets import TargetClients
from contract.readiness import SnapshotsRead
from recovery.plan.model import Server
from recovery.plan.snapshots import ServerSnapshots, Snapshot
from recovery.text_format import shortened

# DRS publishes no rates of its calls.
_CALLS_AT_ONCE = 10
_TRIES = 3
_PAUSE_SECONDS = 2.0


class SnapshotActivities:
    """The activity that reads snapshots; it changes nothing."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients

    @activity.defn
    async def read_snapshots(self, request: SnapshotsRead) -> list[ServerSnapshots]:
        """The snapshots of these servers, in their order; an error concerns its server alone.

        Raises:
            ApplicationError: the worker must not act in the target.
        """
        api = self._clients.drs(request.target)
        calls = asyncio.Semaphore(_CALLS_AT_ONCE)
        async with heartbeating():
            try:
                await api.check()
                reads = (_read(api, server, request.around, calls) for server in request.servers)
                names, found = await asyncio.gather(
                    _names(api, request.servers), asyncio.gather(*reads)
                )
            except TargetRefusedError as error:
                raise ApplicationError(str(error), type=error.kind, non_retryable=True) from error
        for each in found:
            each.server_name = names.get(each.source_server_id)
        return found


async def _read(
    api: DrsClient, server: Server, around: float | None, calls: asyncio.Semaphore
) -> ServerSnapshots:
    server_id = server.source_server_id
    for number in range(1, _TRIES + 1):
        try:
            async with calls:
                listed = await api.snapshots(server_id)
            break
        except TargetRefusedError:
            raise
        except AwsError as error:
            if number == _TRIES or not error.kind.is_retryable:
                return ServerSnapshots(source_server_id=server_id, error=shortened(str(error)))
            await asyncio.sleep(_PAUSE_SECONDS * number)
    snapshots = [Snapshot(snapshot_id=s.snapshot_id, time=epoch(s.timestamp)) for s in listed]
    planned = server.recovery_snapshot_id
    return ServerSnapshots.of(server_id, snapshots, around=around, planned_id=planned)


async def _names(api: DrsClient, servers: Sequence[Server]) -> dict[str, str | None]:
    """The names of servers, as far as DRS returns them."""
    try:
        known = await api.source_servers([server.source_server_id for server in servers])
    except AwsError:
        return {}
    return {each.source_server_id: each.display_name for each in known}
