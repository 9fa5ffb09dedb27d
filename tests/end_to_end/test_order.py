"""The three cases, from the recorded history's times: real Temporal, real activities, HTTP."""

import pytest

from client.start import start_execution
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from tests.end_to_end.conftest import SPEED, House, began, ended, wave_of
from tests.shared_servers import own_account


async def test_each_wave_of_a_chain_begins_after_the_last_server_of_the_one_before(
    house: House,
) -> None:
    plan = house.plan(
        house.wave("Database", servers=2),
        house.wave("App", "Database", servers=2),
        house.wave("Web", "App", servers=2),
    )
    state = await house.run(plan)
    assert state.status is PlanStatus.COMPLETED
    assert began(state, "App") >= ended(state, "Database")
    assert began(state, "Web") >= ended(state, "App")
    for wave in state.waves:
        launched = [server.launch_time for server in wave.servers if server.launch_time]
        assert len(launched) == 2
        assert wave.end_time == max(launched)
        assert wave.completion_duration == pytest.approx(530 / SPEED, rel=0.05)


async def test_independent_waves_launch_together(house: House) -> None:
    plan = house.plan(*(house.wave(n, servers=2) for n in ("Database", "Cache", "Monitoring")))
    state = await house.run(plan)
    starts = [began(state, wave.wave_name) for wave in state.waves]
    assert max(starts) - min(starts) < 30 / SPEED + 2
    assert max(starts) < min(ended(state, wave.wave_name) for wave in state.waves)
    assert sum(wave.launched_count for wave in state.waves) == 6


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (3, 2, 1, 0)])
async def test_a_diamond_overlaps_its_middle_and_waits_for_the_slower(
    house: House, order: tuple[int, ...]
) -> None:
    slow = house.aws.servers(2, LaunchSeconds=900)
    waves = [
        house.wave("Database", servers=2),
        house.wave("App1", "Database", servers=2),
        house.wave("App2", "Database", servers=slow),
        house.wave("Web", "App1", "App2", servers=2),
    ]
    plan = house.plan(*(waves[place] for place in order))
    execution_id = await start_execution(house.client, plan)
    seen = await house.until(plan, lambda s: wave_of(s, "App1").status is WaveStatus.COMPLETED)
    assert wave_of(seen, "Web").status is WaveStatus.WAITING
    assert wave_of(seen, "Web").status_reason == "Waiting for App2"
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert min(began(state, "App1"), began(state, "App2")) >= ended(state, "Database")
    assert began(state, "App1") < ended(state, "App2")
    assert began(state, "App2") < ended(state, "App1")
    assert ended(state, "App2") > ended(state, "App1")
    assert began(state, "Web") >= ended(state, "App2")


async def test_a_plan_spans_two_accounts_and_two_regions(house: House) -> None:
    other = own_account()
    there = {"Region": "eu-central-1", "AccountId": other}
    far = house.aws.servers(2, **there)
    role = f"arn:aws:iam::{other}:role/drs-waves"
    plan = house.plan(
        house.wave("Near", servers=2, account_id=house.aws.account_id),
        house.wave("Far", "Near", servers=far, region="eu-central-1", role_arn=role),
    )
    state = await house.run(plan)
    assert state.status is PlanStatus.COMPLETED
    assert [(w.account_id, w.region) for w in state.waves] == [
        (house.aws.account_id, "us-west-2"),
        (other, "eu-central-1"),
    ]
    (launch,) = house.aws.accepted_launches(far[0])
    assert launch["AccountId"] == other
    assert launch["Region"] == "eu-central-1"


async def test_the_web_ui_and_the_query_say_what_a_wave_waits_for(house: House) -> None:
    plan = house.plan(
        house.wave("Database"), house.wave("Cache"), house.wave("App", "Database", "Cache")
    )
    execution_id = await start_execution(house.client, plan)
    state = await house.until(plan, lambda s: wave_of(s, "Cache").status is WaveStatus.IN_PROGRESS)
    assert wave_of(state, "App").status_reason == "Waiting for Database, Cache"
    handle = house.client.get_workflow_handle(f"drs-plan/{plan.plan_id}")
    details = await handle.query("__temporal_workflow_metadata")
    assert "Waiting for Database, Cache" in str(details)
    described = await handle.describe()
    assert await described.static_summary() == f"DRILL of {plan.plan_name}"
    await house.end(plan, execution_id)
