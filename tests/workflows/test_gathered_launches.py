"""The launches of waves that become ready together: queued by their plan, each made once."""

import time
from collections import Counter
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.launch import launch_activities
from contract.identifiers import launcher_workflow_id
from contract.launch import (
    LauncherInput,
    LaunchesSettled,
    LaunchRequest,
    LaunchResult,
    QueueLaunches,
    WaveLaunches,
    WithdrawLaunches,
)
from contract.temporal import TASK_QUEUE
from contract.wave import WaveInput
from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import Server, Target
from settings import Settings
from tests.recovery.plans import server_id
from tests.workflows.conftest import FakedEnvironment, Run, wave
from tests.workflows.fake_activities import ACCOUNT_ID, HOUR
from workflows.launcher.workflow import LauncherWorkflow
from workflows.wave.workflow import WaveWorkflow

LAUNCHER = launcher_workflow_id(ACCOUNT_ID, "us-west-2")
_WAVES = 12


async def activities_of(handle: WorkflowHandle[Any, Any]) -> Counter[str]:
    events = [event async for event in handle.fetch_history_events()]
    names = [e.activity_task_scheduled_event_attributes.activity_type.name for e in events]
    return Counter(name for name in names if name)


async def requests_to(env: FakedEnvironment) -> int:
    launcher = env.environment.client.get_workflow_handle(LAUNCHER)
    events = [event async for event in launcher.fetch_history_events()]
    names = [e.workflow_execution_signaled_event_attributes.signal_name for e in events]
    return names.count("queue_launches")


def launched(env: FakedEnvironment, run: Run) -> Counter[str]:
    ids = [each.launch_id for each in env.fakes.launches]
    return Counter(i for i in ids if i.startswith(run.execution_id))


async def test_many_waves_cost_few_requests_and_each_is_launched_once(
    env: FakedEnvironment,
) -> None:
    run = await env.start(*(wave(f"W{n}") for n in range(_WAVES)))
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert launched(env, run) == {f"{run.execution_id}/w{n}/1/0": 1 for n in range(_WAVES)}
    # The first request starts the launcher.
    assert (await activities_of(run.handle))["queue_launches"] >= 1
    assert await requests_to(env) < _WAVES / 2
    for number in range(_WAVES):
        assert set(await activities_of(run.wave_handle(f"w{number}"))) == {"watch_servers"}


async def test_servers_whose_results_come_before_the_wave_begins_are_watched_once(
    env: FakedEnvironment,
) -> None:
    planned = wave("W0")
    start = WaveInput(
        execution_id="x-2",
        execution_type=ExecutionType.DRILL,
        plan_id="x",
        plan_workflow_id="drs-plan/x",
        wave=planned,
        attempt=1,
        revision=1,
        speed=1.0,
        since=0.0,
        launch_before=time.time() + HOUR,
        account_id=ACCOUNT_ID,
        launches_requested=time.time(),
    )
    job_id = "drsjob-00000000000000001"
    result = LaunchResult(
        launch_id="x-2/w0/1/0",
        job_id=job_id,
        accepted_time=time.time(),
        servers=[
            ServerResult(source_server_id=i, recovery_job_id=job_id) for i in planned.server_ids
        ],
    )
    handle = await env.environment.client.start_workflow(
        WaveWorkflow.run,
        start,
        id="drs-wave/x-2/w0/1",
        task_queue=TASK_QUEUE,
        start_signal="launches_settled",
        start_signal_args=[LaunchesSettled(results=[result])],
    )
    assert (await handle.result()).wave.status is WaveStatus.COMPLETED
    assert (await activities_of(handle))["watch_servers"] == 1


async def test_waves_that_become_ready_together_are_launched_each_with_its_own_role(
    env: FakedEnvironment,
) -> None:
    roles = {f"w{n}": f"arn:aws:iam::{ACCOUNT_ID}:role/role-{n % 3}" for n in range(6)}
    run = await env.start(*(wave(name.upper(), role_arn=role) for name, role in roles.items()))
    assert (await run.end()).status is PlanStatus.COMPLETED
    launched_with = {e.launch_id.split("/")[1]: e.target.role_arn for e in env.fakes.launches}
    assert launched_with == roles


async def test_in_a_burst_tasks_of_launchers_come_first_and_then_those_of_plans(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.launched_after = 0.5
    run = await env.start(wave("W0"))
    assert (await run.end()).status is PlanStatus.COMPLETED
    launcher = env.environment.client.get_workflow_handle(LAUNCHER)
    keys = []
    for handle in (launcher, run.handle, run.wave_handle("w0")):
        event = await anext(aiter(handle.fetch_history_events()))
        started = event.workflow_execution_started_event_attributes
        keys.append(started.priority.priority_key)
    assert keys == sorted(set(keys))


async def test_waves_whose_launches_the_plan_queued_withdraw_them_while_it_is_paused(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.settings, env.fakes.launched_after = Settings(jobs_quota=1, servers_quota=2), HOUR
    run = await env.start(*(wave(f"W{n}") for n in range(_WAVES)))
    await run.until(lambda s: sum(w.status is WaveStatus.IN_PROGRESS for w in s.waves) == 1)
    await run.handle.execute_update("pause", {"actor": "ops"})
    (first,) = [w.wave_id for w in (await run.state()).waves if w.start_time]
    others = [f"w{n}" for n in range(_WAVES) if f"w{n}" != first]
    for wave_id in others:
        await run.wave_until(wave_id, lambda w: "The plan is paused" in w.status_reason)
    await env.fakes.launch_all_now()
    await run.until(lambda s: sum(w.status is WaveStatus.COMPLETED for w in s.waves) == 1)
    assert len(launched(env, run)) == 1
    env.fakes.settings, env.fakes.launched_after = Settings(), 0.5
    await run.handle.execute_update("resume", {"actor": "ops"})
    assert (await run.end()).status is PlanStatus.COMPLETED
    assert set(launched(env, run).values()) == {1}
    assert len(launched(env, run)) == _WAVES


async def test_what_a_wave_withdrew_is_not_launched_when_its_plan_queues_it_later(
    env: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # These waves never start.
    monkeypatch.setattr(launch_activities, "_COMING_SECONDS", 0.1)

    def launches(name: str, *, by_plan: bool) -> WaveLaunches:
        request = LaunchRequest(
            launch_id=f"x-1/{name}/1/0",
            target=Target(region="us-west-2"),
            servers=[Server(source_server_id=server_id(91_000 + ord(name)))],
            is_drill=True,
            since=0.0,
            wave_workflow_id=f"drs-wave/x-1/{name}/1",
            by_plan=by_plan,
        )
        return WaveLaunches(requests=[request], launch_before=time.time() + HOUR)

    client = env.environment.client
    launcher = await client.start_workflow(
        LauncherWorkflow.run,
        LauncherInput(account_id=ACCOUNT_ID, region="us-west-2"),
        id=LAUNCHER,
        task_queue=TASK_QUEUE,
    )
    for name in ("a", "b"):
        withdrawn = WithdrawLaunches(
            wave_workflow_id=f"drs-wave/x-1/{name}/1", launch_ids=[f"x-1/{name}/1/0"]
        )
        await launcher.signal("withdraw_launches", withdrawn)
    by_plan = [launches(name, by_plan=True) for name in ("a", "b", "c")]
    await launcher.signal("queue_launches", QueueLaunches(waves=by_plan))
    # This wave goes on.
    by_wave = [launches("b", by_plan=False)]
    await launcher.signal("queue_launches", QueueLaunches(waves=by_wave))
    await launcher.result()
    assert sorted(each.launch_id for each in env.fakes.launches) == ["x-1/b/1/0", "x-1/c/1/0"]
