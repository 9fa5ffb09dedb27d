"""Present is not fit: point 16 of issue 14."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from settings import Settings, get_settings
from tests.aws_in_process import LocalAws, aws

runner = CliRunner()
__all__ = ["aws"]


@pytest.fixture(autouse=True)
def _settings_anew(aws: LocalAws) -> Iterator[None]:
    """The settings of a local AWS."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def init_tables() -> Result:
    return runner.invoke(app, ["init-tables", "--skip-temporal"])


def keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]


def create_history(
    aws: LocalAws,
    key: tuple[str, str] = ("ExecutionId", "Item"),
    index: tuple[str, str, str] | None = ("Executions", "Kind", "StartTime"),
    billing: str = "PAY_PER_REQUEST",
) -> None:
    """Create the history table as somebody else did."""
    kinds = dict.fromkeys(key, "S")
    more: dict[str, Any] = {}
    throughput = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    if index is not None:
        name, *index_key = index
        kinds |= {index_key[0]: "S", index_key[1]: "N" if index_key[1] == "StartTime" else "S"}
        projection = {"ProjectionType": "ALL"}
        one: dict[str, Any] = {"IndexName": name, "KeySchema": keys(*index_key)}
        one["Projection"] = projection
        if billing == "PROVISIONED":
            one["ProvisionedThroughput"] = throughput
        more["GlobalSecondaryIndexes"] = [one]
    if billing == "PROVISIONED":
        more["ProvisionedThroughput"] = throughput
    aws.client("dynamodb").create_table(
        TableName=Settings().history_table,
        BillingMode=billing,
        KeySchema=keys(*key),
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()
        ],
        **more,
    )


def test_tables_as_they_should_be_are_there_already() -> None:
    assert init_tables().exit_code == 0
    again = init_tables()
    assert again.exit_code == 0
    assert again.stdout.count("was there already") == 2


@pytest.mark.xfail(strict=True, reason="issue 14, point 16: any table of this name will do")
def test_a_table_with_another_key_is_not_fit_and_the_key_is_named(aws: LocalAws) -> None:
    create_history(aws, key=("Id", "Sort"))
    result = init_tables()
    assert result.exit_code == 2
    assert Settings().history_table in result.stderr
    assert "ExecutionId" in result.stderr
    assert "Id" in result.stderr.replace("ExecutionId", "")


@pytest.mark.xfail(strict=True, reason="issue 14, point 16: any table of this name will do")
@pytest.mark.parametrize(
    "index", [None, ("Other", "Kind", "StartTime"), ("Executions", "Kind", "EndTime")]
)
def test_a_table_without_the_index_is_not_fit_and_the_index_is_named(
    aws: LocalAws, index: tuple[str, str, str] | None
) -> None:
    create_history(aws, index=index)
    result = init_tables()
    assert result.exit_code == 2
    assert "Executions" in result.stderr


@pytest.mark.xfail(strict=True, reason="issue 14, point 16: billing is not looked at")
def test_a_table_with_provisioned_capacity_is_told_of(aws: LocalAws) -> None:
    create_history(aws, billing="PROVISIONED")
    assert "PROVISIONED" in init_tables().output


@pytest.mark.xfail(strict=True, reason="issue 14, point 16: recovery of the table is not looked at")
def test_a_table_without_point_in_time_recovery_is_told_of(aws: LocalAws) -> None:
    create_history(aws)
    assert "point-in-time recovery" in init_tables().output.lower()


@pytest.mark.xfail(strict=True, reason="issue 14, point 16: the history does not tell the same")
@pytest.mark.parametrize("words", [("history",), ("history", "crm-0f3b52a1c7d9")])
def test_the_history_says_what_is_wrong_with_a_table_of_another_key(
    aws: LocalAws, words: tuple[str, ...]
) -> None:
    create_history(aws, key=("Id", "Sort"), index=None)
    result = runner.invoke(app, list(words))
    assert result.exit_code in (2, 5)
    assert "ExecutionId" in result.stderr
    assert "init-tables" in result.stderr
