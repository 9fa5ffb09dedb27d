"""`status` says what keeps executions from launching, and ends with an exit code of its own."""

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.commands import status
from cli.live.view import WatchedExecution
from client.overview import ExecutionRow
from client.recoveries import temporal
from runtime.exit import ExitCode
from tests.cli.executions import CHAIN, begin
from tests.cli.live.test_watch import FakeClient

PROBLEM = "the launcher drs-launcher/123456789012/us-west-2 is TERMINATED"


@pytest.mark.parametrize(
    ("problems", "code"), [([PROBLEM], ExitCode.UNREACHABLE), ([], ExitCode.COMPLETED)]
)
def test_a_list_of_what_runs_names_a_launcher_that_does_not_proceed(
    monkeypatch: pytest.MonkeyPatch, problems: list[str], code: ExitCode
) -> None:
    row = ExecutionRow(
        execution_id="crm-0f3b52a1c7d9",
        plan_id="crm",
        status="IN_PROGRESS",
        running=True,
        start_time=0.0,
    )

    async def running(_: object) -> list[ExecutionRow]:
        return [row]

    async def connect() -> None:
        return None

    async def launch_problems(client: object) -> list[str]:
        return problems

    monkeypatch.setattr(temporal, "running_executions", running)
    monkeypatch.setattr(temporal, "connect_to_temporal", connect)
    monkeypatch.setattr(temporal, "launch_problems", launch_problems)
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == code
    assert "crm-0f3b52a1c7d9" in result.stdout
    assert [line for line in result.stderr.split("\n") if PROBLEM in line] == [
        f"warning: {problem}" for problem in problems
    ]


def test_a_terminated_execution_does_not_pass_for_running(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect() -> FakeClient:
        return FakeClient(begin(CHAIN), closed=True)

    async def watched(*_: object) -> WatchedExecution:
        return WatchedExecution("crm")

    monkeypatch.setattr(temporal, "connect_to_temporal", connect)
    monkeypatch.setattr(status, "_watched", watched)
    result = CliRunner().invoke(app, ["status", "crm"])
    assert result.exit_code == ExitCode.FAILED
    assert "was closed from outside (TERMINATED) before its end" in " ".join(result.stderr.split())
