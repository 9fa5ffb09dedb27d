"""The readiness of registered plans: looked at by Schedules, recorded, reported once, shown."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from client.readiness.reports import look_now
from client.schedules.reconcile import reconcile_schedules
from contract.schedules.kinds import ScheduleKind
from recovery.plan.file.writer import plan_text
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import FindingCode
from recovery.readiness.report import ReadinessReport
from recovery.readiness.result import PlanReadiness
from recovery.readiness.verdict import ReadinessStatus
from settings import get_settings
from storage.readiness import ReadinessTable
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers
from tests.end_to_end.test_notifications import Receivers, receivers

__all__ = ["receivers"]


class Watched:
    """Registered plans of a test, looked at by a worker with channels."""

    def __init__(self, env: E2eEnvironment) -> None:
        self.env = env
        self.table = ReadinessTable(get_settings())

    async def register(self, plan: RecoveryPlan) -> None:
        """Register a plan as the command line does."""
        await self.table.register(plan, author="ann")
        await reconcile_schedules(self.env.client, plan, actor="ann")

    async def look(self, plan: RecoveryPlan) -> ReadinessReport:
        """Look now, as a person does."""
        return await look_now(self.env.client, self.table, plan.plan_id)

    async def scheduled_look(self, plan: RecoveryPlan) -> PlanReadiness:
        """Have the plan's Schedule look, and await what is recorded."""
        before = await self.table.current(plan.plan_id)
        schedule_id = ScheduleKind.READINESS.schedule_id(plan.plan_id)
        await self.env.client.get_schedule_handle(schedule_id).trigger()
        async with asyncio.timeout(90):
            while True:
                found = await self.table.current(plan.plan_id)
                if found is not None and found != before:
                    return found
                await asyncio.sleep(0.2)


@pytest.fixture
async def watched(
    env_without_worker: E2eEnvironment, receivers: Receivers
) -> AsyncIterator[Watched]:
    async with RunningWorkers(env_without_worker):
        yield Watched(env_without_worker)


async def command(*args: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["readiness", *args])


def reported(receivers: Receivers) -> list[str]:
    return [what for kind, what in receivers.items() if kind == "EVENT" and "READINESS" in what]


def change(env: E2eEnvironment, server: str, **scenario: Any) -> None:
    """Change a server of a running sandbox."""
    here = {"SourceServerId": server, "Region": "us-west-2", "AccountId": env.aws.account_id}
    env.aws.apply(SourceServers=[here | scenario])


async def test_a_lag_over_the_rpo_is_reported_once_shown_and_ready_again_when_mended(
    watched: Watched, receivers: Receivers
) -> None:
    env, plan = watched.env, watched.env.plan(watched.env.wave("Database"), rpo=15)
    (server,) = plan.waves[0].server_ids
    await watched.register(plan)
    shown = await command(plan.plan_id)
    assert shown.exit_code == 1
    assert "never looked at" in shown.output
    assert (await watched.scheduled_look(plan)).status is ReadinessStatus.READY

    change(env, server, LagDuration="PT40M")
    lost = await watched.look(plan)
    assert lost.status is ReadinessStatus.NOT_READY
    assert [f.code for f in lost.findings if f.severity == "BLOCKS"] == [FindingCode.RPO_EXCEEDED]
    assert (await watched.look(plan)).status is ReadinessStatus.NOT_READY

    async def is_reported() -> bool:
        return "READINESS_LOST" in reported(receivers)

    await env.eventually(is_reported)
    shown = await command(plan.plan_id)
    assert shown.exit_code == 1
    assert "RPO_EXCEEDED" in shown.output
    listed = await command("--all", "--json")
    (row,) = [each for each in json.loads(listed.output) if each["PlanId"] == plan.plan_id]
    assert (row["Status"], row["Previous"]) == ("NOT_READY", "READY")

    change(env, server, LagDuration="PT0S")
    mended = await watched.look(plan)
    assert mended.status is ReadinessStatus.READY
    assert [f.code for f in mended.findings] == [FindingCode.RPO_EXCEEDED_LATELY]
    assert (await command(plan.plan_id)).exit_code == 0

    async def is_regained() -> bool:
        return "READINESS_REGAINED" in reported(receivers)

    await env.eventually(is_regained)
    assert reported(receivers) == ["READINESS_LOST", "READINESS_REGAINED"]
    assert [look.status for look in mended.looks] == ["READY", "NOT_READY", "NOT_READY", "READY"]


async def test_a_permission_that_is_missing_is_unknown_and_named(watched: Watched) -> None:
    env, plan = watched.env, watched.env.plan(watched.env.wave("Database"))
    await watched.register(plan)
    denied = {"Operation": "DescribeSourceServers", "Error": "AccessDeniedException"}
    env.aws.apply(Faults=[denied | {"Times": 100}])
    found = await watched.look(plan)
    assert found.status is ReadinessStatus.UNKNOWN
    (missing,) = [f for f in found.findings if f.code is FindingCode.PERMISSION_MISSING]
    assert missing.evidence["Permission"] == "drs:DescribeSourceServers"
    env.aws.clear_faults()
    assert (await watched.look(plan)).status is ReadinessStatus.READY


async def test_a_plan_that_was_not_looked_at_for_twice_its_period_is_stale(
    watched: Watched,
) -> None:
    plan = watched.env.plan(watched.env.wave("Database"))
    await watched.table.register(plan, author="ann")
    await watched.look(plan)
    last = await watched.table.current(plan.plan_id)
    assert last is not None
    three_hours_ago = {"looked_time": last.looked_time - 3 * 3600, "number": last.number + 1}
    await watched.table.record(last.model_copy(update=three_hours_ago), [], left_out=0)
    shown = await command(plan.plan_id)
    assert shown.exit_code == 1
    assert "is STALE" in shown.output


async def test_a_code_is_explained(watched: Watched) -> None:
    assert "drill is refused" in (await command("--explain", "WRONG_ACCOUNT")).output
    unknown = await command("--explain", "NONSENSE")
    assert unknown.exit_code == 2


async def test_a_drill_starts_only_with_findings_that_somebody_accepts(
    watched: Watched, tmp_path: Path
) -> None:
    env, file = watched.env, tmp_path / "plan.yaml"
    plan = env.plan(env.wave("Database"), rpo=15)
    (server,) = plan.waves[0].server_ids
    file.write_text(plan_text(plan))
    change(env, server, LagDuration="PT40M")
    refused = await run_drill(file)
    assert refused.exit_code == 2
    assert "RPO_EXCEEDED" in refused.output
    assert "--accept-findings" in refused.output
    assert env.aws.accepted_launches(server) == []
    assert (await run_drill(file, "--accept-findings", "--watch")).exit_code == 0
    assert len(env.aws.accepted_launches(server)) == 1


async def test_a_live_recovery_instance_refuses_a_drill_also_if_somebody_accepts_it(
    watched: Watched, tmp_path: Path
) -> None:
    env, file = watched.env, tmp_path / "plan.yaml"
    (live,) = env.aws.servers(1, LiveRecoveryInstance="RECOVERY")
    plan = env.plan(env.wave("Database", servers=[live]))
    file.write_text(plan_text(plan))
    refused = await run_drill(file, "--accept-findings")
    assert refused.exit_code == 2
    assert "LIVE_RECOVERY_INSTANCE" in refused.output
    assert env.aws.accepted_launches(live) == []


async def run_drill(file: Path, *args: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["run", str(file), *args])
