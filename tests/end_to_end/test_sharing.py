"""Several plans at once share DRS's quotas, and jobs where those are scarce."""

import asyncio

import boto3
import pytest
from temporalio.client import WorkflowFailureError

from client.start import start_execution
from contract.identifiers import plan_workflow_id, wave_workflow_id
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaitingFor, WaveState, WaveStatus
from recovery.plan.model import RecoveryPlan
from settings import get_settings
from tests.end_to_end.conftest import REGION, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.worker_processes import start_worker


@pytest.fixture
def scarce(env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch) -> E2eEnvironment:
    """A stack in which two jobs may be in progress, without a worker; it knows the quota."""
    monkeypatch.setenv("DRS_WAVES_JOBS_QUOTA", "2")
    get_settings.cache_clear()
    # DRS must know an account and Region before it is asked about its jobs.
    env_without_worker.aws.servers(1)
    env_without_worker.aws.apply(Quotas={"JobsInProgress": 2})
    return env_without_worker


def refusals(env: E2eEnvironment) -> int:
    """How many StartRecovery calls DRS has refused so far."""
    calls = env.aws.calls()["Calls"].get("drs.StartRecovery", {})
    return sum(count for result, count in calls.items() if result not in ("OK", "gone"))


def jobs_of(env: E2eEnvironment, *plans: RecoveryPlan) -> set[str]:
    """The jobs that launched the plans' servers; each server was launched once."""
    jobs = set()
    for server_id in (i for plan in plans for wave in plan.waves for i in wave.server_ids):
        (accepted,) = env.aws.accepted_launches(server_id)
        jobs.add(accepted["JobId"])
    return jobs


async def test_plans_at_once_share_jobs_under_the_quota_and_none_is_refused(
    scarce: E2eEnvironment,
) -> None:
    plans = [
        scarce.plan(
            scarce.wave("Database", servers=2),
            scarce.wave("App", "Database"),
        )
        for _ in range(8)
    ]
    before = refusals(scarce)
    async with RunningWorkers(scarce):
        ids = [await start_execution(scarce.client, plan) for plan in plans]
        ends = (scarce.end(plan, i) for plan, i in zip(plans, ids, strict=True))
        states = await asyncio.gather(*ends)
    assert {state.status for state in states} == {PlanStatus.COMPLETED}
    assert refusals(scarce) == before
    assert len(jobs_of(scarce, *plans)) <= 8
    for state in states:
        database, app = wave_of(state, "Database"), wave_of(state, "App")
        assert database.end_time is not None
        assert app.start_time is not None
        assert app.start_time >= database.end_time - 1


@pytest.mark.slow
async def test_jobs_of_others_count_against_the_quota_and_the_wave_says_that_it_waits(
    scarce: E2eEnvironment,
) -> None:
    for server_id in scarce.aws.servers(2, LaunchSeconds=1500):
        boto3.client("drs", region_name=REGION).start_recovery(
            sourceServers=[{"sourceServerID": server_id}], isDrill=True
        )
    plan = scarce.plan(scarce.wave("Database"))
    before = refusals(scarce)
    async with RunningWorkers(scarce):
        execution_id = await start_execution(scarce.client, plan)
        waiting = await scarce.until(
            plan, lambda s: "quota" in wave_of(s, "Database").status_reason
        )
        assert wave_of(waiting, "Database").status is WaveStatus.WAITING
        state = await scarce.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert refusals(scarce) == before


@pytest.mark.slow
async def test_a_launch_that_waits_is_not_made_once_its_plan_was_terminated(
    scarce: E2eEnvironment,
) -> None:
    for server_id in scarce.aws.servers(2, LaunchSeconds=5000):
        boto3.client("drs", region_name=REGION).start_recovery(
            sourceServers=[{"sourceServerID": server_id}], isDrill=True
        )
    plan = scarce.plan(scarce.wave("Database"))
    async with RunningWorkers(scarce):
        first = await start_execution(scarce.client, plan)
        await scarce.until(plan, lambda s: wave_of(s, "Database").waiting_for is WaitingFor.QUOTA)
        await scarce.client.get_workflow_handle(plan_workflow_id(plan.plan_id)).terminate("why")
        orphan = scarce.client.get_workflow_handle(wave_workflow_id(first, "database", 1))
        with pytest.raises(WorkflowFailureError):
            await orphan.result()
        state = await orphan.query("status", result_type=WaveState)
    assert scarce.aws.accepted_launches(plan.waves[0].server_ids[0]) == []
    assert "no longer open in Temporal" in str(state.servers[0].reason)


@pytest.mark.slow
async def test_a_worker_killed_while_plans_share_jobs_launches_nothing_twice(
    scarce: E2eEnvironment,
) -> None:
    plans = [
        scarce.plan(
            scarce.wave("Database", servers=2),
            scarce.wave("App", "Database"),
        )
        for _ in range(5)
    ]
    await start_worker(scarce, "doomed")
    ids = [await start_execution(scarce.client, plan) for plan in plans]
    await scarce.until(plans[0], lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    scarce.stack.stop_part("doomed", kill=True)
    async with RunningWorkers(scarce):
        ends = (scarce.end(plan, i) for plan, i in zip(plans, ids, strict=True))
        states = await asyncio.gather(*ends)
    assert {state.status for state in states} == {PlanStatus.COMPLETED}
    assert jobs_of(scarce, *plans)
