"""A record of the accepted jobs in one account and Region, for tests and benches."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class LedgerEvent(StrEnum):
    """The type of a ledger entry."""

    START_RECOVERY_ACCEPTED = "START_RECOVERY_ACCEPTED"
    TERMINATE_ACCEPTED = "TERMINATE_RECOVERY_INSTANCES_ACCEPTED"


@dataclass(frozen=True)
class LedgerEntry:
    """One accepted call. Field names are the JSON keys. `Time` is in epoch seconds."""

    Time: float
    Event: LedgerEvent
    AccountId: str
    Region: str
    JobId: str
    SourceServerIds: tuple[str, ...]
    RecoveryInstanceIds: tuple[str, ...] = ()
    IsDrill: bool | None = None
    Tags: dict[str, str] = field(default_factory=dict)
