"""A record of the accepted jobs in one account and Region, for tests and benches."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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


@dataclass(frozen=True)
class ConfigurationChange:
    """One accepted UpdateLaunchConfiguration. Field names are the JSON keys."""

    Time: float
    SourceServerId: str
    Changes: dict[str, Any]


@dataclass(frozen=True)
class LedgerLaunch:
    """What one server of a job was launched with. Field names are the JSON keys.

    Attributes:
        Time: Epoch seconds of LAUNCH_START.
        TemplateVersion: The default version of its launch template at this time.
    """

    Time: float
    SourceServerId: str
    JobId: str
    RecoveryInstanceId: str
    IsDrill: bool
    TemplateVersion: int
    TemplateDescription: str
    SubnetId: str | None
    SecurityGroupIds: tuple[str, ...]
    PrivateIp: str | None
    LaunchDisposition: str
