"""Keeps what DRS answers for one server a call."""

import logging
from collections.abc import Mapping
from typing import Protocol

from pydantic import ValidationError

from activities.readiness.read_cache import ReadCache
from recovery.plan.model import Target
from recovery.readiness.slow_evidence import SlowEvidence
from storage.dynamodb import TableError
from storage.readiness import ReadinessTable, ServerEvidence

_SUBJECT = "LAUNCH"
_logger = logging.getLogger(__name__)


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


class StoredEvidence:
    """Keeps evidence in the table of plans, which all workers share.

    While the table cannot be read or written, a worker goes on with what it knows itself.
    """

    def __init__(self, table: ReadinessTable) -> None:
        self._table = table
        self._memory = WorkerMemory()
        self._loads = ReadCache()

    async def slow_evidence(
        self, target: Target, server_ids: list[str]
    ) -> Mapping[str, SlowEvidence]:
        """What is kept of these servers."""
        try:
            stored = await self._loads.get(target, lambda: self._load(target))
        except TableError as error:
            _logger.warning("kept evidence of launches could not be read: %s", error)
            stored = {}
        found = dict(await self._memory.slow_evidence(target, server_ids))
        for server_id in server_ids:
            known = stored.get(server_id)
            # Another worker may have read it since.
            if known and (server_id not in found or known.read_time > found[server_id].read_time):
                found[server_id] = known
        return found

    async def keep_slow_evidence(
        self, target: Target, evidence: Mapping[str, SlowEvidence]
    ) -> None:
        """Keep it in place of what is kept."""
        await self._memory.keep_slow_evidence(target, evidence)
        kept = {
            server_id: ServerEvidence(
                read_time=each.read_time, value=each.model_dump(mode="json", exclude_defaults=True)
            )
            for server_id, each in evidence.items()
        }
        try:
            await self._table.put_evidence(target, _SUBJECT, kept)
        except TableError as error:
            _logger.warning("evidence of launches could not be kept: %s", error)

    async def _load(self, target: Target) -> dict[str, SlowEvidence]:
        found = {}
        for server_id, each in (await self._table.evidence(target, _SUBJECT)).items():
            try:
                found[server_id] = SlowEvidence.model_validate(each.value)
            except ValidationError:
                # Another version has written it.
                continue
        return found
