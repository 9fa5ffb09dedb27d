"""Reads the snapshots of the servers for which a plan names one."""

import asyncio

from activities.readiness.look import Look, failed_read
from aws.errors import AwsError, AwsErrorKind
from recovery.readiness.finding import Finding
from recovery.readiness.subjects.snapshots import ServerSnapshotsEvidence, snapshots_findings

_AT_ONCE = 10


async def snapshots(look: Look) -> list[Finding]:
    """The findings about snapshots."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def read(server_id: str) -> ServerSnapshotsEvidence | None:
        try:
            async with slots:
                listed = await look.drs.snapshots(server_id)
        except AwsError as error:
            if error.kind is AwsErrorKind.UNKNOWN_SERVER:
                return None
            return ServerSnapshotsEvidence(failed=failed_read("drs", error))
        return ServerSnapshotsEvidence(snapshot_ids=frozenset(s.snapshot_id for s in listed))

    named = [i for i, server in look.planned.servers.items() if server.snapshot_id]
    found = zip(named, await asyncio.gather(*map(read, named)), strict=True)
    evidence = {server_id: each for server_id, each in found if each is not None}
    return list(snapshots_findings(look.planned, evidence))
