"""Reads what DRS answers for one server a call, and keeps it for the looks of the next hours."""

import asyncio
from typing import Any

from activities.readiness.look import Look, failed_read
from aws.drs.models import epoch
from aws.errors import AwsError, AwsErrorKind
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.slow_evidence import SlowEvidence, is_usable, to_read

# Of one look; those of a running recovery have threads of their own.
_AT_ONCE = 4
_SECONDS = 300.0
# Somebody waits.
_AT_ONCE_FRESH = 24
_FRESH_SECONDS = 20.0


async def read_slow_evidence(look: Look) -> dict[str, SlowEvidence]:
    """The evidence of a look's servers that DRS has, of which it reads what is due.

    Subjects of one look share it.
    """
    return await look.once("slow evidence", lambda: _read(look))


async def _read(look: Look) -> dict[str, SlowEvidence]:
    server_ids = list(look.planned.servers)
    kept = dict(await look.slow.slow_evidence(look.target, server_ids))
    slots = asyncio.Semaphore(_AT_ONCE_FRESH if look.is_fresh else _AT_ONCE)

    async def read(server_id: str) -> SlowEvidence | None:
        async with slots:
            return await _of_server(look, server_id)

    due = to_read(server_ids, kept, look.now, is_fresh=look.is_fresh)
    tasks = {server_id: asyncio.create_task(read(server_id)) for server_id in due}
    if tasks:
        _, late = await asyncio.wait(
            tasks.values(), timeout=_FRESH_SECONDS if look.is_fresh else _SECONDS
        )
        for task in late:
            task.cancel()
    found = {i: task.result() for i, task in tasks.items() if task.done()}
    fresh = {server_id: each for server_id, each in found.items() if each is not None}
    if fresh:
        await look.slow.keep_slow_evidence(look.target, fresh)
    # What was not read in time is as old as it is, for a day. What DRS no longer has is a finding
    # about replication.
    known = {i: each for i, each in kept.items() if i not in found}
    late_reads = {
        i: _late(look) for i in due if i not in found and not is_usable(kept.get(i), look.now)
    }
    return known | late_reads | fresh


async def _of_server(look: Look, server_id: str) -> SlowEvidence | None:
    """None: DRS does not have the server."""
    found: dict[str, Any] = {}
    failed: dict[str, FailedRead] = {}
    reads = {
        "launch": look.drs.launch_configuration,
        "replication": look.drs.replication_configuration,
        "snapshots": look.drs.newest_snapshot,
    }
    for name, read in reads.items():
        if not look.is_fresh:
            await look.pace.turn(look.target)
        try:
            found[name] = await read(server_id)
        except AwsError as error:
            if error.kind is AwsErrorKind.UNKNOWN_SERVER:
                return None
            failed[name] = failed_read("drs", error)
    launch, replication = found.get("launch"), found.get("replication")
    newest = found.get("snapshots")
    evidence = SlowEvidence(read_time=look.now, failed=failed)
    if launch is not None:
        evidence.template_id, evidence.drs = launch.launch_template_id, launch.fields
    if replication is not None:
        evidence.key_arn = replication.key_arn
        evidence.snapshot_seconds = replication.snapshot_seconds
    if newest is not None:
        evidence.newest_snapshot = epoch(newest.timestamp)
    return evidence


def _late(look: Look) -> SlowEvidence:
    """The evidence of a server that could not be read in time."""
    failed = FailedRead(action="drs:GetLaunchConfiguration", error="DRS did not answer in time")
    parts = ("launch", "replication", "snapshots")
    return SlowEvidence(read_time=look.now, failed=dict.fromkeys(parts, failed))
