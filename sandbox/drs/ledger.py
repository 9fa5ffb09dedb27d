"""A record of what happened in one account and Region, for tests and benches."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class LedgerEvent(StrEnum):
    """The type of a ledger entry."""

    SEEDED = "SEEDED"
    START_RECOVERY_ACCEPTED = "START_RECOVERY_ACCEPTED"
    START_RECOVERY_REJECTED = "START_RECOVERY_REJECTED"
    TERMINATE_ACCEPTED = "TERMINATE_RECOVERY_INSTANCES_ACCEPTED"
    TERMINATE_REJECTED = "TERMINATE_RECOVERY_INSTANCES_REJECTED"
    DISCONNECTED = "RECOVERY_INSTANCE_DISCONNECTED"
    DELETED = "RECOVERY_INSTANCE_DELETED"


@dataclass(frozen=True)
class LedgerEntry:
    """One ledger entry. Field names are the JSON keys.

    Attributes:
        Time: Epoch seconds.
        Error: `{"Code", "Message"}` of a rejected call.
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
    """An append-only list of entries."""

    def __init__(self) -> None:
        self._entries: list[LedgerEntry] = []

    def append(self, entry: LedgerEntry) -> None:
        """Append an entry."""
        self._entries.append(entry)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All entries, oldest first."""
        return tuple(self._entries)
