"""The report of an execution: its numbers are the history's, and nothing else is needed."""

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bench.browser import chromium_path, running_browser, window
from cli.app import app
from client.cleanup import start_cleanup
from client.start import start_execution
from contract.cleanup import StartCleanup
from contract.identifiers import cleanup_workflow_id
from recovery.execution.recovery_points import AchievedPoints
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import OnFailure, RecoveryPlan
from recovery.report.model import ExecutionReport, QualificationKind, RtoOutcome
from settings import get_settings
from tests.cli.json_outputs import check_result
from tests.end_to_end.conftest import SPEED, E2eEnvironment, wave_of
from tests.end_to_end.test_operators import update
from tests.end_to_end.test_steps import step

_SCRIPT = "<script>window.hacked = 1</script>"
_IMAGE = "<img src=//example.com onerror='window.hacked = 2'>"


def iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


async def do(*words: str, code: int = 0) -> Result:
    """Run a command; it must end with this code."""
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.output}"
    check_result(words, result.stdout)
    return result


async def read(*words: str) -> Any:
    return json.loads((await do(*words, "--json")).stdout)


def plan_of(env: E2eEnvironment) -> RecoveryPlan:
    """A database with a check that fails and a step for recoveries only; a web wave that fails."""
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(
        Documents=[{"Name": "Promote"} | account], Functions=[{"FunctionName": "dns"} | account]
    )
    database = env.aws.servers(2, Applications=[{"Port": 5432, "UpAfterSeconds": "never"}])
    return env.plan(
        env.wave("Database", servers=database, on_failure=OnFailure.ASK, post_launch_steps=[
            step("reachable", Tcp={"Port": 5432}, TimeoutSeconds=2 * SPEED),
            step("promote", SsmAutomation={"Document": "Promote"}),
            step("dns", When="RECOVERY", Lambda={"FunctionName": "dns"}),
        ]),
        env.wave("App", "Database", servers=2),
        env.wave("Web", "App", servers=env.aws.servers(2, Outcome="failed-late")),
        env.wave("Reports", "Web"),
        plan_name=f"Shop {_SCRIPT}",
        rto=60,
        rpo=15,
        on_failure=OnFailure.SKIP_DEPENDENTS,
    )  # fmt: skip


async def drilled(env: E2eEnvironment, plan: RecoveryPlan, declared: float) -> ExecutionState:
    """A drill in which an operator overrides a check, with a clean-up after it."""
    start = await start_execution(env.client, plan, declared=declared)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.FAILED)
    said = {"actor": "ann", "reason": f"it listens on 5433 {_IMAGE}"}
    await update(env, plan, "skip_step", {"wave": "database", "step": "reachable"} | said)
    await env.end(plan, start)
    await start_cleanup(
        env.client, StartCleanup(execution_id=start, plan_id=plan.plan_id, actor="ops@test")
    )
    await env.client.get_workflow_handle(cleanup_workflow_id(start)).result()
    return await env.recorded(start)


def assert_numbers(report: ExecutionReport, state: ExecutionState, declared: float) -> None:
    """The numbers of the report are those of the history."""
    assert report.rto.since == declared
    launched = [
        s.end_time for w in state.waves for s in w.servers if s.launch_status.value == "LAUNCHED"
    ]
    assert report.rto.launched is not None
    assert report.rto.launched.end_time == max(filter(None, launched))
    seconds = max(filter(None, launched)) - declared
    assert report.rto.launched.seconds == pytest.approx(seconds, abs=0.001)
    assert report.rto.launched.real_seconds == pytest.approx(seconds * SPEED, abs=0.001 * SPEED)
    for wave in state.waves:
        shown = next(each for each in report.waves if each.wave_id == wave.wave_id)
        assert (shown.status, shown.start_time) == (wave.status, wave.first_start_time)
        assert (shown.end_time, shown.seconds) == (wave.end_time, wave.total_duration)
        assert [s.recovery_instance_id for s in shown.servers] == [
            s.recovery_instance_id for s in wave.servers
        ]
        assert [(s.step_id, s.status, s.result) for s in shown.steps] == [
            (s.step_id, s.status, s.result) for s in wave.steps
        ]
    points = AchievedPoints.of(state)
    assert report.recovery_points.known == len(points.known)
    assert report.recovery_points.oldest == min(points.known.values(), default=None)
    assert report.cleanup == state.cleanup
    assert [m.effect for m in report.messages] == [m.effect for m in state.messages]


async def test_a_report_has_the_numbers_of_the_history_and_needs_dynamodb_alone(
    env: E2eEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = plan_of(env)
    declared = round(time.time() - 20, 3)
    state = await drilled(env, plan, declared)
    assert (state.status, state.declared_time) == (PlanStatus.FAILED, declared)
    execution_id = state.execution_id
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    get_settings.cache_clear()

    report = ExecutionReport.model_validate(await read("report", execution_id))
    assert_numbers(report, state, declared)
    assert report.rto.outcome is RtoOutcome.NOT_REACHED
    assert not report.verdict.is_unqualified
    kinds = {q.kind: q.count for q in report.verdict.qualifications}
    assert kinds[QualificationKind.OVERRIDE] == 1
    assert kinds[QualificationKind.NOT_TESTED_STEP] == 1
    assert kinds[QualificationKind.FAILED_WAVE] == 1
    assert report.verdict.sentence.startswith("Failed: 1 wave failed or timed out")
    assert report.not_tested == ["Database / dns (Lambda): it runs in a RECOVERY only"]

    # A declaration for one report changes no other, and one that is recorded does.
    earlier = declared - 60
    given = ExecutionReport.model_validate(
        await read("report", execution_id, "--declared", iso(earlier))
    )
    assert given.rto.since == earlier
    assert (await read("report", execution_id))["Rto"]["Since"] == declared
    await do("declare", execution_id, "--at", iso(earlier), "--reason", "call 4711")
    recorded = ExecutionReport.model_validate(await read("report", execution_id))
    assert recorded.rto.since == earlier
    assert [each.reason for each in recorded.rto.declarations] == ["call 4711"]
    refused = await do("declare", execution_id, "--at", iso(state.start_time + 300), code=2)
    assert "in the future" in refused.output or "after the start" in refused.output

    item = ("--text", f"Test {_SCRIPT}", "--owner", "ops", "--due")
    await do("action-item", "add", execution_id, *item, "2020-01-31")
    await do("action-item", "add", execution_id, *item, "2099-01-31")
    await do("action-item", "add", execution_id, *item, "tomorrow", code=2)
    await do("action-item", "close", execution_id, "2", "--note", "done")
    await do("action-item", "close", execution_id, "2", code=2)
    of_all = await read("action-item", "list")
    assert [(i["ExecutionId"], i["Number"]) for i in of_all] == [(execution_id, 1)]
    assert [i["Number"] for i in await read("action-item", "list", execution_id)] == [1, 2]

    summary = await read("report", "--plan", plan.plan_id, "--since", "2026-01-01")
    (row,) = summary["Executions"]
    assert (row["NotTested"], row["OpenActionItems"], row["Overrides"]) == (1, 1, 1)
    text = (await do("report", plan.plan_id)).stdout
    assert "Failed: 1 wave failed" in text
    files = [tmp_path / "report.html", tmp_path / "summary.html"]
    await do("report", execution_id, "--output", str(files[0]))
    await do("report", "--plan", plan.plan_id, "--output", str(files[1]))
    if chromium_path() is not None:
        for file in files:
            await assert_shown_and_inert(file)


async def assert_shown_and_inert(file: Path) -> None:
    """The file is shown, loads nothing, runs nothing, and prints."""
    async with running_browser() as browser, window(browser) as context:
        page, asked, errors = await context.new_page(), list[str](), list[str]()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: errors.append(line.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(file.as_uri())
        assert _SCRIPT in await page.locator("body").inner_text()
        assert await page.evaluate("window.hacked") is None
        assert asked == [file.as_uri()]
        assert errors == []
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await page.evaluate(wide)
        await page.screenshot(path=file.with_suffix(".png"), full_page=True)
        assert len(await page.pdf(path=file.with_suffix(".pdf"), prefer_css_page_size=True)) > 1000
