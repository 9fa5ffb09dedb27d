"""A worker with an allow-list: drills where it may act, and refusals everywhere else."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import WorkflowFailureError

from client.cleanup import start_cleanup
from contract.cleanup import StartCleanup
from contract.identifiers import cleanup_workflow_id
from recovery.execution.cleanup_state import CleanupStatus
from recovery.execution.state import ExecutionState, PlanStatus
from settings import get_settings
from tests.end_to_end.conftest import REGION, E2eEnvironment, RunningWorkers, wave_of


def role_of(env: E2eEnvironment, name: str) -> str:
    return f"arn:aws:iam::{env.aws.account_id}:role/{name}"


async def clean_up(env: E2eEnvironment, state: ExecutionState) -> None:
    start = StartCleanup(
        execution_id=state.execution_id, plan_id=state.plan_id, actor="bob@example.com"
    )
    await start_cleanup(env.client, start)
    cleanup = cleanup_workflow_id(state.execution_id)
    await env.client.get_workflow_handle(cleanup).result()


def count_sessions_of(env: E2eEnvironment, actor: str) -> None:
    """Count the sessions with this source identity from now on."""
    what = {"Service": "sts", "Operation": "AssumeRole", "Effect": "delay", "Seconds": 0.0}
    env.aws.apply(Faults=[what | {"Mentions": [f"SourceIdentity={actor}"]}])


def sessions(env: E2eEnvironment) -> int:
    """How many were counted."""
    return sum(env.aws.calls()["FaultsApplied"].values())


@asynccontextmanager
async def worker_of(env: E2eEnvironment, role: str) -> AsyncIterator[None]:
    """A worker that may act in one Region with one role."""
    entry = {
        "AccountIds": [env.aws.account_id],
        "Regions": [REGION],
        "RoleArns": [role_of(env, role)],
        "ExternalId": "drs-waves-4f1c",
    }
    os.environ["DRS_WAVES_ALLOW_LIST"] = json.dumps({"Targets": [entry]})
    get_settings.cache_clear()
    async with RunningWorkers(env):
        yield


@pytest.fixture
async def env_with_list(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[E2eEnvironment]:
    """The stack with a worker that has a list."""
    # So that it is unset afterwards.
    monkeypatch.setenv("DRS_WAVES_ALLOW_LIST", "")
    async with worker_of(env_without_worker, "drs-waves*"):
        yield env_without_worker


async def test_a_drill_and_its_clean_up_act_in_sessions_of_who_asked_for_them(
    env_with_list: E2eEnvironment,
) -> None:
    env = env_with_list
    count_sessions_of(env, "alice%40example.com")
    role = role_of(env, "drs-waves")
    waves = [env.wave("Database", role_arn=role), env.wave("App", "Database", role_arn=role)]
    plan = env.plan(*waves)
    state = await env.run(plan, started_by="alice@example.com")
    assert state.status is PlanStatus.COMPLETED
    assert all(env.aws.instances_up(wave.server_ids[0]) for wave in plan.waves)
    # However many waves and activities.
    assert sessions(env) == 1
    count_sessions_of(env, "bob%40example.com")
    await clean_up(env, state)
    assert not any(env.aws.instances_up(wave.server_ids[0]) for wave in plan.waves)
    assert sessions(env) == 2
    # The third is the worker's own, for what it reads for all.
    assert env.aws.calls()["Calls"]["sts.AssumeRole"] == {"OK": 3}


async def test_what_was_launched_in_a_target_that_the_list_lost_is_left_with_the_reason(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = env_without_worker
    monkeypatch.setenv("DRS_WAVES_ALLOW_LIST", "")
    role = role_of(env, "drs-waves")
    # DRS does not have the server of the second wave, so the third one is never launched.
    missing = env.wave("Missing", servers=[f"s-{'f' * 17}"], role_arn=role)
    never = env.wave("App", "Missing", role_arn=role)
    plan = env.plan(env.wave("Database", role_arn=role), missing, never)
    async with worker_of(env, "drs-waves"):
        state = await env.run(plan)
    async with worker_of(env, "other"):
        with pytest.raises(WorkflowFailureError):
            await clean_up(env, state)
    cleanup = (await env.recorded(state.execution_id)).cleanup
    assert cleanup is not None
    assert cleanup.status is CleanupStatus.PARTIAL
    (left,) = cleanup.leftovers
    assert left.source_server_id == plan.waves[0].server_ids[0]
    assert "is not on the worker's allow-list" in str(left.reason)
    assert len(env.aws.instances_up(left.source_server_id)) == 1


@pytest.mark.parametrize(("region", "role"), [(REGION, "Admin"), ("eu-central-1", "drs-waves")])
async def test_a_plan_with_a_target_outside_the_list_launches_nothing_and_says_what_to_do(
    env_with_list: E2eEnvironment, region: str, role: str
) -> None:
    env = env_with_list
    outside = env.wave("Outside", region=region, role_arn=role_of(env, role))
    plan = env.plan(env.wave("Inside", role_arn=role_of(env, "drs-waves")), outside)
    state = await env.run(plan)
    assert state.status is PlanStatus.FAILED
    reason = wave_of(state, "Outside").status_reason
    assert f"{region} of account {env.aws.account_id} with this role is not on" in reason
    assert "restart every worker" in reason
    assert not any(env.aws.accepted_launches(w.server_ids[0]) for w in plan.waves)
    # The wave that may be launched in was looked at; the other target has not one call.
    assert env.aws.calls()["Calls"].get("sts.AssumeRole") == {"OK": 1}
