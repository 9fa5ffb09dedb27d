"""A plan is recovered to one point in time by snapshots that are chosen once."""

import asyncio
import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from temporalio.client import WorkflowFailureError
from typer.testing import CliRunner, Result

from cli.app import app
from client.recoveries.snapshots import read_snapshots
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from recovery.plan.snapshots import PointInTime, PointKind, ServerSnapshots, Snapshot
from recovery.text_format import utc_timestamp
from tests.cli.json_outputs import check_result
from tests.end_to_end.api_server import as_file
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.test_remote import Laptop, laptop, no_keyring
from tests.end_to_end.test_signed_requests import (
    Keys,
    assert_nothing_launched,
    keys,
    launches_of,
    sent_to_temporal,
    signed_start,
    strict,
    two_apis,
)
from tests.static_tokens import token_of

__all__ = ["keys", "laptop", "no_keyring", "strict", "two_apis"]

HOUR = 3600.0
GONE = "pit-0123456789abcdef0"


async def do(*words: str, code: int = 0) -> Result:
    """Run a command; it must end with this code."""
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.output}"
    check_result(words, result.stdout)
    return result


def file_of(plan: RecoveryPlan, folder: Path) -> str:
    path = folder / f"{plan.plan_id}.yaml"
    path.write_text(yaml.safe_dump(as_file(plan)))
    return str(path)


async def chosen(env: E2eEnvironment, plan: RecoveryPlan, **how: Any) -> RecoveryPlan:
    """The plan as it would be frozen now, at two hours ago unless it is said otherwise."""
    wanted = PointInTime.model_validate({"time": time.time() - 2 * HOUR, **how})
    known = await read_snapshots(env.client, plan, wanted.time)
    return plan.at_point_in_time(wanted, known.by_server)


def with_lost_snapshot(plan: RecoveryPlan, server_id: str) -> RecoveryPlan:
    """The plan as it was frozen before DRS deleted one of the chosen snapshots."""
    wanted, points = plan.point_in_time, plan.chosen_points
    assert wanted is not None
    known = {
        i: ServerSnapshots.of(
            i,
            [
                Snapshot(
                    snapshot_id=GONE if i == server_id else str(point.snapshot_id), time=point.time
                )
            ],
            around=wanted.time,
        )
        for i, point in points.items()
    }
    return plan.at_point_in_time(wanted, known)


def servers_of(state: ExecutionState) -> dict[str, ServerResult]:
    return {server.source_server_id: server for wave in state.waves for server in wave.servers}


async def test_each_server_is_launched_from_its_newest_snapshot_before_the_time(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    lagging = env.aws.servers(1, LagDuration="PT4H")
    plan = env.plan(
        env.wave("Database", servers=2), env.wave("Web", "Database", servers=lagging), RPO=60
    )
    at = ("--point-in-time", "-2h", "--accept-findings")
    result = await do("run", file_of(plan, tmp_path), *at, "--no-watch", "--json")
    execution_id = json.loads(result.stdout)["ExecutionId"]
    assert "3 snapshots from" in result.stderr
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    wanted = state.point_in_time
    assert wanted is not None
    points = {i: p for wave in state.waves for i, p in wave.chosen_points.items()}
    for server_id, server in servers_of(state).items():
        point = points[server_id]
        assert point.kind is PointKind.SNAPSHOT
        # What DRS says of the instance is the snapshot's time.
        assert server.recovery_point == pytest.approx(point.time, abs=0.001)
        assert point.time is not None
        assert point.time <= wanted.time
    old = points[lagging[0]].time
    assert old is not None
    assert old <= wanted.time - HOUR
    shown = (await do("history", execution_id)).stdout
    assert f"recovered to {utc_timestamp(wanted.time)}" in shown
    assert "3 servers over the RPO of 60 min" in shown
    assert f"recovery point {utc_timestamp(old)}" in shown
    assert "another point than was chosen" not in shown


async def test_snapshots_that_are_too_far_apart_start_nothing(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    lagging = env.aws.servers(1, LagDuration="PT9H")
    plan = env.plan(env.wave("Database"), env.wave("Web", servers=lagging))
    file = file_of(plan, tmp_path)
    at = ("--point-in-time", "-1h", "--max-spread", "2h")
    refused = await do("run", file, *at, "--no-watch", code=2)
    assert f"too old are those of {lagging[0]}" in " ".join(refused.stderr.split())
    assert plan.waves[0].server_ids[0] not in refused.stderr.partition("too old")[2]
    dry = await do("run", file, *at, "--dry-run", code=1)
    assert "a start is refused: the chosen snapshots are" in " ".join(dry.stdout.split())
    late = await do("run", file, "--point-in-time", "-8d", "--no-watch", code=2)
    assert "no server has a snapshot at or before" in late.stderr
    later = await do("run", file, "--point-in-time", "2099-01-01T00:00:00Z", code=2)
    assert "is in the future" in later.stderr
    assert "has no zone" in (await do("run", file, "--point-in-time", "2026-01-01", code=2)).stderr
    assert "need --point-in-time" in (await do("run", file, "--or-latest", code=2)).stderr
    assert launches_of(env, plan) == 0
    assert await env.table.executions(plan_id=plan.plan_id) == []


async def test_what_there_is_of_each_server(env: E2eEnvironment, tmp_path: Path) -> None:
    lagging = env.aws.servers(1, LagDuration="PT4H")
    syncing = env.aws.servers(1, ReplicationState="INITIAL_SYNC")
    near = env.aws.servers(1)
    plan = env.plan(env.wave("All", servers=near + lagging + syncing))
    file = file_of(plan, tmp_path)
    listed = json.loads((await do("snapshots", file, "--around", "-2h", "--json", code=1)).stdout)
    one, old, none = listed["Servers"]
    assert one["Chosen"]["Time"] <= listed["Around"] < one["After"]["Time"]
    assert old["Chosen"]["Time"] == old["Newest"]
    assert (none["Count"], none.get("Chosen")) == (0, None)
    table = (await do("snapshots", file, "--around", "-2h", code=1)).stdout
    assert "2 of 3 servers have a snapshot at or before that time" in table
    assert one["Chosen"]["SnapshotId"] in table
    await do("snapshots", file_of(env.plan(env.wave("Near", servers=near)), tmp_path))
    assert launches_of(env, plan) == 0


@pytest.mark.parametrize(
    "how",
    [
        "invalid",
        pytest.param("not-found", marks=pytest.mark.slow),
        pytest.param("fails-in-job", marks=pytest.mark.slow),
    ],
)
async def test_a_snapshot_that_vanishes_before_the_launch_fails_its_server_alone(
    env: E2eEnvironment, how: str, tmp_path: Path
) -> None:
    ids = env.aws.servers(3, DeadSnapshot=how)
    plan = env.plan(env.wave("Database", servers=ids))
    frozen = with_lost_snapshot(await chosen(env, plan), ids[1])
    execution_id = await start_execution(env.client, frozen)
    state = await env.end(plan, execution_id)
    servers = servers_of(state)
    assert [servers[i].launch_status for i in (ids[0], ids[2])] == [LaunchStatus.LAUNCHED] * 2
    lost = servers[ids[1]]
    assert lost.launch_status is LaunchStatus.FAILED
    assert GONE in str(lost.reason)
    assert "give it a RecoverySnapshotId that DRS has" in str(lost.reason)
    assert all(len(env.aws.accepted_launches(i)) == 1 for i in (ids[0], ids[2]))
    if how != "invalid":
        return
    # As the reason says; the others keep what was chosen for them.
    points = {each.source_server_id: each for each in plan.waves[0].servers}
    known = await read_snapshots(env.client, plan, time.time() - 5 * HOUR)
    other = known.by_server[ids[1]].chosen
    assert other is not None
    points[ids[1]].recovery_snapshot_id = other.snapshot_id
    result = await do(
        "run", "--from", execution_id, "--plan", file_of(plan, tmp_path), "--no-watch", "--json",
        "--confirm", plan.plan_id,
    )  # fmt: skip
    after = await env.end(plan, json.loads(result.stdout)["ExecutionId"])
    assert after.status is PlanStatus.COMPLETED
    assert after.point_in_time == state.point_in_time
    assert servers_of(after)[ids[1]].recovery_point == pytest.approx(other.time, abs=0.001)
    assert [len(env.aws.accepted_launches(i)) for i in ids] == [1, 1, 1]


async def test_a_server_without_a_snapshot_is_not_launched_unless_its_latest_data_will_do(
    env: E2eEnvironment,
) -> None:
    ids = env.aws.servers(2)
    plan = env.plan(env.wave("Database", servers=ids), env.wave("Web", "Database"))
    wanted = PointInTime(time=time.time() - 2 * HOUR)
    known = (await read_snapshots(env.client, plan, wanted.time)).by_server
    known[ids[0]] = ServerSnapshots(source_server_id=ids[0])
    chosen = plan.at_point_in_time(wanted, known)
    await start_execution(env.client, chosen)
    with pytest.raises(WorkflowFailureError) as refused:
        await env.client.get_workflow_handle(plan_workflow_id(plan.plan_id)).result()
    what = f"a start without 1 server that has no snapshot for the point in time ({ids[0]}"
    assert what in str(refused.value.cause)
    state = await env.run(chosen, confirmation=plan.plan_id)
    left, launched = state.waves[0].servers
    assert left.launch_status is LaunchStatus.FAILED
    assert "DRS had no snapshot of it at or before" in str(left.reason)
    assert launched.launch_status is LaunchStatus.LAUNCHED
    assert [wave.status for wave in state.waves] == [WaveStatus.FAILED, WaveStatus.SKIPPED]
    assert env.aws.accepted_launches(ids[0]) == []

    latest = wanted.model_copy(update={"or_latest": True})
    again = await env.run(plan.at_point_in_time(latest, known))
    assert again.status is PlanStatus.COMPLETED
    assert again.waves[0].chosen_points[ids[0]].kind is PointKind.LATEST
    point = again.waves[0].servers[0].recovery_point
    assert point is not None
    assert point > wanted.time + HOUR


async def test_a_plan_without_a_point_in_time_records_of_when_its_data_is(
    env: E2eEnvironment,
) -> None:
    state = await env.run(env.plan(env.wave("Database")))
    (server,) = state.waves[0].servers
    assert state.point_in_time is None
    assert server.recovery_point is not None
    assert abs(server.recovery_point - state.start_time) < HOUR


async def test_a_choice_that_differs_from_the_signed_one_launches_nothing(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    plan = env.plan(env.wave("Database", servers=2))
    frozen = await chosen(env, plan)
    forged = await signed_start(frozen, keys.api)
    forged.plan = await chosen(env, plan, time=time.time() - 5 * HOUR)
    state = await sent_to_temporal(env, forged)
    assert "points hash is not what ops signed" in assert_nothing_launched(env, plan, state)

    removed = await signed_start(frozen, keys.api)
    removed.plan = plan
    state = await sent_to_temporal(env, removed)
    assert "points hash" in assert_nothing_launched(env, plan, state)

    genuine = await sent_to_temporal(env, await signed_start(frozen, keys.api))
    assert genuine.status is PlanStatus.COMPLETED
    # One job for both.
    assert launches_of(env, plan) == 2


@pytest.mark.slow
async def test_a_point_in_time_through_the_api(
    laptop: Laptop, two_apis: list[str], env_without_worker: E2eEnvironment
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database", servers=2))
    file = laptop.file(plan)
    await laptop.do("login", "--token", input=f"{token_of('ops')}\n")
    listed = await laptop.read("snapshots", file, "--around", "-2h")
    assert [bool(each["Chosen"]) for each in listed["Servers"]] == [True, True]
    wanted = {"Time": listed["Around"], "MaxSpreadSeconds": 7200}
    await laptop.do("register", file)
    async with httpx.AsyncClient(
        base_url=two_apis[0], headers={"Authorization": f"Bearer {token_of('ops')}"}, timeout=60
    ) as api:
        path = f"/plans/{plan.plan_id}/executions"
        other = await api.post(path, json={"PointInTime": wanted, "PointsHash": "0" * 64})
        assert other.status_code == HTTPStatus.CONFLICT
        assert "other snapshots are chosen now than were shown" in other.json()["detail"]
        narrow = {**wanted, "Time": time.time() + HOUR}
        future = await api.post(path, json={"PointInTime": narrow})
        assert future.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert future.json()["problems"][0]["pointer"] == "#/PointInTime"
        around = {"around": wanted["Time"]}
        shown = await api.get(f"/plans/{plan.plan_id}/snapshots", params=around)
        assert [s["Chosen"] for s in shown.json()["Servers"]] == [
            s["Chosen"] for s in listed["Servers"]
        ]
    started = await laptop.read("run", file, "--point-in-time", "-2h", "--no-watch")
    state = await env.end(plan, started["ExecutionId"])
    assert state.status is PlanStatus.COMPLETED
    assert state.point_in_time is not None
    for server_id, server in servers_of(state).items():
        point = state.waves[0].chosen_points[server_id]
        assert server.recovery_point == pytest.approx(point.time, abs=0.001)
    # One job for both.
    assert launches_of(env, plan) == 2
