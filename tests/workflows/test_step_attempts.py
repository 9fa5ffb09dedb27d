"""Steps of waves that are late, lost, cancelled, accepted or taken over: nothing acts twice."""

from client.start import start_execution
from contract.execution import Takeover
from contract.watch import ServersChanged
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.wave import WaveStatus
from recovery.plan.model import OnFailure, RecoveryPlan
from recovery.steps.state import StepStatus
from tests.workflows.conftest import FakedEnvironment, Run, wave
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
