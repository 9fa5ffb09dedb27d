"""What breaks at night is reported once and shown, keeps the drill from starting, and is mended."""

import asyncio
from collections.abc import Callable

import boto3
import pytest
from typer.testing import CliRunner

from cli.app import app
from recovery.plan.model import RecoveryPlan
from recovery.readiness.verdict import ReadinessStatus
from recovery.schedule.model import SkipIf
from recovery.schedule.record import DrillStatus, SkipCode
from sandbox.ec2.network_ids import PRODUCTION
from tests.end_to_end.conftest import REGION, E2eEnvironment
from tests.end_to_end.test_notifications import Receivers, receivers
from tests.end_to_end.test_readiness import Watched, change, reported, watched
from tests.end_to_end.test_scheduled_drills import Schedules, scheduled

__all__ = ["receivers", "watched"]

Act = Callable[[E2eEnvironment, str], None]


def _subnet(env: E2eEnvironment, **state: bool) -> None:
    here = {"AccountId": env.aws.account_id, "SubnetId": PRODUCTION.subnet_ids[0]}
    env.aws.apply(Subnets=[here | state])


def _delete(_: E2eEnvironment, server: str) -> None:
    drs = boto3.client("drs", region_name=REGION)
    drs.disconnect_source_server(sourceServerID=server)
    drs.delete_source_server(sourceServerID=server)


def _lag(env: E2eEnvironment, server: str, lag: str) -> None:
    change(env, server, LagDuration=lag)


async def _command(*args: str) -> str:
    return (await asyncio.to_thread(CliRunner().invoke, app, list(args))).output


@pytest.mark.parametrize(
    ("code", "breaks", "mends"),
    [
        ("SERVER_MISSING", _delete, change),
        pytest.param(
            "SUBNET_MISSING",
            lambda env, _: _subnet(env, Exists=False),
            lambda env, _: _subnet(env, Exists=True),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "RPO_EXCEEDED",
            lambda env, server: _lag(env, server, "PT40M"),
            lambda env, server: _lag(env, server, "PT0S"),
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_what_breaks_at_night_is_reported_once_skips_the_drill_and_is_mended(
    watched: Watched, receivers: Receivers, code: str, breaks: Act, mends: Act
) -> None:
    env, schedules = watched.env, Schedules(watched.env)
    plan: RecoveryPlan = scheduled(env, of_schedule={"skip_if": SkipIf.NOT_READY}, rpo=15)
    (server,) = plan.waves[0].server_ids
    await schedules.register(plan)
    assert (await watched.scheduled_look(plan)).status is ReadinessStatus.READY

    breaks(env, server)
    for _ in range(2):
        looked = await watched.look(plan)
        assert looked.status is ReadinessStatus.NOT_READY
        assert code in [each.code for each in looked.findings if each.severity == "BLOCKS"]
    assert code in await _command("readiness", plan.plan_id)
    assert "NOT_READY" in await _command("plans")
    skipped = await schedules.run_now(plan)
    assert (skipped.status, skipped.skip) == (DrillStatus.SKIPPED, SkipCode.NOT_READY)
    assert code in skipped.reason
    assert env.aws.accepted_launches(server) == []

    async def is_told() -> bool:
        known = receivers.items()
        return ("EVENT", "READINESS_LOST") in known and ("EVENT", "DRILL_SKIPPED") in known

    await env.eventually(is_told)

    mends(env, server)
    assert (await watched.look(plan)).status is ReadinessStatus.READY

    async def is_regained() -> bool:
        return "READINESS_REGAINED" in reported(receivers)

    await env.eventually(is_regained)
    assert reported(receivers) == ["READINESS_LOST", "READINESS_REGAINED"]
    assert (await schedules.run_now(plan)).status is DrillStatus.RUNNING
    await schedules.ended(plan, DrillStatus.ENDED)
    assert len(env.aws.accepted_launches(server)) == 1
