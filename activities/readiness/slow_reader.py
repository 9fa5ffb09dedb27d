"""Reads what DRS answers for one server a call, and keeps it for the looks of the next hours."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from activities.readiness.look import Look, failed_read
from aws.drs.models import epoch
from aws.errors import AwsError, AwsErrorKind
from recovery.plan.model import Target
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.slow_evidence import SlowEvidence, to_read

# Of one look; those of a running recovery have threads of their own.
_AT_ONCE = 8


class SlowEvidenceStore(Protocol):
    """Keeps the evidence of servers by target."""

    async def slow_evidence(
        self, target: Target, server_ids: list[str]
    ) -> Mapping[str, SlowEvidence]:
        """What is kept of these servers."""

    async def keep_slow_evidence(
        self, target: Target, evidence: Mapping[str, SlowEvidence]
    ) -> None:
        """Keep it in place of what is kept."""


class WorkerMemory:
    """Keeps evidence as long as the worker runs."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Target, str], SlowEvidence] = {}

    async def slow_evidence(
        self, target: Target, server_ids: list[str]
    ) -> Mapping[str, SlowEvidence]:
        """What is kept of these servers."""
        return {i: self._kept[target, i] for i in server_ids if (target, i) in self._kept}

    async def keep_slow_evidence(
        self, target: Target, evidence: Mapping[str, SlowEvidence]
    ) -> None:
        """Keep it in place of what is kept."""
        self._kept |= {(target, server_id): each for server_id, each in evidence.items()}


async def read_slow_evidence(look: Look) -> dict[str, SlowEvidence]:
    """The evidence of a look's servers that DRS has, of which it reads what is due.

    Subjects of one look share it.
    """
    return await look.once("slow evidence", lambda: _read(look))


async def _read(look: Look) -> dict[str, SlowEvidence]:
    server_ids = list(look.planned.servers)
    kept = dict(await look.slow.slow_evidence(look.target, server_ids))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def read(server_id: str) -> SlowEvidence | None:
        async with slots:
            return await _of_server(look, server_id)

    due = to_read(server_ids, kept, look.now, is_fresh=look.is_fresh)
    found = zip(due, await asyncio.gather(*map(read, due)), strict=True)
    fresh = {server_id: each for server_id, each in found if each is not None}
    if fresh:
        await look.slow.keep_slow_evidence(look.target, fresh)
    # A server that DRS no longer has is a finding about replication.
    return {i: e for i, e in (kept | fresh).items() if i in fresh or i not in due}


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
