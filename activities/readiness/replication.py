"""Reads the replication of a plan's servers in one target."""

from activities.readiness.look import Look, failed_read
from aws.drs.models import SourceServer, epoch
from aws.errors import AwsError, AwsErrorKind
from recovery.readiness.subjects.replication import ReplicationEvidence, ServerReplication


async def read_source_servers(look: Look) -> list[SourceServer]:
    """The source servers of a plan in a target; subjects of one look share them.

    Raises:
        AwsError: they could not be read.
    """
    return await look.once("source servers", lambda: _read(look))


async def _read(look: Look) -> list[SourceServer]:
    """Of a look for a schedule, from all that DRS has in the target."""
    if look.is_fresh:
        return await look.drs.source_servers(list(look.planned.servers))
    listed = await look.shared("source servers", look.drs.all_source_servers)
    return [server for server in listed if server.source_server_id in look.planned.servers]


def replication_of(servers: list[SourceServer]) -> ReplicationEvidence:
    """The evidence that source servers are."""
    return ReplicationEvidence(servers={s.source_server_id: _replication(s) for s in servers})


def unread_replication(error: AwsError) -> ReplicationEvidence:
    """The evidence of servers that could not be read."""
    return ReplicationEvidence(
        failed=failed_read("drs", error),
        is_uninitialized=error.kind is AwsErrorKind.UNINITIALIZED,
    )


def _replication(server: SourceServer) -> ServerReplication:
    has_failed = server.staging_status == "EXTENSION_ERROR"
    return ServerReplication(
        state=server.replication_state,
        error=server.replication_error,
        lag_seconds=server.lag_seconds,
        extension_error=(server.staging_error or "") if has_failed else None,
        last_seen=epoch(server.last_seen),
    )
