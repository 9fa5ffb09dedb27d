"""`drs-waves validate`: what an author of a plan sees."""

import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from cli.app import app
from cli.render.graph import graph_lines
from recovery.forecast.estimates import expected_durations
from recovery.plan.model import RecoveryPlan
from recovery.steps.model import StepKind
from tests.cli.executions import CHAIN, DIAMOND, plan_of, server_id
from tests.recovery.step_plans import plan_with_steps, read, step

EXAMPLES = Path(__file__).parents[3] / "examples"
PLANS = sorted(path for path in EXAMPLES.glob("*.yaml") if "PlanId:" in path.read_text())
runner = CliRunner()


def draw(plan: RecoveryPlan) -> str:
    lines = graph_lines(plan, expected_durations(plan, {}))
    assert all(cell_len(line) <= 80 for line in lines)
    return "\n".join(lines)


def test_a_chain_is_one_line_from_top_to_bottom() -> None:
    assert draw(CHAIN) == (
        "●  Database  2 servers  0:00-0:09\n"
        "│\n"
        "●  App       2 servers  0:09-0:18  after Database\n"
        "│\n"
        "●  Web       2 servers  0:18-0:27  after App"
    )


def test_a_diamond_splits_and_joins() -> None:
    assert draw(DIAMOND) == (
        "●    Database  2 servers  0:00-0:09\n"
        "├─╮\n"
        "● │  App1      2 servers  0:09-0:18  after Database\n"
        "│ ●  App2      2 servers  0:09-0:18  after Database\n"
        "├─╯\n"
        "●    Web       2 servers  0:18-0:27  after App1, App2"
    )


def test_independent_waves_have_no_lines_between_them() -> None:
    assert draw(plan_of({"Database": [], "Cache": [], "Monitoring": []})) == (
        "●  Database    2 servers  0:00-0:09\n"
        "●  Cache       2 servers  0:00-0:09\n"
        "●  Monitoring  2 servers  0:00-0:09"
    )


def test_forty_waves_behind_one_are_listed_by_depth() -> None:
    tiers = {f"App {number}": ["Database"] for number in range(40)}
    drawn = draw(plan_of({"Database": [], **tiers, "Web": list(tiers)}))
    assert "├─ depth 1: 1 wave\n" in drawn
    assert "├─ depth 2: 40 waves\n" in drawn
    assert "● App 39" in drawn
    assert "after App 0, App 1, App 2" in drawn
    assert " more" in drawn


def test_wide_names_do_not_break_the_graph() -> None:
    drawn = draw(plan_of({"数据库" * 20: [], "アプリケーション層": ["数据库" * 20]}))
    assert "アプリケーション層" in drawn
    assert "…" in drawn


def test_validate_prints_duration_longest_chain_and_rto() -> None:
    result = runner.invoke(app, ["validate", str(EXAMPLES / "crm.yaml")])
    assert result.exit_code == 0
    assert "CRM (crm): 3 waves, 6 servers" in result.stdout
    assert "Expected      27 min, within the RTO of 1 h" in result.stdout
    assert "Longest chain Database → App → Web" in result.stdout


def test_an_rto_that_cannot_be_met_is_reported(tmp_path: Path) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text((EXAMPLES / "crm.yaml").read_text().replace("RTO: 60", "RTO: 20"))
    result = runner.invoke(app, ["validate", str(plan)])
    assert "7 min over the RTO of 20 min" in result.stdout


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_every_example_may_run(plan: Path) -> None:
    assert runner.invoke(app, ["validate", str(plan)]).exit_code == 0


def test_validate_as_json() -> None:
    result = runner.invoke(app, ["validate", "--json", str(EXAMPLES / "crm.yaml")])
    [plan_json] = json.loads(result.stdout)
    assert plan_json["Valid"] is True
    assert plan_json["ExpectedSeconds"] == 1620
    assert plan_json["CriticalPath"] == ["crm-wave-1", "crm-wave-2", "crm-wave-3"]
    assert plan_json["Waves"][1]["DependsOn"] == ["crm-wave-1"]
    assert plan_json["WithinRTO"] is True


TEN_MISTAKES = f"""\
PlanId: crm plan
PlanNam: CRM
Region: us-west-2
RTO: soon
Waves:
  - WaveId: db
    ServerIds: [{server_id(1)}, s-xyz]
    Dependencies: [{{DependsOnWaveId: app}}]
  - WaveId: db
    ServerIds: [{server_id(2)}]
  - WaveId: app
    ServerIds: [{server_id(1)}]
    Dependencies: [{{DependsOnWaveId: db}}, {{DependsOnWaveId: cache}}]
  - WaveId: web
    ServerIds: []
    Dependencies: [{{DependsOnWaveId: web}}]
    TimeoutSeconds: -5
"""


def test_ten_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(TEN_MISTAKES)
    result = runner.invoke(app, ["validate", str(plan)])
    problems = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(problems) >= 10, result.stderr
    assert all(f"{plan}:" in line for line in problems)
    for word in ("PlanNam", "RTO", "s-xyz", "cache", "web", "TimeoutSeconds", "db"):
        assert word in result.stderr


def test_mistakes_as_json_name_line_and_value(tmp_path: Path) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(TEN_MISTAKES)
    result = runner.invoke(app, ["validate", "--json", str(plan)])
    [plan_json] = json.loads(result.stdout)
    assert result.exit_code == 2
    assert plan_json["Valid"] is False
    assert len(plan_json["Problems"]) >= 10
    assert {"Line": 2, "Value": "PlanNam"}.items() <= plan_json["Problems"][1].items()


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("us-wset-2", "us-west-2"),
        ("eu-centrall-1", "eu-central-1"),
        ("eusc-de-eest-1", "eusc-de-east-1"),
    ],
)
def test_a_region_that_the_sdk_does_not_know_is_refused_with_the_nearest(
    tmp_path: Path, written: str, nearest: str
) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(
        f"PlanId: crm\nRegion: {written}\nWaves:\n  - WaveId: db\n    ServerIds: [{server_id(1)}]\n"
    )
    result = runner.invoke(app, ["validate", str(plan)])
    assert result.exit_code == 2
    (error,) = [each for each in result.stderr.splitlines() if each.startswith("error: ")]
    assert written in error
    assert nearest in error


@pytest.mark.parametrize("region", ["us-west-2", "eu-central-1", "us-gov-west-1"])
def test_a_region_that_botocore_knows_for_drs_is_not_warned_of(tmp_path: Path, region: str) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(
        f"PlanId: crm\nRegion: {region}\nWaves:\n  - WaveId: db\n    ServerIds: [{server_id(1)}]\n"
    )
    assert "warning" not in runner.invoke(app, ["validate", str(plan)]).stderr


def test_steps_are_listed_below_their_wave() -> None:
    checks = [step(StepKind.TCP, "reachable"), step(StepKind.LAMBDA, "promote", When="RECOVERY")]
    content = plan_with_steps(checks, before=[step(StepKind.MANUAL, "fence")], cutover=checks[1:])
    assert draw(read(content)) == (
        "●    db         1 server  0:00-0:15\n"
        "│      before launch  fence: Manual\n"
        "│      after launch   reachable: Tcp\n"
        "│      after launch   promote: Lambda, in a RECOVERY only\n"
        "│ ●  web        1 server  0:00-0:09\n"
        "●    cutover  steps only  0:15-0:16  after db\n"
        "       promote: Lambda, in a RECOVERY only"
    )
