"""Compares a table that DynamoDB describes with the one that it should be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Described = Mapping[str, Any]

_USABLE = ("ACTIVE", "UPDATING")


@dataclass(frozen=True)
class TableCheck:
    """How an existing table differs from the one that `init-tables` creates.

    Attributes:
        unfit: why it cannot be used, and what to do; None if it can be used.
        warnings: what should be changed although it can be used.
    """

    unfit: str | None
    warnings: list[str]


def differences(table: Described, wanted: Described) -> Iterator[str]:
    """What makes a table, or its index, unusable as the one of a CreateTable request."""
    if table["TableStatus"] not in _USABLE:
        yield f"it is {table['TableStatus']}"
        return
    key, wanted_key = _key(table, table), _key(wanted, wanted)
    if key != wanted_key:
        yield f"its key is {key}, not {wanted_key}"
    for wanted_index in wanted.get("GlobalSecondaryIndexes", []):
        yield from _index_differences(table, wanted, wanted_index)


def _index_differences(
    table: Described, wanted: Described, wanted_index: Described
) -> Iterator[str]:
    name, wanted_key = wanted_index["IndexName"], _key(wanted_index, wanted)
    indexes = {each["IndexName"]: each for each in table.get("GlobalSecondaryIndexes", [])}
    index = indexes.get(name)
    if index is None:
        yield f"it has no index {name} with the key {wanted_key}"
        return
    if index["IndexStatus"] not in _USABLE:
        yield f"its index {name} is {index['IndexStatus']}"
    key = _key(index, table)
    if key != wanted_key:
        yield f"the key of its index {name} is {key}, not {wanted_key}"
    projected, wanted_projection = (
        each["Projection"]["ProjectionType"] for each in (index, wanted_index)
    )
    if projected != wanted_projection:
        yield f"its index {name} projects {projected}, not {wanted_projection}"


def capacity_warning(table: Described, name: str) -> str | None:
    """What capacity may mean for a recovery; None if DynamoDB provides it on demand."""
    # DynamoDB omits the mode of a table that never had another one.
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    if mode == "PAY_PER_REQUEST":
        return None
    return (
        f"has {mode} capacity, which a large recovery may exceed: "
        f"`aws dynamodb update-table --table-name {name} --billing-mode PAY_PER_REQUEST`"
    )


def deletion_warning(table: Described, name: str) -> str | None:
    """What the lack of deletion protection means; None if it is enabled."""
    if table.get("DeletionProtectionEnabled"):
        return None
    return (
        "has no deletion protection, so one call deletes it: "
        f"`aws dynamodb update-table --table-name {name} --deletion-protection-enabled`"
    )


def recovery_warning(backups: Described, name: str) -> str | None:
    """What the lack of point-in-time recovery means; None if it is enabled."""
    recovery = backups.get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        return None
    return (
        "has no point-in-time recovery, so what is deleted is lost: "
        f"`aws dynamodb update-continuous-backups --table-name {name} "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true`"
    )


def _key(keyed: Described, table: Described) -> str:
    """The key of a table or of its index, with the types of its attributes."""
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    names = [each["AttributeName"] for each in keyed["KeySchema"]]
    return " and ".join(f"{name} ({types[name]})" for name in names)
