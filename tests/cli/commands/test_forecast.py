"""`forecast`: what it prints about plans, with and without a history."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from recovery.execution.server import LaunchStatus
from recovery.execution.wave import WaveStatus
from recovery.history.record import HistoryRecord
from settings import get_settings
from storage.history import HistoryTable
from tests.aws_in_process import LocalAws, aws
from tests.cli.executions import CHAIN, START, begin

runner = CliRunner()
__all__ = ["aws"]


@pytest.fixture(autouse=True)
def _fresh_settings(aws: LocalAws) -> Iterator[None]:
    """The settings of a local AWS whose history has nothing yet."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def crm(tmp_path: Path) -> str:
    """The file of a chain of three waves."""
    path = tmp_path / "crm.json"
    path.write_text(CHAIN.model_copy(update={"rto": 60}).model_dump_json(exclude_none=True))
    return str(path)


async def record(*seconds: float) -> None:
    """Record an execution in which the servers of Database took so long."""
    state = begin(CHAIN)
    database = state.waves[0]
    database.status, database.start_time, database.revision = WaveStatus.COMPLETED, START, 1
    for server, took in zip(database.servers, seconds, strict=True):
        server.launch_status, server.launch_time = LaunchStatus.LAUNCHED, START + took
    table = HistoryTable(get_settings())
    await table.create()
    header = state.model_copy(update={"waves": []})
    written = HistoryRecord(
        execution_id=state.execution_id, execution=header, plan=CHAIN, waves=state.waves
    )
    await table.write(written)


def run_forecast(*words: str) -> str:
    result = runner.invoke(app, ["forecast", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_without_a_history_it_warns_and_uses_the_default(crm: str) -> None:
    result = runner.invoke(app, ["forecast", crm])
    assert result.exit_code == 0
    assert "drs-waves init-tables" in result.stderr
    assert "Durations: 0 of 6 servers from the history, 6 assumed to take 9 min." in result.stdout
    assert "CRM   3      6        27 min  27 min   within the RTO of 1 h" in result.stdout


def test_what_servers_took_before_decides_path_time_and_split(crm: str) -> None:
    asyncio.run(record(600.0, 2400.0))
    shown = run_forecast(crm)
    assert "Critical path: Database 40 min, App 9 min, Web 9 min" in shown
    assert "58 min  58 min   within the RTO of 1 h" in shown
    assert "Split Database: 18 min less if nothing waits for s-00000000000000001" in shown
    assert "Durations: 2 of 6 servers from the history, 4 assumed to take 9 min." in shown
    ignored = run_forecast(crm, "--no-history")
    assert "Critical path: Database 9 min" in ignored


def test_json_has_the_same_values(crm: str) -> None:
    asyncio.run(record(600.0, 2400.0))
    found = json.loads(run_forecast(crm, "--json"))
    (plan,) = found["Plans"]
    assert found["Jobs"] == 3
    assert plan["SecondsAlone"] == 2400.0 + 540.0 + 540.0
    assert plan["CriticalPath"] == ["w0", "w1", "w2"]
    assert plan["Split"]["SavesSeconds"] == 1080.0
    assert [wave["LearnedServers"] for wave in plan["Waves"]] == [2, 0, 0]
    assert plan["SecondsAtOnce"] == plan["Waves"][-1]["EndSeconds"] == found["Seconds"]


def test_plans_at_once_wait_for_the_quota_and_say_so(
    crm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRS_WAVES_SERVERS_QUOTA", "2")
    get_settings.cache_clear()
    other = tmp_path / "shop.json"
    other.write_text(
        CHAIN.model_copy(update={"plan_id": "shop", "plan_name": "Shop"}).model_dump_json(
            exclude_none=True
        )
    )
    shown = run_forecast(crm, str(other), "--no-history")
    assert "All at once: 54 min, 6 jobs; the quotas are 20 jobs and 2 servers" in shown
    assert "Waits for quota: " in shown


def test_a_wrong_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("PlanId: crm\n")
    result = runner.invoke(app, ["forecast", str(path)])
    assert result.exit_code == 2
    assert "the plan has no waves" in result.stderr
