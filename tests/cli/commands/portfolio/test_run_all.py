"""Which plans run-all runs, and what it prints."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.commands.portfolio.run_all import _Asked, _Checked, _confirmed, _forecast, _of_region
from cli.input.portfolio import SelectedPlans, selected_plans
from cli.render.portfolio import portfolio_lines
from client.errors import RefusedError
from client.portfolios.order import OrderedPlan, PortfolioOrder
from contract.readiness import Readiness, SourcesSeen, WorkerContext
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.plan.file.reader import PlanError
from recovery.readiness.finding import Finding, FindingCode, Severity
from recovery.readiness.verdict import ReadinessStatus
from runtime.exit import CliError
from tests.recovery.portfolio.test_model import member
from tests.recovery.portfolio.test_scheduler import NOW, RECOVERY, end, report, scheduler

EXAMPLES = Path(__file__).parents[4] / "examples"
NOBODY = cast(Any, None)


def readiness(*origins: str) -> Readiness:
    return Readiness(
        looked_time=NOW,
        plan_hash="0",
        status=ReadinessStatus.READY,
        origins=list(origins),
        context=WorkerContext(speed=1.0, targets=[]),
        findings=[],
        sources=SourcesSeen(total=1),
    )


async def test_a_folder_is_a_portfolio_of_its_name_without_an_order(tmp_path: Path) -> None:
    folder = tmp_path / "all-plans"
    folder.mkdir()
    for name in ("crm.yaml", "diamond.yaml"):
        (folder / name).write_text((EXAMPLES / name).read_text())
    for name in ("crm.scenario.yaml", "portfolio.yaml", "channels.yaml"):
        (folder / name).write_text((EXAMPLES / name.replace("crm", "diamond")).read_text())
    (folder / "notes.txt").write_text("no plan")
    found = await selected_plans(NOBODY, folder, registered=False)
    assert found.portfolio_id == "all-plans"
    assert found.other_files == ["channels.yaml", "crm.scenario.yaml", "portfolio.yaml"]
    assert [each.plan.plan_id for each in found.members] == ["crm", "diamond"]


async def test_a_file_names_plan_files_beside_it_and_what_they_wait_for() -> None:
    found = await selected_plans(NOBODY, EXAMPLES / "portfolio.yaml", registered=False)
    assert found.portfolio_id == "examples"
    assert [str(d) for d in found.members[1].depends_on] == ["diamond/db"]


@pytest.mark.parametrize("text", ["planid: crm", "Waves: []", "PlanId: [", "", "a: b\n a: c"])
async def test_a_broken_plan_of_a_folder_is_an_error_and_never_left_out(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "crm.yaml").write_text((EXAMPLES / "crm.yaml").read_text())
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(PlanError, match=r"broken\.yaml"):
        await selected_plans(NOBODY, tmp_path, registered=False)


@pytest.mark.parametrize("registered", [True, False])
async def test_exactly_one_source_is_named(registered: bool, tmp_path: Path) -> None:
    path = tmp_path if registered else None
    with pytest.raises(CliError, match="name a folder"):
        await selected_plans(NOBODY, path, registered=registered)


def selection() -> SelectedPlans:
    members = [member("a"), member("b", "a"), member("c", "b", "a")]
    return SelectedPlans("all", "All", members)


def test_a_lost_region_leaves_out_what_is_elsewhere_and_names_what_is_not_known() -> None:
    known = {"a": readiness("us-east-1"), "b": readiness("eu-west-1"), "c": readiness()}
    asked = _Asked(None, True, "us-east-1", False, None)
    found = _of_region(selection(), known, asked)
    assert [each.plan_id for each in found.plans] == ["a"]
    assert (found.left_out, found.unknown) == (["b", "c"], ["c"])
    with_unknown = _of_region(selection(), known, replace(asked, include_unknown=True))
    assert [each.plan_id for each in with_unknown.plans] == ["a", "c"]
    # c waits for b, which is left out, and so for what b waits for.
    assert [str(d) for d in with_unknown.members[1].depends_on] == ["a"]
    without_b = SelectedPlans("all", "All", [member("a"), member("b", "a/dns"), member("c", "b")])
    kept = _of_region(without_b, known, replace(asked, include_unknown=True))
    assert [str(d) for d in kept.members[1].depends_on] == ["a/dns"]
    with pytest.raises(CliError, match="no plan has source servers in ap-south-1"):
        _of_region(selection(), known, replace(asked, lost_region="ap-south-1"))


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    for words in (
        ["run-all"],
        ["run-all", str(tmp_path), "--registered"],
        ["run-all", "--registered", "--include-unknown"],
        ["run-all", "--registered", "--replace-drill"],
        ["run-all", "--from", "all-0123456789ab", "--registered"],
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2, words


def test_the_screen_begins_with_what_needs_a_person_and_keeps_to_its_size() -> None:
    found = scheduler(*(f"plan{n:02}" for n in range(40)), "failed", "asks", kind=RECOVERY)
    for each in found.state.plans:
        found.request_start(each.plan_id)
    end(found, "plan00")
    end(found, "failed", PlanStatus.FAILED)
    found.report("asks", report("asks", PlanStatus.IN_PROGRESS, decisions=["Web FAILED"]))
    lines = portfolio_lines(found.state, now=NOW + 10, width=80, height=24)
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines)
    needs = lines.index("NEEDS A PERSON (2)")
    assert "Asks: Web FAILED" in lines[needs + 1]
    assert "Failed: FAILED" in lines[needs + 3]
    first = next(line for line in lines[needs + 5 :] if line.startswith("✗"))
    assert first.startswith("✗ Failed")
    assert "more:" in lines[-1]
    whole = portfolio_lines(found.state, now=NOW + 10, width=80)
    assert sum("Plan" in line for line in whole) >= 40


async def test_a_script_starts_drills_with_findings_only_if_it_accepts_them() -> None:
    code = FindingCode.RPO_EXCEEDED
    finding = Finding(code=code, severity=Severity.BLOCKS, source_server_id="s-1", message="bad")
    found = readiness().model_copy(update={"findings": [finding]})
    expected = await _forecast(SelectedPlans("all", "All", [member("a")]))
    order = PortfolioOrder("all", "All", ExecutionType.DRILL, [OrderedPlan(member("a"))])
    checked = _Checked(order, {"a": found}, expected, "here")
    refused = r"a: a drill with 1 finding \(RPO_EXCEEDED s-1\)[^$]*--accept-findings"
    with pytest.raises(RefusedError, match=refused):
        _confirmed(checked, "all", None, accepts=False)
    confirmed = _confirmed(checked, "all", None, accepts=True)
    assert confirmed.confirmation == "all"
    assert confirmed.accepted == {"a": ["RPO_EXCEEDED s-1"]}


def test_nothing_is_expected_of_a_plan_that_waits_for_an_operator() -> None:
    found = scheduler("asks", "goes")
    for each in found.state.plans:
        found.request_start(each.plan_id)
    running = PlanStatus.IN_PROGRESS
    found.report("asks", report("asks", running, ready_time=NOW + 300, waits_for_operator=True))
    found.report("goes", report("goes", running, ready_time=NOW + 130))
    lines = portfolio_lines(found.state, now=NOW + 10, width=120)
    assert "running plans up in about 2 min, 1 plan waiting for an operator" in " ".join(lines)
    assert ["~2 min" in line for line in lines if line.startswith("▶")] == [False, True]
    assert "RTOs count from" not in " ".join(lines)
    found.state.declared_time = NOW - 600
    assert "RTOs count from" in " ".join(portfolio_lines(found.state, now=NOW + 10, width=120))
    found.state.outdated_reason = "no worker answers"
    assert "~" not in "".join(portfolio_lines(found.state, now=NOW + 10, width=120))
