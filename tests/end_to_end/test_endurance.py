"""Workers die, operators reset and cancel, DynamoDB goes away: the recovery goes on."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from client.errors import RefusedError
from client.start import replace_drill, start_execution
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from tests.end_to_end.conftest import RECOVERY, House, serving, wave_of

TEMPORAL = Path(sys.executable).parent / "temporal"


async def temporal(house: House, *words: str) -> str:
    """Run the `temporal` CLI against the stack."""
    process = await asyncio.create_subprocess_exec(
        TEMPORAL, *words, "--address", house.stack.env["TEMPORAL_ADDRESS"],
        "--namespace", house.client.namespace,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_a_worker_killed_in_mid_wave_loses_nothing_and_launches_nothing_twice(
    house_without_worker: House,
) -> None:
    house = house_without_worker
    plan = house.plan(house.wave("Database", servers=2), house.wave("App", "Database"))
    house.stack.start_worker("doomed")
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    house.stack.stop_part("doomed", kill=True)
    async with serving(house):
        state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    for wave in plan.waves:
        assert len(house.aws.accepted_launches(wave.server_ids[0])) == 1


async def test_a_reset_plan_attaches_to_its_running_waves(house: House) -> None:
    slow = house.aws.servers(1, LaunchSeconds=2500)
    plan = house.plan(
        house.wave("Database"),
        house.wave("App", "Database", servers=slow),
        house.wave("Web", "App"),
    )
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: wave_of(s, "App").status is WaveStatus.IN_PROGRESS)
    workflow_id = f"drs-plan/{plan.plan_id}"
    await temporal(
        house, "workflow", "reset", "--workflow-id", workflow_id,
        "--type", "FirstWorkflowTask", "--reason", "test",
    )  # fmt: skip
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert state.execution_id == execution_id
    for wave in plan.waves:
        assert len(house.aws.accepted_launches(wave.server_ids[0])) == 1


async def test_a_cancelled_plan_launches_nothing_new_and_names_the_jobs_that_go_on(
    house: House,
) -> None:
    plan = house.plan(house.wave("Database"), house.wave("App", "Database"))
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    await temporal(house, "workflow", "cancel", "--workflow-id", f"drs-plan/{plan.plan_id}")
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.CANCELLED
    database = wave_of(state, "Database")
    assert database.status is WaveStatus.CANCELLED
    assert database.servers[0].recovery_job_id
    assert str(database.servers[0].recovery_job_id) in database.status_reason
    assert wave_of(state, "App").status is WaveStatus.CANCELLED
    assert house.aws.accepted_launches(plan.waves[1].server_ids[0]) == []
    described = await temporal(
        house, "workflow", "describe", "--workflow-id", f"drs-plan/{plan.plan_id}"
    )
    assert "CANCELED" in described.upper()
    await house.client.get_workflow_handle(f"drs-wave/{execution_id}/database/1").describe()


async def test_a_recovery_replaces_a_running_drill_and_waits_for_its_jobs(house: House) -> None:
    plan = house.plan(house.wave("Database"))
    drill_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    assert await replace_drill(house.client, plan.plan_id)
    state = await house.run(plan, execution_type=RECOVERY, confirmation=plan.plan_id)
    assert state.status is PlanStatus.COMPLETED
    drilled, recovered = house.aws.accepted_launches(plan.waves[0].server_ids[0])
    assert (drilled["IsDrill"], recovered["IsDrill"]) == (True, False)
    assert wave_of(state, "Database").servers[0].recovery_job_id == recovered["JobId"]
    assert (await house.recorded(drill_id)).status is PlanStatus.CANCELLED


async def test_a_running_recovery_is_never_replaced(house: House) -> None:
    plan = house.plan(house.wave("Database"))
    execution_id = await start_execution(
        house.client, plan, execution_type=RECOVERY, confirmation=plan.plan_id
    )
    with pytest.raises(RefusedError, match="A real recovery of"):
        await replace_drill(house.client, plan.plan_id)
    assert (await house.end(plan, execution_id)).status is PlanStatus.COMPLETED


async def test_launches_do_not_wait_for_a_dynamodb_that_is_away(house: House) -> None:
    plan = house.plan(house.wave("Database"), house.wave("App", "Database"))
    house.aws.apply(
        Faults=[{"Service": "dynamodb", "Operation": "PutItem", "Error": "ThrottlingException"}]
    )
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: s.status is PlanStatus.COMPLETED, within=40)
    house.aws.clear_faults()
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert [w.status for w in state.waves] == [WaveStatus.COMPLETED] * 2


async def test_a_plan_started_without_a_worker_runs_once_one_comes(
    house_without_worker: House,
) -> None:
    house = house_without_worker
    plan = house.plan(house.wave("Database"))
    execution_id = await start_execution(house.client, plan)
    await asyncio.sleep(1)
    async with serving(house):
        state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert len(house.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1
