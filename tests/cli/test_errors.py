"""Errors: one clear message on standard error, and an exit code that scripts can trust."""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import CliRunner

from aws.errors import AwsError, AwsErrorKind
from cli.app import app
from cli.input.confirmation import (
    confirm_default_temporal,
    print_start_details,
    require_confirmation,
)
from cli.render.tables import finding_table
from client.errors import RefusedError, UnreachableError
from client.recoveries.temporal import TemporalRecoveries
from client.takeover import PreviousExecution
from contract.readiness import TargetContext
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.operator.confirmation import IntendedStart, start_refusal
from recovery.readiness.finding import FindingCode
from runtime.exit import CliError, ExitCode, exit_code_of, explain, worst_exit_code
from settings import get_settings
from storage.history import HistoryError
from tests.cli.executions import CHAIN, begin
from tests.findings import a_finding, a_readiness

RECOVERY = IntendedStart(CHAIN.plan_id, ExecutionType.RECOVERY)
EXAMPLES = Path(__file__).parents[2] / "examples"
CRM = str(EXAMPLES / "crm.yaml")
runner = CliRunner()


@pytest.fixture(autouse=True)
def _unreachable_services(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment in which neither Temporal nor AWS answers."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.delenv("DRS_WAVES_SPEED", raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def history_error(kind: AwsErrorKind) -> HistoryError:
    error = HistoryError("Cannot read the history table")
    error.__cause__ = AwsError(kind, "query")
    return error


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (PlanStatus.COMPLETED, 0),
        (PlanStatus.FAILED, 1),
        (PlanStatus.PARTIAL, 3),
        (PlanStatus.CANCELLED, 4),
    ],
)
def test_the_exit_code_follows_the_outcome(status: PlanStatus, code: int) -> None:
    assert exit_code_of(status) == code


def test_of_several_executions_a_failure_is_worse_than_a_cancellation() -> None:
    assert (
        worst_exit_code([ExitCode.COMPLETED, ExitCode.CANCELLED, ExitCode.FAILED])
        is ExitCode.FAILED
    )
    assert worst_exit_code([ExitCode.PARTIAL, ExitCode.COMPLETED]) is ExitCode.PARTIAL
    assert worst_exit_code([]) is ExitCode.COMPLETED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("runs already"), 2),
        (UnreachableError("no answer"), 5),
        (history_error(AwsErrorKind.UNKNOWN_SERVER), 2),
        (history_error(AwsErrorKind.UNREACHABLE), 5),
        (history_error(AwsErrorKind.CREDENTIALS), 5),
        (AwsError(AwsErrorKind.UNREACHABLE, "no route"), 5),
        (AwsError(AwsErrorKind.ACCESS_DENIED, "not allowed"), 5),
        (AwsError(AwsErrorKind.INVALID, "no such template"), 2),
        (RPCError("gone", RPCStatusCode.UNAVAILABLE, b""), 5),
        (RPCError("unknown search attribute", RPCStatusCode.INVALID_ARGUMENT, b""), 2),
    ],
)
def test_expected_errors_have_their_codes(error: Exception, code: int) -> None:
    explained = explain(error)
    assert explained is not None
    assert explained.code == code


def test_an_unexpected_error_has_no_explanation() -> None:
    assert explain(ZeroDivisionError("x")) is None


def test_a_missing_plan_is_one_line_and_exit_code_2() -> None:
    result = runner.invoke(app, ["run", "no-such-plan.yaml"])
    assert result.exit_code == 2
    assert result.stderr == "error: no-such-plan.yaml: there is no such file; check the path\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    "command", [["run", CRM], ["run", CRM, "--dry-run"], ["status"], ["status", "crm"]]
)
def test_without_temporal_the_exit_code_is_5_and_the_message_says_where(
    command: list[str],
) -> None:
    result = runner.invoke(app, command)
    assert result.exit_code == 5
    assert "Temporal at 127.0.0.1:1 cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


def test_history_without_aws_is_exit_code_5() -> None:
    result = runner.invoke(app, ["history"])
    assert result.exit_code == 5
    assert "Cannot read the history table drs-waves-history" in result.stderr


def test_restoring_without_aws_is_exit_code_5() -> None:
    result = runner.invoke(app, ["launch-settings", "restore", "--region", "us-west-2"])
    assert result.exit_code == 5
    assert "Could not connect to the endpoint" in result.stderr


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRS_WAVES_POLL_SECONDS", "soon")
    result = runner.invoke(app, ["history"])
    assert result.exit_code == 2
    assert "DRS_WAVES_POLL_SECONDS=soon" in result.stderr


def test_replace_drill_needs_recovery() -> None:
    result = runner.invoke(app, ["run", CRM, "--replace-drill"])
    assert result.exit_code == 2
    assert "only a real RECOVERY replaces a running drill" in result.stderr


def test_relaunch_of_a_server_that_is_not_in_the_plan_is_refused() -> None:
    result = runner.invoke(app, ["run", CRM, "--relaunch", "s-00000000000000000"])
    assert result.exit_code == 2
    assert "s-00000000000000000, which crm does not launch" in result.stderr


@pytest.mark.parametrize("option", [["--recovery"], ["--relaunch", "s-3a1f0c5d7e9b2468a"]])
def test_without_a_terminal_a_confirmation_must_be_passed(option: list[str]) -> None:
    result = runner.invoke(app, ["run", CRM, *option])
    assert result.exit_code == 2
    assert "nothing was started" in result.stderr
    assert "Pass --confirm crm" in result.stderr


PLACE = "Temporal temporal.example.com:7233, namespace drs"


def test_what_is_confirmed_names_targets_hash_and_the_servers_that_may_be_destroyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = TargetContext(
        region="us-west-2",
        account_id="123456789012",
        endpoint="https://drs.us-west-2.amazonaws.com",
    )
    readiness = a_readiness(targets=(target,))
    server = CHAIN.waves[0].server_ids[0]
    print_start_details(CHAIN, ExecutionType.RECOVERY, readiness, [server], place=PLACE)
    shown = capsys.readouterr().err
    assert "RECOVERY. This is not a drill." in shown
    assert "SANDBOX" not in shown
    assert CHAIN.plan_hash in shown
    assert f"On       {PLACE}\n" in shown
    assert "Launches 6 servers in 3 waves" in shown
    assert "123456789012  us-west-2  6        https://drs.us-west-2.amazonaws.com" in shown
    assert f"DESTROYS a live recovery instance:\n  {server}" in shown
    target.is_sandbox = True
    print_start_details(CHAIN, ExecutionType.RECOVERY, readiness, [], place=PLACE)
    assert "SANDBOX" in capsys.readouterr().err


def test_what_is_confirmed_separates_what_is_taken_over_from_what_is_launched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = begin(CHAIN, ExecutionType.RECOVERY)
    up, open_ = CHAIN.waves[0].server_ids
    for server in state.waves[0].servers:
        server.recovery_job_id = "drsjob-1"
    state.waves[0].servers[0].launch_status = LaunchStatus.LAUNCHED
    earlier = PreviousExecution(state, CHAIN, ())
    found = [
        a_finding(FindingCode.RUNNING_JOB, text, source_server_id=server, job_id=job)
        for server, text, job in (
            (up, "ours", "drsjob-1"),
            (open_, "ours", "drsjob-1"),
            (up, "theirs", "drsjob-2"),
        )
    ]
    readiness = a_readiness(*found)
    print_start_details(
        CHAIN,
        ExecutionType.RECOVERY,
        earlier.without_own(readiness),
        [],
        place=PLACE,
        previous=earlier,
    )
    shown = capsys.readouterr().err
    assert "Keeps    1 server that is recorded as up; each is checked again\n" in shown
    assert "Watches  1 server that is in a DRS job without a result yet\n" in shown
    assert "Launches 4 servers in 2 waves\n" in shown
    assert "theirs" in shown
    assert "ours" not in shown


def test_a_finding_fits_80_columns_however_much_it_says() -> None:
    wave = CHAIN.waves[0].model_copy(update={"wave_name": "A wave with a name that is long"})
    plan = CHAIN.model_copy(update={"waves": [wave]})
    found = a_finding(
        FindingCode.LIVE_RECOVERY_INSTANCE,
        "has a live instance i-0123456789abcdef0 of a real recovery " * 3,
        wave_id=wave.wave_id,
        source_server_id=wave.server_ids[0],
        region="ap-southeast-2",
    )
    lines = finding_table(plan, [found])
    assert all(len(line) <= 80 for line in lines)
    shown = " ".join(" ".join(lines[2:]).split())
    assert shown == f"LIVE_RECOVERY_INSTANCE: {found.message}"


def test_another_plans_id_confirms_nothing() -> None:
    with pytest.raises(CliError, match="nothing was started: 'crn' is not the PlanId"):
        require_confirmation(partial(start_refusal, RECOVERY), CHAIN.plan_id, "crn")


def test_the_plan_id_is_asked_for_only_where_the_rule_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return "crn" if len(asked) == 1 else "crm"

    monkeypatch.setattr(typer, "prompt", prompt)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    drill = IntendedStart(CHAIN.plan_id, ExecutionType.DRILL)
    assert require_confirmation(partial(start_refusal, drill), CHAIN.plan_id, None) is None
    assert asked == []
    with pytest.raises(CliError, match="'crn' is not the PlanId"):
        require_confirmation(partial(start_refusal, RECOVERY), CHAIN.plan_id, None)
    assert require_confirmation(partial(start_refusal, RECOVERY), CHAIN.plan_id, None) == "crm"
    assert asked == ["Type the PlanId to start it"] * 2


def test_a_scenario_is_checked_before_anything_starts(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text("SourceServers: [{SourceServerId: s-1, Outcom: stuck}]\n")
    result = runner.invoke(app, ["sandbox", "run", CRM, "--scenario", str(scenario)])
    assert result.exit_code == 2
    assert "did you mean Outcome?" in result.stderr
    assert "Starting" not in result.stderr


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["run"], "no plan is given; drs-waves run PLAN"),
        (["run", "--plan", CRM], "--plan needs --from"),
        (["run", CRM, "--from", "crm-1", "--plan", CRM], "two plans are given"),
        (
            ["run", CRM, "--recovery", "--cleanup-after", "2h"],
            "a clean-up afterwards is for a drill",
        ),
        (["run", CRM, "--cleanup-after", "later"], "'--cleanup-after': 'later' is not a duration"),
        (["approve-wave", "crm", "web", "--expires", "0"], "'--expires': '0' is not a duration"),
        (["executions", "--state", "GONE"], "GONE"),
        (
            ["launch-settings", "restore", "--region", "mars"],
            "--region 'mars' is not valid; write it as us-west-2",
        ),
        (
            ["launch-settings", "restore", "--region", "us-west-2", "--role-arn", "admin"],
            "--role-arn 'admin' is not valid; write it as arn:aws:iam::",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything(command: list[str], shown: str) -> None:
    result = runner.invoke(app, command)
    assert result.exit_code == 2
    assert shown in result.stderr


@pytest.mark.parametrize(
    "command", [["pause", "crm"], ["retry-wave", "crm", "app"], ["cancel", "crm"], ["plans"]]
)
def test_operators_see_that_temporal_is_unreachable(command: list[str]) -> None:
    result = runner.invoke(app, command)
    assert result.exit_code == 5
    assert "Temporal at 127.0.0.1:1 cannot be reached" in result.stderr


def test_a_missing_sandbox_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runner.invoke(app, ["sandbox", "status"]).exit_code == 2
    down = runner.invoke(app, ["sandbox", "down"])
    assert down.exit_code == 0
    assert "No sandbox is running in" in down.stderr


def test_a_folder_with_other_files_is_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = tmp_path / ".sandbox" / "notes.txt"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    result = runner.invoke(app, ["sandbox", "up"])
    assert result.exit_code == 2
    assert theirs.read_text() == "mine"


def test_every_command_has_help_with_its_exit_codes() -> None:
    for command in (
        "validate", "run", "status", "watch", "plans", "executions", "history", "skip-wave",
        "accept-wave", "cancel-wave", "retry-wave", "approve-wave", "pause", "resume", "cancel",
        "cleanup", "worker", "init-tables",
    ):  # fmt: skip
        result = runner.invoke(app, [command, "--help"])
        assert result.exit_code == 0
        assert "Exit codes:" in result.stdout


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("drs-waves ")


@pytest.mark.parametrize(
    ("address", "on_terminal", "asked"),
    [(None, True, 1), (None, False, 0), ("temporal.example.com:7233", True, 0)],
)
def test_a_start_on_a_temporal_that_nobody_configured_asks_on_a_terminal(
    address: str | None,
    on_terminal: bool,
    asked: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    if address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: on_terminal))
    questions = []

    def answer(question: str, *, is_yes: bool, **_: object) -> bool:
        questions.append(question)
        return is_yes

    def confirm() -> None:
        if not TemporalRecoveries().is_configured:
            confirm_default_temporal()

    monkeypatch.setattr(typer, "confirm", partial(answer, is_yes=True))
    confirm()
    assert [each.endswith("Start on localhost:7233?") for each in questions] == [True] * asked
    monkeypatch.setattr(typer, "confirm", partial(answer, is_yes=False))
    with pytest.raises(CliError, match="nothing was started") if asked else nullcontext():
        confirm()
