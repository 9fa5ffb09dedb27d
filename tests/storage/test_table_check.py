"""What differs in a table that exists already."""

from copy import deepcopy
from typing import Any

import pytest

from storage.table_check import (
    capacity_warning,
    deletion_warning,
    differences,
    recovery_warning,
)

WANTED: dict[str, Any] = {
    "KeySchema": [
        {"AttributeName": "ExecutionId", "KeyType": "HASH"},
        {"AttributeName": "Item", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "ExecutionId", "AttributeType": "S"},
        {"AttributeName": "Item", "AttributeType": "S"},
        {"AttributeName": "Kind", "AttributeType": "S"},
        {"AttributeName": "StartTime", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "Executions",
            "KeySchema": [
                {"AttributeName": "Kind", "KeyType": "HASH"},
                {"AttributeName": "StartTime", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


def described() -> dict[str, Any]:
    """The table as it should be, as DynamoDB describes it."""
    table = deepcopy(WANTED)
    table["TableStatus"] = table["GlobalSecondaryIndexes"][0]["IndexStatus"] = "ACTIVE"
    return table


def test_a_table_that_is_being_updated_is_fit() -> None:
    table = described()
    table["TableStatus"] = table["GlobalSecondaryIndexes"][0]["IndexStatus"] = "UPDATING"
    assert list(differences(table, WANTED)) == []


def test_a_table_that_is_being_deleted_is_not_fit() -> None:
    found = {"TableStatus": "DELETING", "TableName": "drs-waves-history"}
    assert list(differences(found, WANTED)) == ["it is DELETING"]


def test_an_index_that_is_being_filled_is_not_fit() -> None:
    table = described()
    table["GlobalSecondaryIndexes"][0]["IndexStatus"] = "CREATING"
    assert list(differences(table, WANTED)) == ["its index Executions is CREATING"]


def test_an_index_without_all_attributes_is_not_fit() -> None:
    table = described()
    table["GlobalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "KEYS_ONLY"}
    assert list(differences(table, WANTED)) == ["its index Executions projects KEYS_ONLY, not ALL"]


@pytest.mark.parametrize(
    ("attribute", "difference"),
    [
        ("Item", "its key is ExecutionId (S) and Item (N), not ExecutionId (S) and Item (S)"),
        (
            "Kind",
            "the key of its index Executions is Kind (N) and StartTime (N), "
            "not Kind (S) and StartTime (N)",
        ),
    ],
)
def test_a_key_of_another_type_is_not_fit(attribute: str, difference: str) -> None:
    table = described()
    for each in table["AttributeDefinitions"]:
        if each["AttributeName"] == attribute:
            each["AttributeType"] = "N"
    assert list(differences(table, WANTED)) == [difference]


def test_a_key_without_its_second_part_is_not_fit() -> None:
    table = described()
    del table["KeySchema"][1]
    assert list(differences(table, WANTED)) == [
        "its key is ExecutionId (S), not ExecutionId (S) and Item (S)"
    ]


def test_a_table_that_names_no_billing_mode_is_provisioned() -> None:
    assert "PROVISIONED" in (capacity_warning(described(), "t") or "")
    on_demand = {"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}}
    assert capacity_warning(on_demand, "t") is None


def test_recovery_that_dynamodb_does_not_describe_is_not_enabled() -> None:
    assert recovery_warning({"ContinuousBackupsStatus": "DISABLED"}, "t") is not None
    enabled = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}
    assert recovery_warning(enabled, "t") is None


def test_a_table_that_one_call_deletes_is_named() -> None:
    assert "--deletion-protection-enabled" in (deletion_warning(described(), "t") or "")
    assert deletion_warning({"DeletionProtectionEnabled": True}, "t") is None
