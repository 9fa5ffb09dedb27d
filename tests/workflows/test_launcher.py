"""The launcher: all executions' launches under the quotas, and nothing lost on the way."""

import asyncio
import time
from typing import Any

import pytest
from temporalio.api.enums.v1 import PendingActivityState, WorkflowTaskFailedCause
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from contract.identifiers import launcher_workflow_id
from contract.launch import (
    LaunchAnswer,
    LauncherInput,
    LaunchRequest,
    LaunchWaiting,
    QueueLaunches,
    WaveLaunches,
    WithdrawLaunches,
)
from contract.temporal import TASK_QUEUE
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaitingFor, WaveStatus
from recovery.launch.admission import Quotas
from recovery.launch.queue import MIN_GATHER_POLLS, RunningJobs
from recovery.plan.model import Server, Target
from settings import Settings
from tests.recovery.plans import server_id
from tests.workflows import fake_activities
from tests.workflows.conftest import FakedEnvironment, Run, last_task, reset, wave
from tests.workflows.fake_activities import ACCOUNT_ID, HOUR, NEVER
from workflows.launcher.workflow import LauncherWorkflow

LAUNCHER = launcher_workflow_id(ACCOUNT_ID, "us-west-2")
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/other"
_MOST_LOOKS = 20


def plans_of(batches: list[list[str]]) -> list[set[str]]:
    """Which executions shared each job."""
    return [{launch_id.partition("/")[0] for launch_id in batch} for batch in batches]


async def all_ended(*runs: Run) -> None:
    for run in runs:
        assert (await run.end()).status is PlanStatus.COMPLETED


# Once a plan has ended before the workflow of its wave, the time-skipping server skips no more time
# for the other plans: it waits for the closed plan to take note of its child's end.


async def test_waves_of_several_plans_share_a_job_where_jobs_are_scarce(
    env_on_real_server: FakedEnvironment,
) -> None:
    fakes = env_on_real_server.fakes
    fakes.settings, fakes.launched_after = Settings(jobs_quota=1), HOUR
    first = await env_on_real_server.start(wave("First"))
    await first.wave_until("first", lambda w: w.start_time)
    second, third = (
        await env_on_real_server.start(wave("Second")),
        await env_on_real_server.start(wave("Third")),
    )
    for run, name in ((second, "second"), (third, "third")):
        waiting = await run.wave_until(name, lambda w: w.waiting_for is WaitingFor.QUOTA)
        assert waiting.status is WaveStatus.WAITING
        assert waiting.status_reason == "Waiting for quota: 1 of 1 jobs are in progress"
    fakes.launched_after = 0.5
    await fakes.launch_all_now()
    await all_ended(first, second, third)
    assert plans_of(fakes.batches) == [
        {first.execution_id},
        {second.execution_id, third.execution_id},
    ]


async def test_a_launcher_that_was_reset_after_shared_jobs_goes_on(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.settings, env.fakes.launched_after = Settings(jobs_quota=1), 0.5
    run = await env.start(*(wave(f"W{n}") for n in range(6)))
    await all_ended(run)
    launcher = env.environment.client.get_workflow_handle(LAUNCHER)
    await reset(launcher, to_task=await last_task(launcher))
    await all_ended(await env.start(*(wave(f"V{n}") for n in range(6))))
    await assert_only_reset_failed(launcher)
    assert max(map(len, env.fakes.batches)) > 1
    launched = [i for batch in env.fakes.batches for i in batch]
    assert len(launched) == len(set(launched))


async def assert_only_reset_failed(handle: WorkflowHandle[Any, Any]) -> None:
    """No task has failed but the one at which the workflow was reset."""
    events = [event async for event in handle.fetch_history_events()]
    failed = [e.workflow_task_failed_event_attributes for e in events]
    causes = {each.cause for each in failed if each.cause}
    assert causes == {WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW}


@pytest.mark.slow
async def test_priority_goes_first_then_an_rto_at_risk_then_the_longest_chain(
    env_on_real_server: FakedEnvironment,
) -> None:
    fakes = env_on_real_server.fakes
    fakes.settings, fakes.launched_after = Settings(jobs_quota=1, servers_quota=2), HOUR
    first = await env_on_real_server.start(wave("First"))
    await first.wave_until("first", lambda w: w.start_time)
    short = await env_on_real_server.start(wave("Short"))
    long = await env_on_real_server.start(wave("Long"), wave("Later", "Long"))
    late = await env_on_real_server.start(wave("Late"), RTO=1)
    urgent = await env_on_real_server.start(wave("Urgent"), priority=1)
    for run, name in ((short, "short"), (long, "long"), (late, "late"), (urgent, "urgent")):
        await run.wave_until(name, lambda w: w.waiting_for is WaitingFor.QUOTA)
    fakes.launched_after = 0.5
    await fakes.launch_all_now()
    await all_ended(first, urgent, late, long, short)
    order = [batch[0].split("/")[1] for batch in fakes.batches]
    assert order[:4] == ["first", "urgent", "late", "long"]


@pytest.mark.slow
async def test_launches_gather_longer_when_fewer_jobs_are_left(
    env_on_real_server: FakedEnvironment,
) -> None:
    fakes = env_on_real_server.fakes
    fakes.settings, fakes.launched_after = Settings(jobs_quota=4), HOUR
    for name in ("first", "second", "third", "fourth"):
        run = await env_on_real_server.start(wave(name.title()))
        await run.wave_until(name, lambda w: w.start_time)
    least = MIN_GATHER_POLLS
    assert fakes.gathers[0] == pytest.approx(least)
    assert max(fakes.gathers) > 10 * least
    run = await env_on_real_server.start(wave("Fifth"))
    await run.wave_until("fifth", lambda w: w.waiting_for is WaitingFor.QUOTA)
    # None is left, so nothing is gained by waiting.
    assert fakes.gathers[-1] == pytest.approx(least)


@pytest.mark.slow
async def test_a_wave_that_waits_for_quota_is_not_timed_out(
    env_on_real_server: FakedEnvironment,
) -> None:
    fakes = env_on_real_server.fakes
    fakes.settings, fakes.launched_after = Settings(jobs_quota=1), HOUR
    first = await env_on_real_server.start(wave("First"))
    await first.wave_until("first", lambda w: w.start_time)
    timeout = 5.0
    second = await env_on_real_server.start(wave("Second", timeout_seconds=timeout))
    await second.wave_until("second", lambda w: w.waiting_for is WaitingFor.QUOTA)
    await asyncio.sleep(timeout + 1)
    assert (await second.wave("second")).status is WaveStatus.WAITING
    fakes.launched_after = 0.5
    await fakes.launch_all_now()
    await all_ended(first, second)
    (late,) = (await second.state()).waves
    assert late.start_time is not None
    assert late.completion_duration is not None
    assert late.completion_duration < timeout


async def test_a_terminated_launcher_gets_the_request_again_and_searches_the_job_first(
    env: FakedEnvironment,
) -> None:
    env.fakes.accepted_after = NEVER
    run = await env.start(wave("Database"))
    await run.wave_until("database", lambda w: w.waiting_for is WaitingFor.QUOTA)
    await env.environment.client.get_workflow_handle(LAUNCHER).terminate()
    env.fakes.accepted_after = 0.0
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    (launched,) = env.fakes.launches
    assert launched.possibly_sent


@pytest.mark.slow
async def test_jobs_that_the_role_of_a_launch_cannot_read_are_not_taken_for_none(
    env_on_real_server: FakedEnvironment,
) -> None:
    fakes = env_on_real_server.fakes
    fakes.settings, fakes.launched_after = Settings(jobs_quota=1), HOUR
    fakes.unread_by = [ROLE]
    first = await env_on_real_server.start(wave("First"))
    await first.wave_until("first", lambda w: w.start_time)
    second = await env_on_real_server.start(wave("Second", role_arn=ROLE))
    waiting = await second.wave_until("second", lambda w: w.waiting_for is WaitingFor.QUOTA)
    assert waiting.status_reason == (
        "Waiting for quota: 1 of 1 jobs are in progress. The jobs in progress cannot be read now: "
        "DescribeJobs: AccessDeniedException"
    )
    # A role that can read them reads them for all.
    third = await env_on_real_server.start(wave("Third"))
    await third.wave_until("third", lambda w: w.waiting_for is WaitingFor.QUOTA)
    await second.wave_until("second", lambda w: "cannot be read" not in w.status_reason)
    fakes.launched_after = 0.5
    await fakes.launch_all_now()
    await all_ended(first, second, third)


async def test_an_answer_for_a_lost_launcher_has_its_launch_requested_again_at_once(
    env_on_real_server: FakedEnvironment,
) -> None:
    env_on_real_server.fakes.accepted_after = NEVER
    run = await env_on_real_server.start(wave("Database"))
    await run.wave_until("database", lambda w: w.waiting_for is WaitingFor.QUOTA)
    await env_on_real_server.environment.client.get_workflow_handle(LAUNCHER).terminate()
    env_on_real_server.fakes.accepted_after, env_on_real_server.fakes.launched_after = 0.0, 0.5
    answer = LaunchAnswer(launch_id=f"{run.execution_id}/database/1/0")
    await run.wave_handle("database").signal("answer_launch", answer)
    await all_ended(run)
    (launched,) = env_on_real_server.fakes.launches
    assert launched.possibly_sent


async def test_a_repeated_request_is_answered_with_what_its_launch_waits_for(
    env_on_real_server: FakedEnvironment,
) -> None:
    env_on_real_server.fakes.accepted_after = NEVER
    run = await env_on_real_server.start(wave("Database"))
    state = await run.wave_until("database", lambda w: w.waiting_for is WaitingFor.QUOTA)
    stuck = LaunchWaiting(launch_id="", waiting_for=WaitingFor.LAUNCH, reason="stuck")
    await run.wave_handle("database").signal("launch_waiting", stuck)
    await run.wave_until("database", lambda w: w.waiting_for is WaitingFor.LAUNCH)
    request = LaunchRequest(
        launch_id=f"{run.execution_id}/database/1/0",
        target=Target(region="us-west-2"),
        servers=[Server(source_server_id=server_id(90_001))],
        is_drill=True,
        since=0.0,
        wave_workflow_id=run.wave_handle("database").id,
    )
    again = QueueLaunches(
        waves=[WaveLaunches(requests=[request], launch_before=time.time() + HOUR)]
    )
    launcher = env_on_real_server.environment.client.get_workflow_handle(LAUNCHER)
    await launcher.signal("queue_launches", again)
    answered = await run.wave_until("database", lambda w: w.waiting_for is WaitingFor.QUOTA)
    assert answered.status_reason == state.status_reason


async def test_a_launch_requested_twice_is_made_once_and_malformed_signals_change_nothing(
    env: FakedEnvironment,
) -> None:
    run = await env.start(wave("Database"))
    launcher = env.environment.client.get_workflow_handle(LAUNCHER)
    await run.wave_until("database", lambda w: w.start_time)
    for name in ("queue_launches", "withdraw_launches", "answer_launch", "batch_progress"):
        await launcher.signal(name, "nonsense")
        await launcher.signal(name)
    request = LaunchRequest(
        launch_id="x-1/x/1/0",
        target=Target(region="us-west-2"),
        servers=[Server(source_server_id=server_id(90_000))],
        is_drill=True,
        since=0.0,
        wave_workflow_id="drs-wave/x-1/x/1",
    )
    wanted = QueueLaunches(
        waves=[WaveLaunches(requests=[request], launch_before=time.time() + HOUR)]
    )
    env.fakes.accepted_after = HOUR / 10
    await launcher.signal("queue_launches", wanted)
    await launcher.signal("queue_launches", wanted)
    withdrawn = WithdrawLaunches(wave_workflow_id="drs-wave/x-1/x/1", launch_ids=["y-1/y/1/0"])
    await launcher.signal("withdraw_launches", withdrawn)
    await all_ended(run)
    await run.ended(launcher)
    ids = [each.launch_id for each in env.fakes.launches]
    assert sorted(ids) == sorted([f"{run.execution_id}/database/1/0", request.launch_id])


# The test server lets no time pass once an activity is called off between two tries.


async def test_a_withdrawn_launch_is_removed_and_the_others_of_its_job_are_launched(
    env_on_real_server: FakedEnvironment,
) -> None:
    env_on_real_server.fakes.settings = Settings(jobs_quota=1)
    env_on_real_server.fakes.accepted_after, env_on_real_server.fakes.launched_after = NEVER, 0.5
    cancelled = await env_on_real_server.start(wave("First"), wave("Second"))
    others = await env_on_real_server.start(wave("Third"))
    for run, name in ((cancelled, "first"), (cancelled, "second"), (others, "third")):
        await run.wave_until(name, lambda w: w.waiting_for is WaitingFor.QUOTA)
    await cancelled.handle.cancel()
    await cancelled.end()
    assert {w.status for w in (await cancelled.state()).waves} == {WaveStatus.CANCELLED}
    env_on_real_server.fakes.accepted_after = 0
    await all_ended(others)
    launched = {each.launch_id.partition("/")[0] for each in env_on_real_server.fakes.launches}
    assert launched == {others.execution_id}


async def test_a_launch_that_fails_while_it_is_withdrawn_is_made_after_the_resume(
    env_on_real_server: FakedEnvironment,
) -> None:
    # An attempt that fails before its cancellation has reached it is not tried again by Temporal.
    launcher = env_on_real_server.environment.client.get_workflow_handle(LAUNCHER)
    started, withdrawn = asyncio.Event(), asyncio.Event()

    async def fail_once() -> None:
        if withdrawn.is_set():
            return
        started.set()
        while not await _is_calling_off(launcher):
            await asyncio.sleep(0.05)
        withdrawn.set()
        raise ApplicationError("the launch was cancelled, so DRS was not called")

    env_on_real_server.fakes.launched_after = 0.5
    env_on_real_server.fakes.before_launch = fail_once
    run = await env_on_real_server.start(wave("Database"))
    async with asyncio.timeout(60):
        await started.wait()
    await run.handle.signal("pause", {"Actor": "ada", "Reason": "look"})
    async with asyncio.timeout(60):
        await withdrawn.wait()
    await run.handle.signal("resume", {"Actor": "ada", "Reason": "go"})
    await all_ended(run)
    assert len(env_on_real_server.fakes.launches) == 1


async def test_an_answer_that_there_is_no_job_counts_for_one_call_only(
    env_on_real_server: FakedEnvironment,
) -> None:
    launcher = env_on_real_server.environment.client.get_workflow_handle(LAUNCHER)
    started = asyncio.Event()
    calls = 0

    async def stay_in_doubt_twice() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            started.set()
            while not await _is_calling_off(launcher):
                await asyncio.sleep(0.05)
        if calls <= 2:
            raise ApplicationError("it is not known what DRS made of it", non_retryable=True)

    env_on_real_server.fakes.launched_after = 0.5
    env_on_real_server.fakes.before_launch = stay_in_doubt_twice
    run = await env_on_real_server.start(wave("Database"))
    async with asyncio.timeout(60):
        await started.wait()
    answer = LaunchAnswer(launch_id=f"{run.execution_id}/database/1/0")
    await launcher.signal("answer_launch", answer)
    await all_ended(run)
    (launched,) = env_on_real_server.fakes.launches
    assert calls == 3
    # The call after the answer may have had its effect, so its job is searched.
    assert (launched.answer, launched.possibly_sent) == (None, True)


async def test_a_long_history_continues_as_new_with_the_whole_queue(
    env_on_real_server: FakedEnvironment,
) -> None:
    env_on_real_server.fakes.settings = Settings(jobs_quota=1)
    env_on_real_server.fakes.launched_after = 0.5
    handle = await env_on_real_server.environment.client.start_workflow(
        LauncherWorkflow.run,
        LauncherInput(account_id=ACCOUNT_ID, region="us-west-2", max_history_events=30),
        id=LAUNCHER,
        task_queue=TASK_QUEUE,
    )
    runs = [
        await env_on_real_server.start(wave(f"Wave{n}"), wave(f"Next{n}", f"Wave{n}"))
        for n in range(6)
    ]
    await all_ended(*runs)
    assert len(env_on_real_server.fakes.launches) == 12
    described = await env_on_real_server.environment.client.get_workflow_handle(LAUNCHER).describe()
    assert described.run_id != handle.first_execution_run_id


async def _is_calling_off(launcher: WorkflowHandle[Any, Any]) -> bool:
    """Whether Temporal has been asked to cancel what the launcher runs."""
    described = (await launcher.describe()).raw_description
    state = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    return any(pending.state == state for pending in described.pending_activities)


async def test_a_worker_whose_clock_is_hours_ahead_does_not_hold_up_launches(
    env: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def seen(
        *, time: float, jobs: dict[str, int], listed: list[str], quotas: Quotas
    ) -> RunningJobs:
        nonlocal looks
        looks += 1
        # What is not believed is read again at once, for ever: with the twentieth look it ends.
        ahead = 6 * HOUR if looks == 1 or looks >= _MOST_LOOKS else 0.0
        return RunningJobs(time=time + ahead, jobs=jobs, listed=listed, quotas=quotas)

    monkeypatch.setattr(fake_activities, "RunningJobs", seen)
    fakes: Any = env.fakes
    fakes.settings = Settings(jobs_quota=1)
    now = (await env.environment.get_current_time()).timestamp()
    # Somebody else's job takes the only place for ten minutes.
    fakes._in_progress["drsjob-others"] = 1
    fakes._arrivals["drsjob-others"] = now + 600
    run = await env.start(wave("Database"))
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert 1 < looks < _MOST_LOOKS
    begun = state.waves[0].start_time
    assert begun is not None
    assert begun - state.start_time < HOUR
