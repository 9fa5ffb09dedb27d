"""Reads the snapshots of a plan's servers in one target."""

import asyncio

from activities.readiness.launch.slow_reader import read_slow_evidence
from activities.readiness.look import Look, failed_read
from activities.readiness.replication import read_source_servers, replication_of
from aws.errors import AwsError, AwsErrorKind
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.subjects.snapshots import SnapshotsEvidence, snapshots_findings

_AT_ONCE = 10


async def snapshots(look: Look) -> list[Finding]:
    """The findings about snapshots; those that the plan names are read in each look."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def is_there(server_id: str, snapshot_id: str) -> bool | FailedRead | None:
        try:
            async with slots:
                listed = await look.drs.snapshots(server_id)
        except AwsError as error:
            is_unknown = error.kind is AwsErrorKind.UNKNOWN_SERVER
            return None if is_unknown else failed_read("drs", error)
        return any(each.snapshot_id == snapshot_id for each in listed)

    named = {i: s.snapshot_id for i, s in look.planned.servers.items() if s.snapshot_id}
    slow, *found = await asyncio.gather(
        read_slow_evidence(look), *(is_there(*each) for each in named.items())
    )
    planned = {i: each for i, each in zip(named, found, strict=True) if each is not None}
    try:
        replication = replication_of(await read_source_servers(look)).servers
    except AwsError:
        # A finding about replication says it.
        replication = {}
    evidence = SnapshotsEvidence(slow=slow, replication=replication, planned=planned)
    return list(snapshots_findings(look.planned, evidence))
