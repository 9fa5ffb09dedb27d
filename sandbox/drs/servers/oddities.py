"""Items of listings that the API model does not admit, as other versions of an API may send."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

UNKNOWN_STATUS = "SUSPENDED"
_STATUSES = ("status", "launchStatus", "dataReplicationState", "ec2InstanceState")
# Of jobs, source servers and recovery instances.
_DROPPED = ("creationDateTime", "dataReplicationInfo", "ec2InstanceState")


class Oddity(StrEnum):
    """What is odd about an item."""

    NULL_TAG = "null-tag"
    UNKNOWN_STATUS = "unknown-status"
    MISSING_FIELD = "missing-field"


def spoiled(item: dict[str, Any], oddity: Oddity | None) -> dict[str, Any]:
    """Return an item of a listing with its oddity, or as it is."""
    match oddity:
        case Oddity.NULL_TAG:
            return item | {"tags": {**item["tags"], "Owner": None}}
        case Oddity.UNKNOWN_STATUS:
            return {key: _with_unknown_status(key, value) for key, value in item.items()}
        case Oddity.MISSING_FIELD:
            return {key: value for key, value in item.items() if key not in _DROPPED}
        case None:
            return item


def _with_unknown_status(key: str, value: Any) -> Any:
    match value:
        case _ if key in _STATUSES:
            return UNKNOWN_STATUS
        case dict():
            return {name: _with_unknown_status(name, each) for name, each in value.items()}
        case list():
            return [_with_unknown_status(key, each) for each in value]
        case _:
            return value
