"""`init-tables`: what it creates, and what it says of tables that others created."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from recovery.history.record import HistoryRecord
from settings import Settings, get_settings
from storage.history import HistoryTable
from tests.aws_in_process import LocalAws, aws
from tests.cli.executions import CHAIN, begin

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


def history(*words: str) -> Result:
    return runner.invoke(app, ["history", *words])


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
    name: str | None = None,
) -> None:
    """Create the history table, or another, as somebody else did."""
    kinds = dict.fromkeys(key, "S")
    more: dict[str, Any] = {}
    throughput = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    if index is not None:
        index_name, *index_key = index
        kinds |= {index_key[0]: "S", index_key[1]: "N" if index_key[1] == "StartTime" else "S"}
        projection = {"ProjectionType": "ALL"}
        one: dict[str, Any] = {"IndexName": index_name, "KeySchema": keys(*index_key)}
        one["Projection"] = projection
        if billing == "PROVISIONED":
            one["ProvisionedThroughput"] = throughput
        more["GlobalSecondaryIndexes"] = [one]
    if billing == "PROVISIONED":
        more["ProvisionedThroughput"] = throughput
    aws.client("dynamodb").create_table(
        TableName=name or Settings().history_table,
        BillingMode=billing,
        KeySchema=keys(*key),
        AttributeDefinitions=[
            {"AttributeName": each, "AttributeType": kind} for each, kind in kinds.items()
        ],
        **more,
    )


def test_tables_as_they_should_be_are_there_already() -> None:
    assert init_tables().exit_code == 0
    again = init_tables()
    assert again.exit_code == 0
    assert again.stdout.count("exists already") == 3
    assert again.stderr.count("warning") == 0


def test_a_table_with_another_key_is_not_fit_and_the_key_is_named(aws: LocalAws) -> None:
    create_history(aws, key=("Id", "Sort"))
    result = init_tables()
    assert result.exit_code == 2
    assert Settings().history_table in result.stderr
    assert "ExecutionId" in result.stderr
    assert "Id" in result.stderr.replace("ExecutionId", "")


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


def test_a_table_with_provisioned_capacity_is_told_of(aws: LocalAws) -> None:
    create_history(aws, billing="PROVISIONED")
    assert "PROVISIONED" in init_tables().output


def test_a_table_without_point_in_time_recovery_is_told_of(aws: LocalAws) -> None:
    create_history(aws)
    assert "point-in-time recovery" in init_tables().output.lower()


@pytest.mark.parametrize("words", [("history",), ("history", "crm-0f3b52a1c7d9")])
def test_the_history_says_what_is_wrong_with_a_table_of_another_key(
    aws: LocalAws, words: tuple[str, ...]
) -> None:
    create_history(aws, key=("Id", "Sort"), index=None)
    result = runner.invoke(app, list(words))
    assert result.exit_code in (2, 5)
    assert "ExecutionId" in result.stderr
    assert "init-tables" in result.stderr


def test_all_tables_are_looked_at_before_it_ends(aws: LocalAws) -> None:
    create_history(aws, key=("Id", "Sort"), index=None)
    create_history(aws, name=Settings().plan_table, index=None)
    result = init_tables()
    assert result.exit_code == 2
    assert "its key is Id (S) and Sort (S), not ExecutionId (S) and Item (S)" in result.stderr
    assert "it has no index Versions with the key Kind (S) and RegisteredTime (N)" in result.stderr
    assert "DRS_WAVES_PLAN_TABLE" in result.stderr


def test_new_tables_have_point_in_time_recovery_as_soon_as_dynamodb_can(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.dynamodb._BACKUPS_PAUSE_SECONDS", 0.0)
    aws.fault(
        "UpdateContinuousBackups",
        Service="dynamodb",
        Error="ContinuousBackupsUnavailableException",
        Times=2,
    )
    result = init_tables()
    assert (result.exit_code, result.stderr.count("warning")) == (0, 0)
    for name in (Settings().history_table, Settings().plan_table):
        found = aws.client("dynamodb").describe_continuous_backups(TableName=name)
        recovery = found["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


@pytest.mark.parametrize("operation", ["UpdateContinuousBackups", "DescribeContinuousBackups"])
def test_tables_without_the_permission_for_backups_are_created_and_it_is_said(
    aws: LocalAws, operation: str
) -> None:
    aws.fault(operation, Service="dynamodb", Error="AccessDeniedException")
    result = init_tables()
    assert result.exit_code == 0
    assert result.stdout.count("created") == 3
    assert result.stderr.count("no point-in-time recovery") == 2


def test_the_history_warns_of_what_a_recovery_may_suffer_from(aws: LocalAws) -> None:
    create_history(aws, billing="PROVISIONED")
    result = history("--json")
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert "has PROVISIONED capacity" in result.stderr
    assert "has no point-in-time recovery" in result.stderr


def test_the_history_does_not_pass_a_part_for_the_whole(aws: LocalAws) -> None:
    create_history(aws, index=("Executions", "Kind", "EndTime"))
    result = history()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the key of its index Executions is Kind (S) and EndTime (S), not Kind" in result.stderr


def test_one_record_is_shown_without_the_index_and_without_the_permission_to_check(
    aws: LocalAws,
) -> None:
    create_history(aws, index=None)
    state = begin(CHAIN)
    record = HistoryRecord(execution_id=state.execution_id, execution=state, plan=CHAIN)
    asyncio.run(HistoryTable(Settings()).write(record))
    shown = history(state.execution_id)
    assert (shown.exit_code, "DRILL of CRM" in shown.stdout) == (0, True)
    assert "it has no index Executions" in shown.stderr
    aws.fault("DescribeTable", Service="dynamodb", Error="AccessDeniedException")
    shown = history(state.execution_id)
    assert (shown.exit_code, "DRILL of CRM" in shown.stdout) == (0, True)
    assert "warning: Cannot check the history table" in shown.stderr


def test_a_plan_is_not_registered_in_a_table_of_another_key(aws: LocalAws) -> None:
    create_history(aws, name=Settings().plan_table, key=("Id", "Sort"), index=None)
    crm = Path(__file__).parents[4] / "examples" / "crm.yaml"
    result = runner.invoke(app, ["register", str(crm)])
    assert result.exit_code == 2
    assert "its key is Id (S) and Sort (S), not PlanId (S) and Item (S)" in result.stderr
