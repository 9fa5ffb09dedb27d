"""Operators steer a running execution, with the real `temporal` CLI and its answers."""

import asyncio
import json
from typing import Any

import pytest

from client.start import start_execution
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import Cause, WaitingFor, WaveStatus
from recovery.plan.model import OnFailure, RecoveryPlan
from tests.end_to_end.conftest import (
    RECOVERY,
    SPEED,
    E2eEnvironment,
    RunningWorkers,
    end_of,
    start_of,
    wave_of,
)
from tests.end_to_end.test_endurance import ended_temporal, temporal

FAILS_ONCE = ["failed-early", "launched"]

# What a busy machine causes: a worker has just loaded the execution, or Temporal gave its task up.
_NOT_TAKEN = ("then send this again", "due to unexpected workflow task failure")


async def signal(env: E2eEnvironment, plan: RecoveryPlan, name: str, given: Any = None) -> None:
    """Send a signal as an operator would."""
    words = ["workflow", "signal", "--workflow-id", f"drs-plan/{plan.plan_id}", "--name", name]
    await temporal(env, *words, *([] if given is None else ["--input", json.dumps(given)]))


async def update(env: E2eEnvironment, plan: RecoveryPlan, name: str, given: Any = None) -> str:
    """Send an update as an operator would, again if it is not taken now; its answer."""
    words = ["workflow", "update", "execute", "--workflow-id", f"drs-plan/{plan.plan_id}",
             "--name", name]  # fmt: skip
    words += [] if given is None else ["--input", json.dumps(given)]
    while True:
        code, output = await ended_temporal(env, *words)
        if code == 0 or not any(each in output for each in _NOT_TAKEN):
            assert code == 0, output
            return output
        await signal(env, plan, "wake")


def effects(state: ExecutionState) -> list[tuple[str, bool]]:
    """The messages of an execution, each with whether it was accepted."""
    return [(message.name, message.accepted) for message in state.messages]


async def in_progress(env: E2eEnvironment, plan: RecoveryPlan, name: str) -> ExecutionState:
    """Await the launch of a wave."""
    return await env.until(plan, lambda s: wave_of(s, name).status is WaveStatus.IN_PROGRESS)


async def test_a_skipped_wave_is_not_launched_and_its_dependents_go_on(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"), env.wave("Web", "App"))
    execution_id = await start_execution(env.client, plan)
    await in_progress(env, plan, "Database")
    answer = await update(env, plan, "skip_wave", {"wave": "app", "reason": "not today",
                                                     "actor": "ops"})  # fmt: skip
    assert "Web can launch now without it" in answer
    state = await env.end(plan, execution_id)
    assert wave_of(state, "App").status is WaveStatus.SKIPPED
    assert wave_of(state, "App").status_reason == "Skipped by ops: not today"
    assert wave_of(state, "Web").status is WaveStatus.COMPLETED
    assert env.aws.accepted_launches(plan.waves[1].server_ids[0]) == []
    assert state.status is PlanStatus.PARTIAL
    (message,) = state.messages
    assert (message.name, message.actor, message.actor_verified) == ("skip_wave", "ops", False)


@pytest.mark.slow
async def test_a_bare_wave_id_as_a_signal_skips_and_a_cascade_skips_what_follows(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(
        env.wave("Database"),
        env.wave("App", "Database"),
        env.wave("Web", "App"),
        env.wave("Cache", "Database"),
    )
    execution_id = await start_execution(env.client, plan)
    await in_progress(env, plan, "Database")
    await signal(env, plan, "skip_wave", "cache")
    await signal(env, plan, "skip_wave", {"wave": "app", "cascade": True})
    state = await env.end(plan, execution_id)
    skipped = [w.wave_name for w in state.waves if w.status is WaveStatus.SKIPPED]
    assert skipped == ["App", "Web", "Cache"]
    assert effects(state) == [("skip_wave", True)] * 2


async def test_an_accepted_failure_stays_true_and_lets_dependents_go_on(
    env: E2eEnvironment,
) -> None:
    bad = env.aws.servers(1, Outcome="failed-early")
    plan = env.plan(
        env.wave("Database", servers=[*env.aws.servers(1), *bad], on_failure=OnFailure.ASK),
        env.wave("App", "Database"),
    )
    execution_id = await start_execution(env.client, plan)
    state = await env.until(plan, lambda s: wave_of(s, "App").waiting_for is WaitingFor.DECISION)
    assert wave_of(state, "Database").status is WaveStatus.FAILED
    await update(env, plan, "accept_wave", {"wave": "database", "actor": "ops"})
    state = await env.end(plan, execution_id)
    assert wave_of(state, "Database").status is WaveStatus.FAILED
    assert wave_of(state, "App").status is WaveStatus.COMPLETED
    accepted = wave_of(state, "Database").decisions.accepted_by
    assert accepted is not None
    assert accepted.actor == "ops"
    assert state.status is PlanStatus.PARTIAL


@pytest.mark.slow
async def test_accepting_a_wave_in_progress_starts_its_dependents_at_once(
    env: E2eEnvironment,
) -> None:
    slow = env.aws.servers(1, LaunchSeconds=8 * SPEED)
    plan = env.plan(env.wave("Database", servers=slow), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    await in_progress(env, plan, "Database")
    await update(env, plan, "accept_wave", "database")
    state = await env.end(plan, execution_id)
    assert start_of(state, "App") < end_of(state, "Database")
    assert state.status is PlanStatus.PARTIAL


@pytest.mark.slow
async def test_a_cancelled_wave_is_observed_on_and_its_dependents_are_skipped(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(
        env.wave("Database", servers=env.aws.servers(1, LaunchSeconds=5 * SPEED)),
        env.wave("App", "Database"),
        env.wave("Other", servers=env.aws.servers(1, LaunchSeconds=8 * SPEED)),
    )
    execution_id = await start_execution(env.client, plan)
    await in_progress(env, plan, "Database")
    answer = await update(env, plan, "cancel_wave", {"wave": "database", "reason": "wrong data"})
    assert "drsjob-" in answer
    state = await env.end(plan, execution_id)
    database = wave_of(state, "Database")
    assert database.status is WaveStatus.CANCELLED
    assert str(database.servers[0].recovery_job_id) in database.status_reason
    assert database.servers[0].launch_time is not None
    assert wave_of(state, "App").status is WaveStatus.SKIPPED
    assert state.status is PlanStatus.PARTIAL


async def test_a_drill_whose_app2_fails_late_is_retried_and_recorded_in_order(
    env: E2eEnvironment,
) -> None:
    failing = env.aws.servers(1, Outcome=["failed-late", "launched"])
    fine = env.aws.servers(1)
    plan = env.plan(
        env.wave("Database"),
        env.wave("App1", "Database"),
        env.wave("App2", "Database", servers=fine + failing, on_failure=OnFailure.ASK),
        env.wave("Web", "App1", "App2"),
    )
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "App2").status is WaveStatus.FAILED)
    answer = await update(env, plan, "retry_wave", {"wave": "app2", "actor": "ops"})
    assert "attempt 2" in answer
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert wave_of(state, "App2").attempt == 2
    assert start_of(state, "Web") >= end_of(state, "App2")
    assert len(env.aws.accepted_launches(fine[0])) == 1
    assert len(env.aws.accepted_launches(failing[0])) == 2
    (message,) = state.messages
    times = [end_of(state, "App1"), message.time, start_of(state, "App2"), start_of(state, "Web")]
    assert times == sorted(times)
    # The history, written by the wave's own workflow, has both attempts.
    app2 = wave_of(await env.recorded(execution_id), "App2")
    failed, retried = app2.attempts
    assert (failed.status, failed.number, retried.number) == (WaveStatus.FAILED, 1, 2)
    assert failed.start_time
    assert failed.end_time
    assert retried.start_time
    assert failed.start_time < failed.end_time < message.time < retried.start_time
    assert app2.total_duration == pytest.approx(end_of(state, "App2") - failed.start_time, abs=0.01)


async def test_a_retry_of_a_wave_whose_job_was_only_slow_launches_nothing_again(
    env: E2eEnvironment,
) -> None:
    slow = env.aws.servers(2, LaunchSeconds=6 * SPEED)
    plan = env.plan(
        env.wave("Database", servers=slow, timeout_seconds=2 * SPEED, on_failure=OnFailure.ASK),
        env.wave("App", "Database"),
    )
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.TIMED_OUT)
    await update(env, plan, "retry_wave", "database")
    again = await env.until(plan, lambda s: wave_of(s, "Database").attempt == 2)
    assert wave_of(again, "App").status is WaveStatus.WAITING
    state = await env.end(plan, execution_id)
    assert wave_of(state, "App").status is WaveStatus.COMPLETED
    assert all(len(env.aws.accepted_launches(server)) == 1 for server in slow)


@pytest.mark.slow
async def test_retries_relaunch_only_the_failed_servers_before_the_policy_applies(
    env: E2eEnvironment,
) -> None:
    failing = env.aws.servers(1, Outcome=FAILS_ONCE)
    fine = env.aws.servers(1)
    plan = env.plan(
        env.wave("Database", servers=fine + failing, retries=1), env.wave("App", "Database")
    )
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED
    assert wave_of(state, "Database").attempt == 2
    assert len(env.aws.accepted_launches(fine[0])) == 1
    assert len(env.aws.accepted_launches(failing[0])) == 2


@pytest.mark.slow
@pytest.mark.parametrize("policy", [OnFailure.CONTINUE, OnFailure.STOP])
async def test_continue_runs_dependents_and_stop_launches_nothing_new(
    env: E2eEnvironment, policy: OnFailure
) -> None:
    bad = env.aws.servers(1, Outcome="failed-late")
    slow = env.aws.servers(1, LaunchSeconds=6 * SPEED)
    plan = env.plan(
        env.wave("Database", servers=bad),
        env.wave("App", "Database"),
        env.wave("Cache", servers=slow),
        env.wave("Other", "Cache"),
        on_failure=policy,
    )
    state = await env.run(plan)
    goes_on = policy is OnFailure.CONTINUE
    expected = WaveStatus.COMPLETED if goes_on else WaveStatus.SKIPPED
    assert wave_of(state, "App").status is expected
    assert wave_of(state, "Other").status is expected
    assert wave_of(state, "Cache").status is WaveStatus.COMPLETED
    assert state.status is PlanStatus.FAILED
    launches = {
        wave.wave_name: len(env.aws.accepted_launches(wave.server_ids[0])) for wave in plan.waves
    }
    assert launches == {"Database": 1, "App": goes_on, "Cache": 1, "Other": goes_on}


async def test_a_recovery_asks_by_default_and_skips_at_the_deadline(env: E2eEnvironment) -> None:
    bad = env.aws.servers(1, Outcome="failed-early")
    plan = env.plan(env.wave("Database", servers=bad), env.wave("App", "Database"))
    # A drill of the same plan does not ask.
    execution_id = await start_execution(
        env.client, plan, execution_type=RECOVERY, confirmation=plan.plan_id
    )
    state = await env.until(plan, lambda s: wave_of(s, "App").waiting_for is WaitingFor.DECISION)
    asked = wave_of(state, "Database").ask_until
    assert asked is not None
    assert asked - end_of(state, "Database") == pytest.approx(4 * 3600 / SPEED, abs=10)
    await update(env, plan, "skip_wave", "app")
    state = await env.end(plan, execution_id)
    assert wave_of(state, "App").status is WaveStatus.SKIPPED


async def test_a_wave_waits_for_approval_and_runs_when_approved(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database", approval_required=True), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").waiting_for is WaitingFor.APPROVAL)
    await update(env, plan, "approve_wave", {"wave": "database", "actor": "boss"})
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    approved = wave_of(state, "Database").decisions.approved_by
    assert approved is not None
    assert approved.actor == "boss"


async def test_a_refused_wave_is_not_launched(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database", approval_required=True), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").waiting_for is WaitingFor.APPROVAL)
    await update(env, plan, "approve_wave", {"wave": "database", "approve": False})
    state = await env.end(plan, execution_id)
    assert wave_of(state, "Database").status is WaveStatus.CANCELLED
    assert wave_of(state, "App").status is WaveStatus.SKIPPED
    assert env.aws.accepted_launches(plan.waves[0].server_ids[0]) == []


async def test_an_expired_approval_never_approves(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database", approval_required=True))
    execution_id = await start_execution(env.client, plan)
    await in_progress(env, plan, "Database")
    await update(env, plan, "approve_wave", {"wave": "app", "expires_in_seconds": 0.5})
    state = await env.end(plan, execution_id)
    assert wave_of(state, "App").status is WaveStatus.FAILED
    assert wave_of(state, "App").cause is Cause.APPROVAL_EXPIRED
    assert env.aws.accepted_launches(plan.waves[1].server_ids[0]) == []


async def test_a_paused_plan_launches_nothing_new_until_it_is_resumed(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    await in_progress(env, plan, "Database")
    answer = await update(env, plan, "pause", {"reason": "network team", "actor": "ops"})
    assert "still running: Database" in answer
    state = await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.COMPLETED)
    assert state.status is PlanStatus.PAUSED
    assert wave_of(state, "App").waiting_for is WaitingFor.RESUME
    await asyncio.sleep(1)
    assert env.aws.accepted_launches(plan.waves[1].server_ids[0]) == []
    await signal(env, plan, "resume")
    assert (await env.end(plan, execution_id)).status is PlanStatus.COMPLETED


async def test_signals_sent_while_no_worker_runs_take_effect_when_one_comes(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    await signal(env, plan, "skip_wave", "database")
    async with RunningWorkers(env):
        state = await env.end(plan, execution_id)
    assert wave_of(state, "Database").status is WaveStatus.SKIPPED
    assert wave_of(state, "App").status is WaveStatus.COMPLETED


async def test_ten_messages_at_once_and_malformed_ones_leave_a_valid_state_and_a_record_of_each(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(
        env.wave("Database", servers=env.aws.servers(1, LaunchSeconds=6 * SPEED)),
        env.wave("App", "Database"),
        env.wave("Web", "App"),
    )
    execution_id = await start_execution(env.client, plan)
    await in_progress(env, plan, "Database")
    malformed: list[tuple[str, Any]] = [
        ("skip_wave", "app"),
        ("skip_wave", "app"),
        ("skip_wave", None),
        ("skip_wave", {"wave": "web", "raeson": "typo"}),
        ("skip_wav", "web"),
        ("skip_wave", {"wave": "wbe"}),
        ("retry_wave", "database"),
        ("pause", None),
        ("resume", [1, 2]),
        ("resume", {"reason": "go", "ExecutionId": "another"}),
    ]
    await asyncio.gather(*(signal(env, plan, name, given) for name, given in malformed))
    state = await env.until(plan, lambda s: len(s.messages) == len(malformed))
    await signal(env, plan, "resume")
    state = await env.end(plan, execution_id)
    assert sorted(effects(state)) == sorted(
        [("skip_wave", True), ("skip_wave", False), ("skip_wave", False), ("skip_wave", False),
         ("skip_wav", False), ("skip_wave", False), ("retry_wave", False), ("pause", True),
         ("resume", False), ("resume", False), ("resume", True)]
    )  # fmt: skip
    effects_text = " ".join(message.effect for message in state.messages)
    for hint in ("did you mean reason?", "did you mean skip_wave?", "did you mean web?",
                 "needs a wave", "already skipped", "meant for execution another"):  # fmt: skip
        assert hint in effects_text
    assert wave_of(state, "Web").status is WaveStatus.COMPLETED
