"""The three cases, from the recorded history's times: real Temporal, real activities, HTTP."""

import pytest

from client.start import start_execution
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from tests.end_to_end.conftest import SPEED, E2eEnvironment, end_of, start_of, wave_of
from tests.shared_servers import own_account


async def test_each_wave_of_a_chain_begins_after_the_last_server_of_the_one_before(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(
        env.wave("Database", servers=2),
        env.wave("App", "Database", servers=2),
        env.wave("Web", "App", servers=2),
    )
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED
    assert start_of(state, "App") >= end_of(state, "Database")
    assert start_of(state, "Web") >= end_of(state, "App")
    for wave in state.waves:
        launched = [server.launch_time for server in wave.servers if server.launch_time]
        assert len(launched) == 2
        assert wave.end_time == max(launched)
        assert wave.completion_duration == pytest.approx(530 / SPEED, rel=0.05)


async def test_independent_waves_launch_together(env: E2eEnvironment) -> None:
    # Long enough for a busy machine to launch the last before the first is up.
    plan = env.plan(
        *(
            env.wave(name, servers=env.aws.servers(2, LaunchSeconds=6 * SPEED))
            for name in ("Database", "Cache", "Monitoring")
        )
    )
    state = await env.run(plan)
    starts = [start_of(state, wave.wave_name) for wave in state.waves]
    assert max(starts) < min(end_of(state, wave.wave_name) for wave in state.waves)
    assert sum(wave.launched_count for wave in state.waves) == 6


@pytest.mark.parametrize(
    "order",
    [
        (3, 1, 0, 2),
        pytest.param((0, 1, 2, 3), marks=pytest.mark.slow),
        pytest.param((3, 2, 1, 0), marks=pytest.mark.slow),
    ],
)
async def test_a_diamond_overlaps_its_middle_and_waits_for_the_slower(
    env: E2eEnvironment, order: tuple[int, ...]
) -> None:
    slow = env.aws.servers(2, LaunchSeconds=900)
    waves = [
        env.wave("Database", servers=2),
        env.wave("App1", "Database", servers=2),
        env.wave("App2", "Database", servers=slow),
        env.wave("Web", "App1", "App2", servers=2),
    ]
    plan = env.plan(*(waves[place] for place in order))
    execution_id = await start_execution(env.client, plan)
    seen = await env.until(plan, lambda s: wave_of(s, "App1").status is WaveStatus.COMPLETED)
    assert wave_of(seen, "Web").status is WaveStatus.WAITING
    assert wave_of(seen, "Web").status_reason == "Waiting for App2"
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert min(start_of(state, "App1"), start_of(state, "App2")) >= end_of(state, "Database")
    assert start_of(state, "App1") < end_of(state, "App2")
    assert start_of(state, "App2") < end_of(state, "App1")
    assert end_of(state, "App2") > end_of(state, "App1")
    assert start_of(state, "Web") >= end_of(state, "App2")


async def test_a_plan_spans_two_accounts_and_two_regions(env: E2eEnvironment) -> None:
    other = own_account()
    there = {"Region": "eu-central-1", "AccountId": other}
    far = env.aws.servers(2, **there)
    role = f"arn:aws:iam::{other}:role/drs-waves"
    plan = env.plan(
        env.wave("Near", servers=2, account_id=env.aws.account_id),
        env.wave("Far", "Near", servers=far, region="eu-central-1", role_arn=role),
    )
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED
    assert [(w.account_id, w.region) for w in state.waves] == [
        (env.aws.account_id, "us-west-2"),
        (other, "eu-central-1"),
    ]
    (launch,) = env.aws.accepted_launches(far[0])
    assert launch["AccountId"] == other
    assert launch["Region"] == "eu-central-1"


@pytest.mark.slow
async def test_the_web_ui_and_the_query_say_what_a_wave_waits_for(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"), env.wave("Cache"), env.wave("App", "Database", "Cache"))
    execution_id = await start_execution(env.client, plan)
    state = await env.until(plan, lambda s: wave_of(s, "Cache").status is WaveStatus.IN_PROGRESS)
    assert wave_of(state, "App").status_reason == "Waiting for Database, Cache"
    handle = env.client.get_workflow_handle(f"drs-plan/{plan.plan_id}")
    details = await handle.query("__temporal_workflow_metadata")
    assert "Waiting for Database, Cache" in str(details)
    described = await handle.describe()
    assert await described.static_summary() == f"DRILL of {plan.plan_name}"
    await env.end(plan, execution_id)
