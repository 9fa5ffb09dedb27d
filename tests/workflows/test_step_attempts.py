"""Steps of waves that are late, lost, cancelled, accepted or taken over: nothing acts twice."""

import asyncio
import contextlib
from collections.abc import Sequence

from temporalio.client import WorkflowUpdateFailedError

from client.start import start_execution
from contract.execution import ExecutionRun, Takeover
from contract.identifiers import new_execution_id, wave_workflow_id
from contract.steps import StepResult
from contract.watch import ServersChanged
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import OnFailure, RecoveryPlan
from recovery.steps.state import StepStatus
from tests.workflows.conftest import FakedEnvironment, Run, last_task, reset, wave
from tests.workflows.fake_activities import HOUR, NEVER
from tests.workflows.test_steps import (
    FAILED,
    UNKNOWN,
    act,
    manual,
    steps,
    tell,
    until,
    wave_of_steps,
)
from workflows.history_repair import HistoryRepairWorkflow


async def test_no_late_step_begins_while_the_plan_is_paused(env: FakedEnvironment) -> None:
    env.fakes.launched_after = 3 * HOUR
    late = wave("Database", post_launch_steps=steps(act("promote")), timeout_seconds=HOUR)
    run = await env.start(late, wave_of_steps("Other", manual("wait")))
    await run.wave_until("database", lambda w: w.start_time)
    await env.environment.sleep(2 * HOUR)
    await until(run, lambda s: s.waves[0].status is WaveStatus.TIMED_OUT)
    await tell(run, "pause")
    await env.environment.sleep(1.5 * HOUR)
    await run.wave_until("database", lambda w: w.launched_count == 2)
    shown = await run.wave_until(
        "database", lambda w: "resume" in w.status_reason or w.steps[0].attempt
    )
    assert not env.fakes.steps.begun(), shown.status_reason
    await tell(run, "resume")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    await tell(run, "complete_step", wave="other", outputs={"Ticket": "1"})
    await run.end()
    assert env.fakes.steps.begun() == ["database/promote/1"]


async def test_a_late_step_that_began_before_a_retry_is_taken_up_by_it(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 3 * HOUR
    late = wave("Database", post_launch_steps=steps(act("promote")), timeout_seconds=HOUR)
    run = await env.start(late, wave_of_steps("Other", manual("wait")))
    await run.wave_until("database", lambda w: w.start_time)
    await env.environment.sleep(2 * HOUR)
    await until(run, lambda s: s.waves[0].status is WaveStatus.TIMED_OUT)
    await tell(run, "pause")
    await tell(run, "retry_wave", wave="database")
    await env.environment.sleep(1.5 * HOUR)
    await run.wave_until("database", lambda w: w.launched_count == 2)
    await tell(run, "resume")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    await tell(run, "complete_step", wave="other", outputs={"Ticket": "1"})
    await run.end()
    calls = env.fakes.steps.calls
    assert len(calls) == 1 or all(call.possibly_sent for call in calls[1:])


async def test_a_step_that_was_skipped_before_its_turn_is_skipped_in_a_later_attempt_too(
    env: FakedEnvironment,
) -> None:
    run = await env.start(
        wave_of_steps("Cutover", manual("first"), act("second")),
        wave_of_steps("Other", manual("wait")),
    )
    await until(run, lambda s: len(s.open_decisions) == 2)
    assert "second is skipped" in await tell(run, "skip_step", wave="cutover", step="second")
    await tell(run, "cancel_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].status is WaveStatus.CANCELLED)
    await tell(run, "retry_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].attempt == 2 and s.waves[0].has_step_for_operator)
    await tell(run, "complete_step", wave="cutover", outputs={"Ticket": "1"})
    await until(run, lambda s: s.waves[0].status.is_settled)
    await tell(run, "complete_step", wave="other", outputs={"Ticket": "1"})
    state = await run.end()
    assert env.fakes.steps.begun() == []
    assert state.waves[0].status is WaveStatus.PARTIAL


async def test_a_cancelled_wave_whose_accepted_launch_had_steps_releases_nothing(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = NEVER
    env.fakes.steps.running.add("promote")
    database = wave("Database", post_launch_steps=steps(act("promote")))
    run = await env.start(database, wave("App", "Database"), wave_of_steps("Other", manual("wait")))
    await run.wave_until("database", lambda w: w.start_time)
    await until(run, lambda s: s.waves[0].status in (WaveStatus.IN_PROGRESS, WaveStatus.TIMED_OUT))
    await tell(run, "accept_wave", wave="database")
    await run.wave_until("database", lambda w: w.steps[0].link)
    await tell(run, "cancel_wave", wave="database")
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.CANCELLED)
    assert state.waves[1].status is WaveStatus.SKIPPED, state.waves[1].status_reason


async def test_a_lost_wave_whose_accepted_launch_had_steps_releases_nothing(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.launched_after = NEVER
    env.fakes.steps.running.add("promote")
    database = wave("Database", post_launch_steps=steps(act("promote")))
    run = await env.start(
        database,
        wave("App", "Database"),
        wave_of_steps("Other", manual("wait")),
        on_failure=OnFailure.ASK,
    )
    await run.wave_until("database", lambda w: w.start_time)
    await until(run, lambda s: s.waves[0].status in (WaveStatus.IN_PROGRESS, WaveStatus.TIMED_OUT))
    await tell(run, "accept_wave", wave="database")
    await run.wave_until("database", lambda w: w.steps[0].link)
    await run.wave_handle("database").terminate()
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    assert state.waves[1].status is WaveStatus.WAITING, state.waves[1].status_reason


async def test_a_step_of_a_lost_wave_is_decided_for_its_next_attempt(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.steps.running.add("promote")
    run = await env.start(
        wave_of_steps("Cutover", act("promote"), act("dns")),
        wave_of_steps("Other", manual("wait")),
    )
    await run.wave_until("cutover", lambda w: w.steps[0].link)
    await until(run, lambda s: s.waves[0].steps[0].link)
    await run.wave_handle("cutover").terminate()
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    env.fakes.steps.running.clear()
    await tell(run, "complete_step", wave="cutover", step="promote")
    await until(run, lambda s: s.waves[0].status is WaveStatus.PARTIAL)
    assert env.fakes.steps.begun()[:1] == ["cutover/promote/1"]
    assert [each for each in env.fakes.steps.begun() if "promote" in each] == ["cutover/promote/1"]
    assert state.waves[0].steps[0].status is StepStatus.OUTCOME_UNKNOWN


async def test_an_operator_runs_a_step_again_of_a_wave_that_was_lost_before(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.steps.running.add("promote")
    run = await env.start(
        wave_of_steps("Cutover", act("promote")), wave_of_steps("Other", manual("wait"))
    )
    await until(run, lambda s: s.waves[0].steps[0].link)
    await run.wave_handle("cutover").terminate()
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    env.fakes.steps.running.clear()
    env.fakes.steps.starts["promote"] = [UNKNOWN]
    await tell(run, "retry_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].has_step_for_operator)
    assert "attempt 2" in await tell(run, "rerun_step", wave="cutover")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    assert [c.possibly_sent for c in env.fakes.steps.calls] == [False, True, False]


async def test_servers_of_an_earlier_job_complete_no_wave_whose_first_step_runs(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.running.add("freeze")
    database = wave("Database", pre_launch_steps=steps(act("freeze")))
    env.fakes.launched_before = [
        ServerResult(
            source_server_id=server_id,
            launch_status=LaunchStatus.IN_PROGRESS,
            recovery_job_id="drsjob-1",
        )
        for server_id in database.server_ids
    ]
    plan = RecoveryPlan(
        plan_id="continued", region="us-west-2", waves=[database, wave("App", "Database")]
    )
    takeover = Takeover(execution_id="continued-1", since=0.0)
    execution_id = await start_execution(env.environment.client, plan, takeover=takeover)
    run = Run(env.environment, plan, execution_id)
    await run.wave_until("database", lambda w: w.launched_count == 2 and w.steps[0].link)
    shown = await run.wave("database")
    assert shown.status is WaveStatus.IN_PROGRESS, shown.status_reason
    env.fakes.steps.running.clear()
    state = await run.end()
    assert [each.status for each in state.waves] == [WaveStatus.COMPLETED] * 2
    assert len(env.fakes.launches) == 1


async def test_a_retry_of_the_wave_runs_no_step_again_that_succeeded_whatever_rerun_says(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.results["second"] = [FAILED]
    run = await env.start(
        wave_of_steps("Cutover", act("first", Rerun=True), act("second")),
        wave_of_steps("Other", manual("wait")),
    )
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    await tell(run, "retry_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    assert env.fakes.steps.begun() == ["cutover/first/1", "cutover/second/1", "cutover/second/2"]


async def test_the_outputs_of_a_step_completed_after_its_wave_had_failed_are_known(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.results["promote"] = [FAILED]
    run = await env.start(
        wave_of_steps("Cutover", act("promote", Outputs={"Endpoint": {"Path": "a"}}), act("dns")),
        wave_of_steps("Other", manual("wait")),
    )
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    await tell(
        run, "complete_step", wave="cutover", step="promote", outputs={"Endpoint": "db.local"}
    )
    await until(run, lambda s: s.waves[0].status is WaveStatus.PARTIAL)
    assert env.fakes.steps.calls[-1].outputs["cutover.promote"] == {"Endpoint": "db.local"}


async def test_an_attempt_that_waits_for_an_approval_knows_what_the_one_before_it_began(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 3 * HOUR
    late = wave(
        "Database",
        post_launch_steps=steps(act("promote")),
        timeout_seconds=HOUR,
        approval_required=True,
    )
    run = await env.start(late, wave_of_steps("Other", manual("wait")))
    await tell(run, "approve_wave", wave="database", expires_in_seconds=1800)
    await run.wave_until("database", lambda w: w.start_time)
    await env.environment.sleep(2 * HOUR)
    await until(run, lambda s: s.waves[0].status is WaveStatus.TIMED_OUT)
    await tell(run, "retry_wave", wave="database")
    await until(run, lambda s: s.waves[0].status is WaveStatus.WAITING)
    env.fakes.steps.running.add("promote")
    await env.environment.sleep(1.5 * HOUR)
    await run.wave_until("database", lambda w: w.steps[0].link)
    await tell(run, "approve_wave", wave="database")
    env.fakes.steps.running.clear()
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    calls = env.fakes.steps.calls
    assert all(call.possibly_sent for call in calls[1:]), env.fakes.steps.begun()


async def test_a_cancelled_step_that_could_not_be_stopped_is_not_begun_anew(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.running.add("stopped")
    env.fakes.steps.not_stopped = "run-1 had ended"
    run = await env.start(
        wave_of_steps("Two", act("stopped", OnCancel="STOP")),
        wave_of_steps("Other", manual("wait")),
    )
    await run.wave_until("two", lambda w: w.steps[0].link)
    await tell(run, "cancel_wave", wave="two")
    await until(run, lambda s: s.waves[0].status is WaveStatus.CANCELLED)
    env.fakes.steps.running.clear()
    await tell(run, "retry_wave", wave="two")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    assert [c.attempt for c in env.fakes.steps.calls] == [1, 1]


async def test_a_wave_is_cancelled_at_once_while_a_server_is_not_verified_yet(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = NEVER
    env.fakes.steps.running.add("promote")
    database = wave("Database", post_launch_steps=steps(act("promote")))
    run = await env.start(database, wave_of_steps("Other", manual("wait")))
    shown = await run.wave_until("database", lambda w: w.servers[0].recovery_job_id)
    up = {"launch_status": LaunchStatus.LAUNCHED, "verified": Verified.UNKNOWN, "end_time": 1.0}
    servers = [each.model_copy(update=up) for each in shown.servers]
    await run.wave_handle("database").signal("servers_changed", ServersChanged(servers=servers))
    await run.wave_until("database", lambda w: w.steps[0].link)
    await tell(run, "cancel_wave", wave="database")
    await until(run, lambda s: s.waves[0].status is WaveStatus.CANCELLED)


async def test_an_optional_step_that_failed_does_not_run_again_for_a_decision_about_another(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.results |= {"notify": [FAILED], "promote": [FAILED]}
    run = await env.start(
        wave_of_steps("Cutover", act("notify", Impact="OPTIONAL"), act("promote")),
        wave_of_steps("Other", manual("wait")),
    )
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    await tell(run, "rerun_step", wave="cutover", step="promote")
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.PARTIAL)
    assert env.fakes.steps.begun() == ["cutover/notify/1", "cutover/promote/1", "cutover/promote/2"]
    assert state.waves[0].steps[0].status is StepStatus.FAILED
    assert "connection refused" in state.waves[0].steps[0].reason


async def test_an_optional_step_that_failed_runs_again_if_an_operator_asks_for_it(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.results |= {"notify": [FAILED], "promote": [FAILED]}
    run = await env.start(
        wave_of_steps("Cutover", act("notify", Impact="OPTIONAL"), act("promote")),
        wave_of_steps("Other", manual("wait")),
    )
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    await tell(run, "rerun_step", wave="cutover", step="notify")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    assert env.fakes.steps.begun()[2:] == ["cutover/notify/2", "cutover/promote/2"]


async def test_a_running_step_that_an_operator_completes_or_fails_is_said_to_run_on(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.running |= {"first", "second"}
    run = await env.start(
        wave_of_steps("Cutover", act("first"), act("second")),
        wave_of_steps("Other", manual("wait")),
    )
    await until(run, lambda s: s.waves[0].steps[0].link)
    await tell(run, "complete_step", wave="cutover", step="first", reason="seen in the console")
    await until(run, lambda s: s.waves[0].steps[1].link)
    await tell(run, "fail_step", wave="cutover", step="second")
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    assert [step.left_running for step in state.waves[0].steps] == [True, True]
    assert "completed by ops: seen in the console; left running" in state.waves[0].steps[0].reason
    env.fakes.steps.running.clear()
    await tell(run, "retry_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].status is WaveStatus.PARTIAL)
    # It is looked up, because it may still run.
    assert env.fakes.steps.begun() == ["cutover/first/1", "cutover/second/1", "cutover/second/1"]
    assert env.fakes.steps.calls[-1].possibly_sent


async def test_a_step_that_fails_after_an_accepted_launch_fails_its_wave_while_a_server_is_open(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 10 * HOUR
    env.fakes.steps.results["promote"] = [FAILED]
    database = wave("Database", post_launch_steps=steps(act("promote")), timeout_seconds=5 * HOUR)
    run = await env.start(database, wave_of_steps("Other", manual("wait")))
    await run.wave_until("database", lambda w: w.start_time)
    await until(run, lambda s: s.waves[0].status is WaveStatus.IN_PROGRESS)
    await tell(run, "accept_wave", wave="database")
    state = await until(run, lambda s: s.waves[0].status.is_settled)
    assert state.waves[0].status is WaveStatus.FAILED
    assert "step promote FAILED: connection refused" in state.waves[0].status_reason
    assert state.waves[0].end_time == state.waves[0].steps[0].end_time
    assert not any(server.is_final for server in state.waves[0].servers)
    await env.fakes.launch_all_now()
    await env.environment.sleep(0.5 * HOUR)
    shown = await run.wave_until("database", lambda w: w.launched_count == 2)
    assert shown.status is WaveStatus.FAILED


async def test_servers_of_an_earlier_job_are_watched_also_after_a_step_before_the_launch_failed(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.results["freeze"] = [FAILED]
    env.fakes.watch_fails_for = HOUR
    database = wave("Database", pre_launch_steps=steps(act("freeze")))
    env.fakes.launched_before = [
        ServerResult(
            source_server_id=server_id,
            launch_status=LaunchStatus.IN_PROGRESS,
            recovery_job_id="drsjob-1",
        )
        for server_id in database.server_ids
    ]
    plan = RecoveryPlan(plan_id="watched", region="us-west-2", waves=[database])
    takeover = Takeover(execution_id="watched-1", since=0.0)
    execution_id = await start_execution(env.environment.client, plan, takeover=takeover)
    run = Run(env.environment, plan, execution_id)
    state = await run.end()
    assert state.waves[0].status is WaveStatus.FAILED
    await run.ended(run.wave_handle("database"))
    shown = env.fakes.recorded("database")
    assert (shown.status, shown.launched_count) == (WaveStatus.FAILED, 2)


async def test_a_wave_that_is_lost_before_its_first_report_runs_no_step_again_that_was_taken_over(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    first = await env.start(wave_of_steps("Cutover", act("promote")))
    ended = await first.end()
    env.fakes.steps_before = {"cutover": ended.waves[0].steps}
    plan = first.plan.model_copy(update={"on_failure": OnFailure.ASK})
    plan.waves.append(wave_of_steps("Other", manual("wait")))
    takeover = Takeover(execution_id=first.execution_id, since=0.0)
    execution_id = new_execution_id(plan.plan_id)
    # In the place of the wave's first attempt: a workflow that ends without a report.
    lost = await env.environment.client.start_workflow(
        HistoryRepairWorkflow.run,
        ExecutionRun(execution_id="none", workflow_id="none", run_id="none"),
        id=wave_workflow_id(execution_id, "cutover", 1),
        task_queue="nobody",
    )
    await lost.terminate()
    await start_execution(
        env.environment.client, plan, takeover=takeover, execution_id=execution_id
    )
    run = Run(env.environment, plan, execution_id)
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    await tell(run, "retry_wave", wave="cutover")
    state = await until(run, lambda s: s.waves[0].status.is_settled and s.waves[0].attempt == 2)
    assert state.waves[0].status is WaveStatus.COMPLETED
    assert env.fakes.steps.begun() == ["cutover/promote/1"]


async def test_a_plan_that_was_reset_knows_what_the_steps_of_its_running_waves_returned(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.asks_waves = True
    env.fakes.steps.results["promote"] = [
        StepResult(status=StepStatus.SUCCEEDED, outputs={"Endpoint": "db.local"})
    ]
    named = {"Parameters": {"To": ["${Steps.database.promote.Endpoint}"]}, "Document": "D"}
    run = await env.start(
        wave_of_steps(
            "Database", act("promote", Outputs={"Endpoint": {"Path": "a"}}), manual("check")
        ),
        wave_of_steps("Cutover", act("dns", SsmAutomation=named), after="database"),
    )
    await until(run, lambda s: s.waves[0].has_step_for_operator)
    await reset(run.handle)
    await until(run, lambda s: s.waves[0].has_step_for_operator)
    await tell(run, "complete_step", wave="database", outputs={"Ticket": "1"})
    assert (await run.end()).waves[1].status is WaveStatus.COMPLETED
    assert env.fakes.steps.calls[-1].outputs["database.promote"] == {"Endpoint": "db.local"}


async def test_what_an_operator_asks_for_again_runs_also_in_a_wave_that_was_reset(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.steps.starts["promote"] = [UNKNOWN, UNKNOWN]
    run = await env.start(wave_of_steps("Cutover", act("promote")))
    await until(run, lambda s: s.waves[0].has_step_for_operator)
    await reset(run.wave_handle("cutover"))
    await run.wave_until("cutover", lambda w: len(env.fakes.steps.calls) == 2 and w.steps[0].status)
    await run.wave_until("cutover", lambda w: w.has_step_for_operator)
    async with asyncio.timeout(60):
        # The plan takes it once the wave has reported that it asks again.
        while True:
            with contextlib.suppress(WorkflowUpdateFailedError):
                await tell(run, "rerun_step", wave="cutover")
                break
    await run.wave_until("cutover", lambda w: w.steps[0].status is StepStatus.SUCCEEDED)
    calls = [(c.attempt, c.possibly_sent) for c in env.fakes.steps.calls]
    assert calls == [(1, False), (1, True), (2, False)]


async def test_what_was_run_again_before_a_reset_is_looked_up_after_it(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.steps.starts["promote"] = [UNKNOWN]
    env.fakes.steps.running.add("promote")
    run = await env.start(wave_of_steps("Cutover", act("promote")))
    await until(run, lambda s: s.waves[0].has_step_for_operator)
    handle = run.wave_handle("cutover")
    asked = await last_task(handle)
    await tell(run, "rerun_step", wave="cutover")
    await run.wave_until("cutover", lambda w: w.steps[0].link)
    await reset(handle, to_task=asked)
    await run.wave_until("cutover", lambda w: len(env.fakes.steps.calls) == 3 and w.steps[0].link)
    env.fakes.steps.running.clear()
    await run.wave_until("cutover", lambda w: w.steps[0].status is StepStatus.SUCCEEDED)
    calls = [(c.attempt, c.possibly_sent) for c in env.fakes.steps.calls]
    assert calls == [(1, False), (2, False), (2, True)]


def up(server_ids: Sequence[str], instance_id: str) -> list[ServerResult]:
    """Servers that an earlier execution launched."""
    return [
        ServerResult(
            source_server_id=server_id,
            launch_status=LaunchStatus.LAUNCHED,
            recovery_job_id="drsjob-1",
            recovery_instance_id=instance_id,
            end_time=1.0,
        )
        for server_id in server_ids
    ]


async def continued(env: FakedEnvironment, plan: RecoveryPlan, before: ExecutionState) -> Run:
    """Start an execution that takes over another one."""
    env.fakes.steps_before = {wave.wave_id: wave.steps for wave in before.waves}
    takeover = Takeover(execution_id=before.execution_id, since=0.0)
    execution_id = await start_execution(env.environment.client, plan, takeover=takeover)
    return Run(env.environment, plan, execution_id)


async def test_a_cutover_to_an_instance_that_was_replaced_is_run_again_by_a_later_execution(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    web = wave("Web")
    (server_id, *_) = web.server_ids
    payload = {"FunctionName": "f", "Payload": {"To": f"${{Servers.{server_id}.InstanceId}}"}}
    move = {"StepId": "move", "When": "BOTH", "Lambda": payload}
    plan = RecoveryPlan(
        plan_id="cutover",
        region="us-west-2",
        waves=[web, wave_of_steps("Cutover", move, after="web")],
    )
    execution = ExecutionState.begin(
        plan, execution_id="cutover-1", execution_type=ExecutionType.DRILL, started_by="o", now=0.0
    )
    for instance_id in ("i-1", "i-1", "i-2"):
        env.fakes.launched_before = up(list(web.server_ids), instance_id)
        run = await continued(env, plan, execution)
        execution = await run.end()
        assert execution.waves[1].status is WaveStatus.COMPLETED
    assert env.fakes.steps.begun() == ["cutover/move/1", "cutover/move/2"]
    assert [call.servers[0].instance_id for call in env.fakes.steps.calls] == ["i-1", "i-2"]


async def test_a_step_left_running_for_an_instance_that_was_replaced_is_asked_about(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    database = wave("Database", post_launch_steps=steps(act("promote")))
    plan = RecoveryPlan(plan_id="cutover", region="us-west-2", waves=[database])
    execution = ExecutionState.begin(
        plan, execution_id="cutover-1", execution_type=ExecutionType.DRILL, started_by="o", now=0.0
    )
    env.fakes.launched_before = up(list(database.server_ids), "i-1")
    execution = await (await continued(env, plan, execution)).end()
    execution.waves[0].steps[0].status = StepStatus.RUNNING
    env.fakes.launched_before = up(list(database.server_ids), "i-2")
    run = await continued(env, plan, execution)
    state = await until(run, lambda s: s.waves[0].steps[0].status is StepStatus.OUTCOME_UNKNOWN)
    assert "for other recovery instances" in state.waves[0].steps[0].reason
    assert env.fakes.steps.begun() == ["database/promote/1"]
    await tell(run, "rerun_step", wave="database", step="promote")
    assert (await run.end()).waves[0].status is WaveStatus.COMPLETED
    assert env.fakes.steps.begun() == ["database/promote/1", "database/promote/2"]
    assert env.fakes.steps.calls[-1].servers[0].instance_id == "i-2"


async def test_a_cutover_is_run_again_by_a_later_execution_only_if_it_gets_another_value(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server

    def returned(*endpoints: str) -> list[StepResult]:
        return [
            StepResult(status=StepStatus.SUCCEEDED, outputs={"Endpoint": each, "Token": str(n)})
            for n, each in enumerate(endpoints)
        ]

    env.fakes.steps.results["promote"] = returned("a", "a", "b")
    outputs = {"Endpoint": {"Path": "a"}, "Token": {"Path": "b", "Secret": True}}
    named = ["${Steps.database.promote.Endpoint}", "${Steps.database.promote.Token}"]
    dns = act("dns", SsmAutomation={"Document": "D", "Parameters": {"To": named}})
    database = wave_of_steps("Database", act("promote", Outputs=outputs, Rerun=True))
    run = await env.start(database, wave_of_steps("Cutover", dns, after="database"))
    execution = await run.end()
    for _ in range(2):
        run = await continued(env, run.plan, execution)
        execution = await run.end()
        shown = [(w.status, w.status_reason) for w in execution.waves]
        assert execution.status is PlanStatus.COMPLETED, shown
    promoted = [f"database/promote/{n}" for n in (1, 2, 3)]
    assert env.fakes.steps.begun() == [promoted[0], "cutover/dns/1", *promoted[1:], "cutover/dns/2"]


async def test_no_step_acts_with_the_mask_of_a_secret_that_an_earlier_execution_returned(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.steps.results["promote"] = [
        StepResult(status=StepStatus.SUCCEEDED, outputs={"Token": "s3cret", "Endpoint": "a"})
    ]
    env.fakes.steps.results["dns"] = [FAILED]
    outputs = {"Endpoint": {"Path": "a"}, "Token": {"Path": "b", "Secret": True}}
    named = {"Document": "D", "Parameters": {"With": ["${Steps.database.promote.Token}"]}}
    run = await env.start(
        wave_of_steps("Database", act("promote", Outputs=outputs)),
        wave_of_steps("Cutover", act("dns", SsmAutomation=named), after="database"),
    )
    run = await continued(env, run.plan, await run.end())
    await run.end()
    first, second = [call.outputs for call in env.fakes.steps.calls if call.wave_id == "cutover"]
    assert first == {"database.promote": {"Token": "s3cret", "Endpoint": "a"}}
    assert second == {"database.promote": {"Endpoint": "a"}}
