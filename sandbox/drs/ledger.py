"""What truly happened in one account and Region, for checks from outside."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class LedgerEvent(StrEnum):
    """Kinds of ledger entries."""

    SEEDED = "SEEDED"
    START_RECOVERY_ACCEPTED = "START_RECOVERY_ACCEPTED"
    START_RECOVERY_REJECTED = "START_RECOVERY_REJECTED"
    TERMINATE_ACCEPTED = "TERMINATE_RECOVERY_INSTANCES_ACCEPTED"
    TERMINATE_REJECTED = "TERMINATE_RECOVERY_INSTANCES_REJECTED"
    DISCONNECTED = "RECOVERY_INSTANCE_DISCONNECTED"
    DELETED = "RECOVERY_INSTANCE_DELETED"


@dataclass(frozen=True)
class LedgerEntry:
    """One fact. Field names are those of the ledger's JSON.

    Attributes:
        Time: Epoch seconds.
        Error: For rejected calls, `{"Code", "Message"}`.
    """

    Time: float
    Event: LedgerEvent
    AccountId: str
    Region: str
    JobId: str | None = None
    SourceServerIds: tuple[str, ...] = ()
    RecoveryInstanceIds: tuple[str, ...] = ()
    IsDrill: bool | None = None
    Tags: dict[str, str] = field(default_factory=dict)
    Error: dict[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON types."""
        return asdict(self)


class Ledger:
    """An append-only list of facts."""

    def __init__(self) -> None:
        self._entries: list[LedgerEntry] = []

    def append(self, entry: LedgerEntry) -> None:
        """Add a fact at the end."""
        self._entries.append(entry)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """Everything so far, oldest first."""
        return tuple(self._entries)
