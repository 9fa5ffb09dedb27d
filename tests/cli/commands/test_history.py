"""`history` and `history verify`: arguments, output and exit codes."""

from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.app import app
from cli.commands.verify import VerificationResult, exit_code_of, print_verifications
from cli.live.changes import changes
from cli.live.view import WatchedExecution, view
from cli.render.tables import execution_lines, wave_table
from recovery.execution.wave import WaveStatus
from recovery.history.comparison import Difference, DifferenceKind
from settings import get_settings
from tests.cli.executions import CHAIN, START, begin, put

runner = CliRunner()
WARNING = "The history is in us-east-1, a Region this plan recovers from"


@pytest.fixture(autouse=True)
def _unreachable_services(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment in which neither Temporal nor AWS answers."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def difference(kind: DifferenceKind, **more: object) -> Difference:
    given = {"item": "WAVE#web", "kind": kind, "temporal": "Status COMPLETED", "dynamodb": "x"}
    return Difference.model_validate(given | more)


def test_help_describes_both_show_and_verify() -> None:
    shown = runner.invoke(app, ["history", "--help"]).stdout
    for part in ("[EXECUTION]", "--plan", "--limit", "--json", "verify  Compare DynamoDB"):
        assert part in shown
    below = runner.invoke(app, ["history", "verify", "--help"]).stdout
    assert below.startswith("Usage: drs-waves history verify ") or "history verify [" in below
    for part in ("--all", "--no-repair", "Exit codes: 0 agrees"):
        assert part in below


@pytest.mark.parametrize(
    "words",
    [
        ["history"],
        ["history", "crm-1"],
        ["history", "crm-1", "--json"],
        ["history", "--json", "crm-1"],
        ["history", "--plan", "crm", "--limit", "5"],
    ],
)
def test_history_still_takes_an_execution_or_a_list(words: list[str]) -> None:
    result = runner.invoke(app, words)
    assert result.exit_code == 5
    assert "Cannot read the history table" in result.stderr


@pytest.mark.parametrize("words", [["verify", "crm-1"], ["verify", "--all"]])
def test_verify_without_temporal_is_exit_code_5(words: list[str]) -> None:
    result = runner.invoke(app, ["history", *words])
    assert result.exit_code == 5
    assert "Temporal at 127.0.0.1:1 cannot be reached" in result.stderr


@pytest.mark.parametrize("words", [[], ["crm-1", "--all"]])
def test_verify_needs_one_execution_or_all(words: list[str]) -> None:
    result = runner.invoke(app, ["history", "verify", *words])
    assert result.exit_code == 2
    assert "drs-waves history verify EXECUTION, or --all" in result.stderr


def test_two_executions_are_refused() -> None:
    assert runner.invoke(app, ["history", "crm-1", "crm-2"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("drs-waves history ver", {"verify"}),
        ("drs-waves history --", {"--plan", "--limit", "--json", "--help"}),
        ("drs-waves history verify --", {"--all", "--repair", "--no-repair", "--json", "--help"}),
    ],
)
def test_the_shell_completes_both(words: str, offered: set[str]) -> None:
    line = {
        "_DRS_WAVES_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    completed = runner.invoke(app, [], env=line, prog_name="drs-waves")
    assert set(completed.stdout.split()) == offered


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (difference(DifferenceKind.MISSING), 1),
        (difference(DifferenceKind.MISSING, is_repaired=True), 0),
        (difference(DifferenceKind.NEWER), 1),
        (difference(DifferenceKind.NEWER, is_expected=True), 0),
        (difference(DifferenceKind.UNKNOWN), 1),
    ],
)
def test_only_a_difference_that_is_left_is_an_error(found: Difference, code: int) -> None:
    verified = VerificationResult(
        execution_id="crm-1", agrees=found.is_settled, differences=[found]
    )
    assert exit_code_of([VerificationResult(execution_id="crm-0"), verified]) == code


def test_an_execution_that_cannot_be_asked_is_unreachable_whatever_the_others_are() -> None:
    silent = VerificationResult(execution_id="crm-1", agrees=False, error="no answer")
    assert exit_code_of([silent, VerificationResult(execution_id="crm-0", agrees=False)]) == 5


def test_each_difference_is_a_line_with_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    differences = [
        difference(DifferenceKind.MISSING, item="EXECUTION", is_repaired=True),
        difference(DifferenceKind.ALTERED, item="PLAN"),
        difference(DifferenceKind.NEWER, is_expected=True),
        difference(DifferenceKind.NEWER, item="MESSAGE#0002"),
        difference(DifferenceKind.OUTDATED, item="DECISIONS#web", temporal="x" * 80),
    ]
    print_verifications(
        [VerificationResult(execution_id="crm-1", differences=differences)], repair=True
    )
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "crm-1: 5 items differ"
    assert lines[2:] == [
        "header MISSING Status COMPLETED x repaired",
        "frozen plan ALTERED Status COMPLETED x LEFT: it could not be written",
        "wave web NEWER Status COMPLETED x left: "
        "it may be newer than the state that Temporal returned",
        "message 3 NEWER Status COMPLETED x LEFT: it is newer than in Temporal",
        f"decisions on web OUTDATED {'x' * 43}… x LEFT: it could not be written",
    ]


def test_a_warning_is_printed_once_and_shown_in_view_and_history() -> None:
    before = begin(CHAIN)
    after = before.model_copy(update={"warnings": [WARNING]})
    assert f"warning: {WARNING}" in changes(before, after)
    assert not any("warning" in line for line in changes(after, after))
    assert f"  warning: {WARNING}" in execution_lines(after)
    console = Console(width=80, record=True, file=StringIO())
    console.print(view(WatchedExecution("crm", state=after), now=START, width=80, height=40))
    assert f" warning: {WARNING}" in console.export_text()


def test_the_history_shows_each_attempt_and_counts_the_duration_from_the_first_one() -> None:
    state = begin(CHAIN)
    database = put(state, "Database", WaveStatus.FAILED, "2 failed", start=START, end=START + 600)
    database.attempt, database.has_workflow = 1, True
    database.reopened()
    database.attempt = 2
    put(state, "Database", WaveStatus.COMPLETED, launched=2, start=START + 900, end=START + 1500)
    lines = execution_lines(state)
    assert any("COMPLETED, took 25 min in 2 attempts" in line for line in lines)
    first, second = (line for line in lines if "  attempt " in line)
    assert first.endswith("attempt 1 FAILED after 10 min: 2 failed")
    assert second.endswith("attempt 2 COMPLETED after 10 min")
    assert "25:00" in wave_table(state.waves)[1]
