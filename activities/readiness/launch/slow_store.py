"""Keeps what DRS answers for one server a call."""

from collections.abc import Mapping
from typing import Protocol

from recovery.plan.model import Target
from recovery.readiness.slow_evidence import SlowEvidence


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
