"""A list of executions as a file."""

import csv

import pytest

from api.execution_export import ExportFormat
from api.export import executions_csv, exported_list
from client.errors import UnreachableError
from client.overview import ExecutionRow, Overview
from recovery.execution.state import PlanStatus


def row(name: str) -> ExecutionRow:
    return ExecutionRow(
        execution_id="crm-0f3b52a1c7d9",
        plan_id="crm",
        plan_name=name,
        execution_type="DRILL",
        status=PlanStatus.COMPLETED,
        start_time=1_795_449_841.0,
        end_time=1_795_450_141.5,
    )


def test_csv_has_the_keys_of_the_api_with_times_that_people_read() -> None:
    (read,) = csv.DictReader(executions_csv([row("CRM, East")]).splitlines())
    assert read["PlanName"] == "CRM, East"
    assert read["StartTime"] == "2026-11-23T16:04:01+00:00"
    assert read["DurationSeconds"] == "300.5"


def test_a_name_is_no_formula_of_a_spreadsheet() -> None:
    (read,) = csv.DictReader(executions_csv([row('=HYPERLINK("http://x")')]).splitlines())
    assert read["PlanName"].startswith("'=")


def test_an_incomplete_list_is_not_returned_as_csv() -> None:
    known = Overview([row("CRM")], ("only running executions are listed",), is_complete=False)
    with pytest.raises(UnreachableError, match="only running"):
        exported_list(known, ExportFormat.CSV)
    assert b"only running" in bytes(exported_list(known, ExportFormat.JSON).body)
