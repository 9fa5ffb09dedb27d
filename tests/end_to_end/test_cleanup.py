"""After a drill: clean-up of exactly what it launched, and going on from an earlier execution."""

import json
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from aws.role_credentials import RoleCredentials
from client.cleanup import start_cleanup
from client.errors import RefusedError
from client.start import replace_drill, start_execution
from contract.cleanup import StartCleanup
from contract.execution import Takeover
from contract.identifiers import cleanup_workflow_id
from recovery.execution.cleanup_state import CleanupStatus
from recovery.execution.progress import wave_notes
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import OnFailure
from settings import get_settings
from tests.end_to_end.conftest import (
    RECOVERY,
    REGION,
    SPEED,
    E2eEnvironment,
    RunningWorkers,
    wave_of,
)


def cleanup_of(state: ExecutionState, **fields: object) -> StartCleanup:
    """The clean-up after an execution."""
    given = {"execution_id": state.execution_id, "plan_id": state.plan_id, "actor": "ops@test"}
    return StartCleanup.model_validate(given | fields)


async def cleaned(env: E2eEnvironment, start: StartCleanup) -> ExecutionState:
    """Clean up; what the history then says."""
    await start_cleanup(env.client, start)
    handle = env.client.get_workflow_handle(cleanup_workflow_id(start.execution_id))
    await handle.result()
    return await env.recorded(start.execution_id)


async def test_a_clean_up_terminates_what_the_drill_launched_and_leaves_foreign_instances(
    env: E2eEnvironment,
) -> None:
    foreign = env.aws.servers(1, LiveRecoveryInstance="DRILL")
    plan = env.plan(env.wave("Database", servers=2), env.wave("App", "Database"))
    state = await env.run(plan)
    servers = [server for wave in plan.waves for server in wave.server_ids]
    assert all(env.aws.instances_up(server) for server in servers)
    after = await cleaned(env, cleanup_of(state))
    assert [env.aws.instances_up(server) for server in servers] == [[], [], []]
    assert len(env.aws.instances_up(foreign[0])) == 1
    assert after.cleanup is not None
    assert after.cleanup.status is CleanupStatus.COMPLETED
    assert after.cleanup.leftovers == []
    assert after.cleanup.actor == "ops@test"
    launched = {s.recovery_instance_id for w in state.waves for s in w.servers}
    assert {i.recovery_instance_id for i in after.cleanup.terminated} == launched


@pytest.mark.slow
async def test_only_a_clean_up_needs_the_role_that_terminates(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = env_without_worker
    role = f"arn:aws:iam::{env.aws.account_id}:role/launch"
    entry = {"AccountIds": [env.aws.account_id], "Regions": [REGION], "RoleArns": [role]}
    roles = {"LookRole": "look", "TerminateRole": "terminate"}
    monkeypatch.setenv("DRS_WAVES_ALLOW_LIST", json.dumps({"Targets": [entry | roles]}))
    get_settings.cache_clear()
    assumed: list[str] = []
    assume = RoleCredentials._assume

    def recorded(role: RoleCredentials, identity: Any) -> Any:
        assumed.append(role._role["RoleArn"].rpartition("/")[2])
        return assume(role, identity)

    monkeypatch.setattr(RoleCredentials, "_assume", recorded)
    async with RunningWorkers(env):
        state = await env.run(env.plan(env.wave("Database", role_arn=role)))
        assert state.status is PlanStatus.COMPLETED
        assert set(assumed) == {"launch", "look"}
        assumed.clear()
        after = await cleaned(env, cleanup_of(state))
        assert after.cleanup is not None
        assert len(after.cleanup.terminated) == 1
        assert "terminate" in assumed
        assert "launch" not in assumed


@pytest.mark.slow
async def test_a_clean_up_takes_the_instance_of_a_wave_that_came_late(env: E2eEnvironment) -> None:
    slow = env.aws.servers(1, Outcome="stuck", StuckSeconds=6 * SPEED)
    plan = env.plan(env.wave("Database", servers=slow, timeout_seconds=2 * SPEED))
    state = await env.run(plan)
    assert wave_of(state, "Database").status is WaveStatus.TIMED_OUT
    after = await cleaned(env, cleanup_of(state))
    assert env.aws.instances_up(slow[0]) == []
    assert after.cleanup is not None
    assert len(after.cleanup.terminated) == 1


@pytest.mark.parametrize(
    "clean_up", ["at-start", pytest.param("before-launch", marks=pytest.mark.slow)]
)
async def test_an_instance_that_a_later_execution_launched_is_not_touched(
    env: E2eEnvironment, clean_up: str
) -> None:
    (server,) = env.aws.servers(1, EarlierInstanceCleanUp=clean_up)
    plan = env.plan(env.wave("Database", servers=[server]))
    first = await env.run(plan)
    await env.run(plan)
    after = await cleaned(env, cleanup_of(first))
    assert after.cleanup is not None
    assert after.cleanup.terminated == []
    assert len(env.aws.instances_up(server)) == 1


@pytest.mark.parametrize("confirmation", [None, "plan"])
async def test_a_real_recovery_is_cleaned_up_only_with_its_plan_id_typed(
    env: E2eEnvironment, confirmation: str | None
) -> None:
    plan = env.plan(env.wave("Database"))
    server = plan.waves[0].server_ids[0]
    state = await env.run(plan, execution_type=RECOVERY, confirmation=plan.plan_id)
    if confirmation is None:
        with pytest.raises(WorkflowFailureError) as refused:
            await cleaned(env, cleanup_of(state))
        assert "real RECOVERY" in str(refused.value.cause)
        assert len(env.aws.instances_up(server)) == 1
    else:
        await cleaned(env, cleanup_of(state, confirmation=plan.plan_id))
        assert env.aws.instances_up(server) == []


@pytest.mark.slow
async def test_a_clean_up_asked_for_in_advance_waits_and_does_not_hold_the_plan(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"))
    execution_id = await start_execution(env.client, plan)
    start = StartCleanup(
        execution_id=execution_id, plan_id=plan.plan_id, actor="ops@test", after_seconds=2
    )
    await start_cleanup(env.client, start)
    with pytest.raises(RefusedError, match="is already running"):
        await start_cleanup(env.client, start)
    state = await env.end(plan, execution_id)
    assert len(env.aws.instances_up(plan.waves[0].server_ids[0])) == 1
    handle = env.client.get_workflow_handle(cleanup_workflow_id(execution_id))
    await handle.result()
    assert env.aws.instances_up(plan.waves[0].server_ids[0]) == []
    assert state.status is PlanStatus.COMPLETED


async def test_a_recovery_that_replaces_a_drill_cancels_its_pending_clean_up(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"))
    state = await env.run(plan)
    await start_cleanup(env.client, cleanup_of(state, after_seconds=3600))
    query = f"WorkflowType = 'DrillCleanupWorkflow' AND DrsPlanId = '{plan.plan_id}'"
    await env.eventually(lambda: env.count_workflows(query))
    await replace_drill(env.client, plan.plan_id)
    handle = env.client.get_workflow_handle(cleanup_workflow_id(state.execution_id))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert len(env.aws.instances_up(plan.waves[0].server_ids[0])) == 1


async def test_a_new_execution_takes_over_what_is_up_and_runs_the_rest(env: E2eEnvironment) -> None:
    failing = env.aws.servers(2, Outcome=["failed-early", "launched"])
    fine = env.aws.servers(2)
    database = env.wave("Database", servers=[fine[0], failing[0]], on_failure=OnFailure.CONTINUE)
    plan = env.plan(
        env.wave("Cache"),
        database,
        env.wave("App", "Database", servers=[fine[1], failing[1]]),
        env.wave("Web", "App"),
    )
    first = await env.run(plan)
    assert first.status is PlanStatus.FAILED
    takeover = Takeover(execution_id=first.execution_id, since=first.start_time)
    second_id = await start_execution(env.client, plan, takeover=takeover)
    # What is up is shown while its wave waits for others.
    waiting = await env.until(plan, lambda s: wave_of(s, "App").recorded_count == 1)
    assert wave_of(waiting, "App").status is WaveStatus.WAITING
    assert "1 recorded as up" in wave_notes(wave_of(waiting, "App"))
    assert wave_of(waiting, "Cache").expected_seconds == 0
    second = await env.end(plan, second_id)
    assert second.status is PlanStatus.COMPLETED
    assert second.from_execution == first.execution_id
    cache = plan.waves[0].server_ids[0]
    launches = [len(env.aws.accepted_launches(s)) for s in (cache, *fine, *failing)]
    assert launches == [1, 1, 1, 2, 2]
    taken, before = wave_of(second, "Cache").servers[0], wave_of(first, "Cache").servers[0]
    assert taken.recovery_instance_id == before.recovery_instance_id
    assert taken.verified == "YES"
    # Its clean-up takes what it launched itself, and leaves what the first one launched.
    after = await cleaned(env, cleanup_of(second))
    assert after.cleanup is not None
    gone = {i.source_server_id for i in after.cleanup.terminated}
    assert gone == {*failing, plan.waves[3].server_ids[0]}
    assert len(env.aws.instances_up(cache)) == 1


async def test_what_was_terminated_meanwhile_is_not_taken_over(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"))
    server = plan.waves[0].server_ids[0]
    first = await env.run(plan)
    await cleaned(env, cleanup_of(first))
    takeover = Takeover(execution_id=first.execution_id, since=first.start_time)
    second = await env.run(plan, takeover=takeover)
    assert second.status is PlanStatus.COMPLETED
    assert len(env.aws.accepted_launches(server)) == 2
    assert len(env.aws.instances_up(server)) == 1
