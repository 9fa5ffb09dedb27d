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
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.worker_processes import start_worker

TEMPORAL = Path(sys.executable).parent / "temporal"


async def temporal(env: E2eEnvironment, *words: str) -> str:
    """Run the `temporal` CLI against the stack; it must succeed."""
    code, output = await ended_temporal(env, *words)
    assert code == 0, output
    return output


async def ended_temporal(env: E2eEnvironment, *words: str) -> tuple[int | None, str]:
    """Run the `temporal` CLI against the stack; its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        TEMPORAL, *words, "--address", env.stack.env["TEMPORAL_ADDRESS"],
        "--namespace", env.client.namespace,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_worker_killed_during_a_wave_loses_nothing_and_launches_nothing_twice(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database", servers=2), env.wave("App", "Database"))
    await start_worker(env, "doomed")
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    env.stack.stop_part("doomed", kill=True)
    async with RunningWorkers(env):
        state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    for wave in plan.waves:
        assert len(env.aws.accepted_launches(wave.server_ids[0])) == 1


@pytest.mark.slow
async def test_a_reset_plan_attaches_to_its_running_waves(env: E2eEnvironment) -> None:
    slow = env.aws.servers(1, LaunchSeconds=1200)
    plan = env.plan(
        env.wave("Database"),
        env.wave("App", "Database", servers=slow),
        env.wave("Web", "App"),
    )
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "App").status is WaveStatus.IN_PROGRESS)
    workflow_id = f"drs-plan/{plan.plan_id}"
    await temporal(
        env, "workflow", "reset", "--workflow-id", workflow_id,
        "--type", "FirstWorkflowTask", "--reason", "test",
    )  # fmt: skip
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert state.execution_id == execution_id
    for wave in plan.waves:
        assert len(env.aws.accepted_launches(wave.server_ids[0])) == 1


async def test_a_cancelled_plan_launches_nothing_new_and_names_the_jobs_that_go_on(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    await temporal(env, "workflow", "cancel", "--workflow-id", f"drs-plan/{plan.plan_id}")
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.CANCELLED
    database = wave_of(state, "Database")
    assert database.status is WaveStatus.CANCELLED
    assert database.servers[0].recovery_job_id
    assert str(database.servers[0].recovery_job_id) in database.status_reason
    assert wave_of(state, "App").status is WaveStatus.CANCELLED
    assert env.aws.accepted_launches(plan.waves[1].server_ids[0]) == []
    described = await temporal(
        env, "workflow", "describe", "--workflow-id", f"drs-plan/{plan.plan_id}"
    )
    assert "CANCELED" in described.upper()
    await env.client.get_workflow_handle(f"drs-wave/{execution_id}/database/1").describe()


async def test_a_recovery_replaces_a_running_drill_and_waits_for_its_jobs(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"))
    drill_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    assert await replace_drill(env.client, plan.plan_id)
    state = await env.run(plan, execution_type=RECOVERY, confirmation=plan.plan_id)
    assert state.status is PlanStatus.COMPLETED
    drilled, recovered = env.aws.accepted_launches(plan.waves[0].server_ids[0])
    assert (drilled["IsDrill"], recovered["IsDrill"]) == (True, False)
    assert wave_of(state, "Database").servers[0].recovery_job_id == recovered["JobId"]
    assert (await env.recorded(drill_id)).status is PlanStatus.CANCELLED


async def test_a_running_recovery_is_never_replaced(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"))
    execution_id = await start_execution(
        env.client, plan, execution_type=RECOVERY, confirmation=plan.plan_id
    )
    with pytest.raises(RefusedError, match="a real recovery of"):
        await replace_drill(env.client, plan.plan_id)
    assert (await env.end(plan, execution_id)).status is PlanStatus.COMPLETED


async def test_launches_do_not_wait_for_an_unavailable_dynamodb(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"))
    env.aws.apply(
        Faults=[{"Service": "dynamodb", "Operation": "PutItem", "Error": "ThrottlingException"}]
    )
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: s.status is PlanStatus.COMPLETED)
    env.aws.clear_faults()
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert [w.status for w in state.waves] == [WaveStatus.COMPLETED] * 2


async def test_a_plan_started_without_a_worker_runs_once_one_comes(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database"))
    execution_id = await start_execution(env.client, plan)
    await asyncio.sleep(1)
    async with RunningWorkers(env):
        state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1
