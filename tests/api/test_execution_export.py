"""An execution as a file, with what marks an outdated state."""

import csv
import io
import json

from api.execution_export import ExportFormat, exported
from client.executions import LastKnownState
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveStatus
from tests.cli.executions import DIAMOND, START, begin, fail_server, put


def rows_of(state: ExecutionState) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(state, ExportFormat.CSV))))


def test_the_csv_has_a_row_a_server_with_its_name_and_why_it_failed() -> None:
    state = begin(DIAMOND)
    database = put(state, "Database", WaveStatus.FAILED, "1 failed", launched=1)
    fail_server(database, 1, "InsufficientInstanceCapacity, in us-west-2a")
    second = database.servers[1]
    database.server_names = {second.source_server_id: "db02"}
    rows = rows_of(state)
    assert [row["SourceServerId"] for row in rows] == [
        server.source_server_id for wave in state.waves for server in wave.servers
    ]
    assert (rows[0]["LaunchStatus"], rows[0]["Verified"], rows[0]["ServerName"]) == (
        "LAUNCHED",
        "YES",
        "",
    )
    assert (rows[1]["WaveStatus"], rows[1]["ServerName"]) == ("FAILED", "db02")
    assert rows[1]["Reason"] == "InsufficientInstanceCapacity, in us-west-2a"
    assert rows[1]["EndTime"] == "2026-11-23T16:04:01+00:00"
    assert {row["OutdatedReason"] for row in rows} == {""}


def test_an_outdated_export_says_so_in_every_row_and_in_the_json() -> None:
    state = LastKnownState.of(begin(DIAMOND), "No worker answers")
    assert {(row["OutdatedReason"], row["RecordedTime"]) for row in rows_of(state)} == {
        ("No worker answers", "2026-11-23T16:04:01+00:00")
    }
    found = json.loads(exported(state, ExportFormat.JSON))
    assert (found["OutdatedReason"], found["RecordedTime"]) == ("No worker answers", START)
    assert "EndTime" not in found


def test_a_name_is_never_a_formula_in_a_spreadsheet() -> None:
    state = begin(DIAMOND)
    state.waves[0].wave_name = '=HYPERLINK("http://elsewhere")'
    assert rows_of(state)[0]["WaveName"] == '\'=HYPERLINK("http://elsewhere")'
