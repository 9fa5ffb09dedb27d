"""A launch of which nobody knows whether DRS has the job, and jobs of others in the way."""

import asyncio
from typing import Any

import boto3

from client.start import start_execution
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import REGION, SPEED, House, wave_of
from tests.end_to_end.test_operators import effects, update


def somebodys_job(*server_ids: str) -> str:
    """A job that somebody asks for in the console."""
    asked: list[Any] = [{"sourceServerID": i} for i in server_ids]
    client = boto3.client("drs", region_name=REGION)
    return str(client.start_recovery(sourceServers=asked, isDrill=True)["job"]["jobID"])


async def a_plan_in_doubt(house: House) -> tuple[RecoveryPlan, str, str]:
    """A plan whose first call was lost while somebody launched the same servers untagged."""
    slow = house.aws.servers(2, LaunchSeconds=12 * SPEED)
    plan = house.plan(house.wave("Database", servers=slow), house.wave("App", "Database"))
    house.aws.apply(Faults=[{"Operation": "StartRecovery", "Effect": "drop", "Times": 1}])
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: "to learn whether" in wave_of(s, "Database").status_reason)
    job_id = await asyncio.to_thread(somebodys_job, *slow)
    state = await house.until(plan, lambda s: wave_of(s, "Database").launch_in_doubt)
    reason = wave_of(state, "Database").status_reason
    assert job_id in reason
    assert "adopt_job" in reason
    assert wave_of(state, "Database").status is WaveStatus.WAITING
    return plan, execution_id, job_id


def jobs_of(state: ExecutionState, name: str) -> set[str | None]:
    return {server.recovery_job_id for server in wave_of(state, name).servers}


async def test_an_operator_adopts_the_job_that_nobody_can_tell_whose_it_is(house: House) -> None:
    plan, execution_id, job_id = await a_plan_in_doubt(house)
    await update(house, plan, "adopt_job", {"wave": "database", "job": job_id})
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert jobs_of(state, "Database") == {job_id}
    assert len(house.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1
    assert effects(state) == [("adopt_job", True)]
    assert state.messages[0].launch_id == f"{execution_id}/database/1/0"
    assert not wave_of(state, "Database").launch_in_doubt


async def test_an_operator_who_says_launch_has_the_foreign_job_waited_for_and_taken_over(
    house: House,
) -> None:
    plan, execution_id, job_id = await a_plan_in_doubt(house)
    await update(house, plan, "launch_anyway", {"wave": "database"})
    state = await house.until(
        plan, lambda s: "Waiting for another job" in wave_of(s, "Database").status_reason
    )
    assert job_id in wave_of(state, "Database").status_reason
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert jobs_of(state, "Database") == {job_id}
    assert all(server.taken_over for server in wave_of(state, "Database").servers)
    assert len(house.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1
    assert house.aws.calls()["Calls"]["drs.StartRecovery"].get("ConflictException", 0) == 0


async def test_out_of_reach_of_describe_jobs_a_lost_answer_waits_for_the_operator(
    house: House,
) -> None:
    plan = house.plan(house.wave("Database"))
    server_id = plan.waves[0].server_ids[0]
    lost = {"Operation": "StartRecovery", "Effect": "answer-lost", "Times": 1}
    away = {"Operation": "DescribeJobs", "Error": "AccessDeniedException"}
    house.aws.apply(Faults=[lost])
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda _: house.aws.accepted_launches(server_id))
    house.aws.apply(Faults=[away])
    state = await house.until(plan, lambda s: wave_of(s, "Database").launch_in_doubt, within=60)
    assert "DescribeJobs" in wave_of(state, "Database").status_reason
    house.aws.clear_faults()
    # Nobody has answered: the job is found as soon as DRS can be asked again.
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert len(house.aws.accepted_launches(server_id)) == 1
    assert not wave_of(state, "Database").launch_in_doubt


async def test_cancelling_a_wave_in_doubt_launches_nothing(house: House) -> None:
    plan, execution_id, job_id = await a_plan_in_doubt(house)
    await update(house, plan, "cancel_wave", {"wave": "database"})
    state = await house.end(plan, execution_id)
    assert wave_of(state, "Database").status is WaveStatus.CANCELLED
    assert wave_of(state, "App").status is WaveStatus.SKIPPED
    (launch,) = house.aws.accepted_launches(plan.waves[0].server_ids[0])
    assert launch["JobId"] == job_id
    assert launch["AccountId"] == house.aws.account_id
