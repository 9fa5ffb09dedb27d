"""`report`, `declare` and `action-item`: options, and lines that no text of others rewrites."""

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.render.output import show
from cli.reports.lines import report_lines, summary_lines
from recovery.report.builder import execution_report
from recovery.report.summary import plan_summary
from tests.cli.executions import START
from tests.recovery.report.records import completed, hostile, record

NOW = START + 7200.0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["report"], "name one execution, or a plan with --plan"),
        (["report", "crm", "--plan", "crm"], "name one execution, or a plan with --plan"),
        (["report", "--plan", "crm", "--declared", "-1h"], "--declared is about one execution"),
        (["report", "crm", "--since", "2026-01-01"], "--since needs --plan"),
        (["report", "crm", "--json", "--format", "html"], "contradict each other"),
        (["report", "--plan", "crm", "--since", "soon"], "is not a time"),
        (["readiness", "--explain", "rpo_exceded"], "did you mean RPO_EXCEEDED?"),
        (["readiness", "--all", "crm"], "not both"),
        (["declare", "crm", "--at", "2020-01-01T00:00Z"], "before the start"),
        (["run", "crm.yaml", "--declared", "2020-01-01T00:00Z"], "before the start"),
        (
            ["action-item", "add", "crm", "--text", "x", "--owner", "y", "--due", "tomorrow"],
            "nothing was added: --due 'tomorrow': write a date, as 2026-12-31",
        ),
    ],
)
def test_options_that_mean_nothing_are_refused(words: list[str], text: str) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    assert text in " ".join(result.output.replace("│", " ").split())


def test_a_report_says_the_verdict_first_and_no_text_rewrites_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = execution_report(hostile(), now=NOW)
    show(*report_lines(report), *summary_lines(plan_summary("crm", [report], since=0, now=NOW)))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    lines = shown.splitlines()
    assert lines[1].startswith("Failed: 1 wave failed or timed out; 1 override")
    assert any(line.split()[:3] == ["1", "2026-12-31", "open"] for line in lines)


def test_what_succeeded_without_reservation_is_said_so() -> None:
    lines = report_lines(execution_report(record(completed()), now=NOW))
    assert lines[1].startswith("Completed: every wave came up")
    assert "Clean-up: none is recorded" in lines
