"""Launches in doubt, and blocking jobs of other clients."""

import asyncio
from typing import Any

import boto3
import pytest

from client.start import start_execution
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import REGION, SPEED, E2eEnvironment, wave_of
from tests.end_to_end.test_operators import effects, update


def foreign_job(*server_ids: str) -> str:
    """A job that another client starts in the console."""
    servers: list[Any] = [{"sourceServerID": i} for i in server_ids]
    client = boto3.client("drs", region_name=REGION)
    return str(client.start_recovery(sourceServers=servers, isDrill=True)["job"]["jobID"])


async def plan_in_doubt(
    env: E2eEnvironment, launch_seconds: float = 3 * SPEED
) -> tuple[RecoveryPlan, str, str]:
    """A plan whose first call was lost while another client launched the same servers."""
    slow = env.aws.servers(2, LaunchSeconds=launch_seconds)
    plan = env.plan(env.wave("Database", servers=slow), env.wave("App", "Database"))
    env.aws.apply(Faults=[{"Operation": "StartRecovery", "Effect": "drop", "Times": 1}])
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: "whether it accepted" in wave_of(s, "Database").status_reason)
    job_id = await asyncio.to_thread(foreign_job, *slow)
    state = await env.until(plan, lambda s: wave_of(s, "Database").launch_in_doubt)
    reason = wave_of(state, "Database").status_reason
    assert job_id in reason
    assert "adopt-job" in reason
    assert wave_of(state, "Database").status is WaveStatus.WAITING
    return plan, execution_id, job_id


def jobs_of(state: ExecutionState, name: str) -> set[str | None]:
    return {server.recovery_job_id for server in wave_of(state, name).servers}


async def test_an_operator_adopts_a_job_of_unknown_origin(env: E2eEnvironment) -> None:
    plan, execution_id, job_id = await plan_in_doubt(env)
    launch = f"{execution_id}/database/1/0"
    await update(env, plan, "adopt_job", {"wave": "database", "job": job_id, "launch": launch})
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert jobs_of(state, "Database") == {job_id}
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1
    assert effects(state) == [("adopt_job", True)]
    assert state.messages[0].launch_id == launch
    assert not wave_of(state, "Database").launch_in_doubt


@pytest.mark.slow
async def test_after_launch_anyway_a_foreign_job_is_waited_for_and_taken_over(
    env: E2eEnvironment,
) -> None:
    plan, execution_id, job_id = await plan_in_doubt(env, 12 * SPEED)
    launch = f"{execution_id}/database/1/0"
    await update(env, plan, "launch_anyway", {"wave": "database", "launch": launch})
    state = await env.until(
        plan, lambda s: "Waiting for another job" in wave_of(s, "Database").status_reason
    )
    assert job_id in wave_of(state, "Database").status_reason
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert jobs_of(state, "Database") == {job_id}
    assert all(server.taken_over for server in wave_of(state, "Database").servers)
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1
    assert env.aws.calls()["Calls"]["drs.StartRecovery"].get("ConflictException", 0) == 0


async def test_without_describe_jobs_a_lost_response_waits_for_the_operator(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"))
    server_id = plan.waves[0].server_ids[0]
    lost = {"Operation": "StartRecovery", "Effect": "answer-lost", "Times": 1}
    away = {"Operation": "DescribeJobs", "Error": "AccessDeniedException"}
    env.aws.apply(Faults=[lost])
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda _: env.aws.accepted_launches(server_id))
    env.aws.apply(Faults=[away])
    state = await env.until(plan, lambda s: wave_of(s, "Database").launch_in_doubt, within=60)
    assert "DescribeJobs" in wave_of(state, "Database").status_reason
    env.aws.clear_faults()
    # Without a decision, the job is found as soon as DRS can be read again.
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert len(env.aws.accepted_launches(server_id)) == 1
    assert not wave_of(state, "Database").launch_in_doubt


async def test_cancelling_a_wave_in_doubt_launches_nothing(env: E2eEnvironment) -> None:
    plan, execution_id, job_id = await plan_in_doubt(env)
    await update(env, plan, "cancel_wave", {"wave": "database"})
    state = await env.end(plan, execution_id)
    assert wave_of(state, "Database").status is WaveStatus.CANCELLED
    assert wave_of(state, "App").status is WaveStatus.SKIPPED
    (launch,) = env.aws.accepted_launches(plan.waves[0].server_ids[0])
    assert launch["JobId"] == job_id
    assert launch["AccountId"] == env.aws.account_id
