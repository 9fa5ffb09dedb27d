"""Steps in the workflows of plans and waves: their order, results, decisions and attempts."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from client.start import start_execution
from contract.execution import Takeover
from contract.steps import StartedStep, StartOutcome, StepResult
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveState, WaveStatus
from recovery.plan.model import Dependency, OnFailure, RecoveryPlan, RecoveryRules, Wave
from recovery.steps.model import Step
from recovery.steps.state import CheckResult, StepStatus
from tests.workflows.conftest import FakedEnvironment, Run, wave
from tests.workflows.fake_activities import HOUR, NEVER

FAILED = StepResult(status=StepStatus.FAILED, reason="connection refused")
UNKNOWN = StartedStep(outcome=StartOutcome.UNKNOWN, reason="no answer")


def check(step_id: str, **fields: Any) -> dict[str, Any]:
    return {"StepId": step_id, "Tcp": {"Port": 5432}} | fields


def act(step_id: str, **fields: Any) -> dict[str, Any]:
    return {"StepId": step_id, "When": "BOTH", "SsmAutomation": {"Document": "Promote"}} | fields


def manual(step_id: str, **fields: Any) -> dict[str, Any]:
    asked = {"Instruction": "Move the traffic", "Inputs": [{"Name": "Ticket"}]}
    return {"StepId": step_id, "When": "BOTH", "Manual": asked} | fields


def steps(*given: dict[str, Any]) -> list[Step]:
    return [Step.model_validate(each) for each in given]


def wave_of_steps(name: str, *given: dict[str, Any], after: str = "") -> Wave:
    return Wave(
        wave_id=name.lower(),
        wave_name=name,
        servers=[],
        region="us-west-2",
        steps=steps(*given),
        dependencies=[Dependency(depends_on_wave_id=after)] if after else [],
    )


def statuses(shown: WaveState) -> dict[str, StepStatus]:
    return {step.step_id: step.status for step in shown.steps}


async def until(run: Run, condition: Callable[[ExecutionState], object]) -> ExecutionState:
    """Await a state of the plan, without skipping time."""
    async with asyncio.timeout(60):
        while not condition(state := await run.state()):
            await asyncio.sleep(0.05)
    return state


async def tell(run: Run, name: str, **fields: Any) -> str:
    """Send a message as an update; its effect."""
    return str(await run.handle.execute_update(name, {"actor": "ops", **fields}))


async def test_steps_run_in_order_around_the_launch_and_complete_the_wave(
    env: FakedEnvironment,
) -> None:
    database = wave(
        "Database",
        pre_launch_steps=steps(act("freeze")),
        post_launch_steps=steps(check("reachable"), act("promote")),
    )
    cutover = wave_of_steps("Cutover", act("dns"), after="database")
    run = await env.start(database, cutover)
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED, state.status_reason
    assert env.fakes.steps.begun() == [
        "database/freeze/1",
        "database/reachable/1",
        "database/promote/1",
        "cutover/dns/1",
    ]
    shown, last = state.waves
    assert set(statuses(shown).values()) == {StepStatus.SUCCEEDED}
    freeze, reachable, promote = shown.steps
    times = [freeze.end_time, shown.start_time, shown.launch_end_time, reachable.start_time]
    assert times == sorted(each for each in times if each is not None)
    assert shown.end_time == promote.end_time
    assert (reachable.result, promote.link) == (CheckResult.PASSED, "https://console/run-1")
    assert last.start_time == last.steps[0].start_time
    assert len(env.fakes.launches) == 1
    recorded = env.fakes.recorded("database")
    assert statuses(recorded) == statuses(shown)


async def test_what_a_step_returns_is_known_to_later_ones_and_a_secret_is_masked(
    env: FakedEnvironment,
) -> None:
    outputs = {"Outputs": {"Endpoint": {"Path": "a"}, "Password": {"Path": "b", "Secret": True}}}
    env.fakes.steps.results["promote"] = [
        StepResult(status=StepStatus.SUCCEEDED, outputs={"Endpoint": "db.local", "Password": "x1"})
    ]
    named = {"Parameters": {"To": ["${Steps.database.promote.Password}"]}, "Document": "D"}
    run = await env.start(
        wave("Database", post_launch_steps=steps(act("promote", **outputs))),
        wave_of_steps("Cutover", act("dns", SsmAutomation=named), after="database"),
    )
    state = await run.end()
    assert state.waves[0].steps[0].outputs == {"Endpoint": "db.local", "Password": "********"}
    assert env.fakes.steps.calls[-1].outputs["database.promote"]["Password"] == "x1"
    assert "x1" not in state.model_dump_json()
    assert "x1" not in env.fakes.recorded("database").model_dump_json()


async def test_a_failed_step_fails_its_wave_and_a_retry_begins_at_it_and_launches_nothing(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 0
    env.fakes.steps.results["reachable"] = [FAILED]
    database = wave(
        "Database",
        post_launch_steps=steps(act("first"), check("reachable"), act("promote")),
        retries=3,
    )
    run = await env.start(database, wave("App", "Database"), on_failure=OnFailure.ASK)
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    shown = state.waves[0]
    assert "step reachable FAILED: connection refused" in shown.status_reason
    assert statuses(shown)["promote"] is StepStatus.NOT_RUN
    await tell(run, "retry_wave", wave="database")
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED, state.status_reason
    assert env.fakes.steps.begun() == [
        "database/first/1",
        "database/reachable/1",
        "database/reachable/2",
        "database/promote/1",
    ]
    assert [launch.launch_id.split("/")[1] for launch in env.fakes.launches] == ["database", "app"]


async def test_an_operator_overrides_a_check_that_fails_and_the_result_says_so(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 0
    env.fakes.steps.running.add("reachable")
    database = wave("Database", post_launch_steps=steps(check("reachable"), act("promote")))
    run = await env.start(database, wave("App", "Database"))
    await until(run, lambda s: statuses(s.waves[0])["reachable"] is StepStatus.RUNNING)
    effect = await tell(run, "skip_step", wave="database", reason="checked by hand")
    assert "step reachable is skipped, step promote is next" in effect
    state = await run.end()
    shown = state.waves[0]
    assert (state.status, shown.status) == (PlanStatus.PARTIAL, WaveStatus.PARTIAL)
    assert "skipped by ops: checked by hand" in shown.status_reason
    assert statuses(shown)["promote"] is StepStatus.SUCCEEDED
    assert state.waves[1].status is WaveStatus.COMPLETED


async def test_a_manual_step_is_asked_for_and_completed_with_what_it_asks(
    env: FakedEnvironment,
) -> None:
    run = await env.start(wave_of_steps("Cutover", manual("traffic")))
    state = await until(run, lambda s: s.open_decisions)
    (decision,) = state.open_decisions
    assert (decision.kind, decision.step_id) == (DecisionKind.STEP, "traffic")
    assert "waits for an operator" in state.waves[0].status_reason
    rejected = await refused(run, "complete_step", wave="cutover")
    assert "it asks for Ticket" in rejected
    await tell(run, "complete_step", wave="cutover", outputs={"Ticket": "CHG-1"})
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert state.waves[0].steps[0].outputs == {"Ticket": "CHG-1"}
    assert state.waves[0].steps[0].actor == "ops"


async def test_a_manual_step_that_nobody_completes_in_time_fails(env: FakedEnvironment) -> None:
    run = await env.start(wave_of_steps("Cutover", manual("traffic", DecisionSeconds=600.0)))
    state = await run.end()
    assert state.status is PlanStatus.FAILED
    assert statuses(state.waves[0]) == {"traffic": StepStatus.TIMED_OUT}
    assert "nobody decided within 600 s" in state.waves[0].status_reason


async def test_a_manual_step_that_timed_out_still_says_what_it_asks_for(
    env: FakedEnvironment,
) -> None:
    run = await env.start(
        wave_of_steps("Cutover", manual("traffic", DecisionSeconds=1.0)),
        wave_of_steps("Announce", act("mail"), after="cutover"),
        on_failure=OnFailure.ASK,
    )
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    (step,) = state.waves[0].steps
    assert (step.status, step.awaits_operator) == (StepStatus.TIMED_OUT, False)
    assert step.manual is not None
    assert step.manual.instruction == "Move the traffic"
    assert "it asks for Ticket" in await refused(run, "complete_step", wave="cutover")
    await tell(run, "complete_step", wave="cutover", outputs={"Ticket": "CHG-1"})
    state = await run.end()
    (step,) = state.waves[0].steps
    assert (step.outputs, step.manual) == ({"Ticket": "CHG-1"}, None)


@pytest.mark.parametrize("has_ended", [False, True], ids=["running", "failed"])
async def test_a_secret_that_an_operator_gives_is_masked_and_known_to_later_steps(
    env: FakedEnvironment, *, has_ended: bool
) -> None:
    outputs = {"Outputs": {"Endpoint": {"Path": "a"}, "Password": {"Path": "b", "Secret": True}}}
    given = {"Endpoint": "db.local", "Password": "x1"}
    if has_ended:
        env.fakes.steps.results["promote"] = [FAILED]
    else:
        env.fakes.steps.starts["promote"] = [UNKNOWN]
    named = {"Parameters": {"To": ["${Steps.cutover.promote.Password}"]}, "Document": "D"}
    run = await env.start(
        wave_of_steps("Cutover", act("promote", **outputs)),
        wave_of_steps("Dns", act("dns", SsmAutomation=named), after="cutover"),
        on_failure=OnFailure.ASK,
    )
    await until(run, lambda s: s.open_decisions)
    await tell(run, "complete_step", wave="cutover", step="promote", outputs=given)
    state = await run.end()
    masked = {"Endpoint": "db.local", "Password": "********"}
    assert state.waves[0].steps[0].outputs == masked
    assert env.fakes.steps.calls[-1].outputs["cutover.promote"] == given
    assert "x1" not in state.model_dump_json()
    assert "x1" not in env.fakes.recorded("cutover").model_dump_json()


async def test_a_step_of_unknown_outcome_is_never_run_again_by_itself(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.starts["promote"] = [UNKNOWN, UNKNOWN]
    run = await env.start(wave_of_steps("Cutover", act("promote", Retries=5)))
    await until(run, lambda s: s.open_decisions)
    assert env.fakes.steps.begun() == ["cutover/promote/1"]
    assert "attempt 2" in await tell(run, "rerun_step", wave="cutover")
    await until(run, lambda s: s.open_decisions and s.open_decisions[0].attempt == 2)
    await tell(run, "complete_step", wave="cutover", reason="seen in the console")
    state = await run.end()
    assert env.fakes.steps.begun() == ["cutover/promote/1", "cutover/promote/2"]
    assert (state.status, state.waves[0].status) == (PlanStatus.PARTIAL, WaveStatus.PARTIAL)
    ids = [call.attempt_id for call in env.fakes.steps.calls]
    assert len(set(ids)) == 2


async def test_a_step_is_retried_as_its_plan_says_and_only_after_a_failure(
    env: FakedEnvironment,
) -> None:
    timed_out = StepResult(status=StepStatus.TIMED_OUT, reason="not done within 600 s")
    env.fakes.steps.results |= {"first": [FAILED, FAILED], "second": [timed_out]}
    run = await env.start(
        wave_of_steps("Cutover", act("first", Retries=2), act("second", Retries=2))
    )
    state = await run.end()
    assert env.fakes.steps.begun() == [
        "cutover/first/1",
        "cutover/first/2",
        "cutover/first/3",
        # It may still run.
        "cutover/second/1",
    ]
    assert statuses(state.waves[0])["second"] is StepStatus.TIMED_OUT


async def test_an_optional_step_that_fails_makes_its_wave_partial(env: FakedEnvironment) -> None:
    env.fakes.steps.results["report"] = [FAILED]
    run = await env.start(wave_of_steps("Cutover", act("report", Impact="OPTIONAL"), act("dns")))
    state = await run.end()
    assert state.waves[0].status is WaveStatus.PARTIAL
    assert statuses(state.waves[0])["dns"] is StepStatus.SUCCEEDED


async def test_a_drill_leaves_out_what_only_a_recovery_runs(env: FakedEnvironment) -> None:
    run = await env.start(
        wave("Database", post_launch_steps=steps(act("promote", When="RECOVERY"))),
        wave_of_steps("Cutover", act("dns", When="RECOVERY"), after="database"),
    )
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert env.fakes.steps.calls == []
    for shown in state.waves:
        assert set(statuses(shown).values()) == {StepStatus.NOT_TESTED}
        assert "1 step NOT_TESTED" in shown.status_reason


async def test_a_cancelled_wave_leaves_its_step_running_unless_its_plan_says_stop(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.running |= {"left", "stopped"}
    run = await env.start(
        wave_of_steps("One", act("left"), act("later")),
        wave_of_steps("Two", act("stopped", OnCancel="STOP")),
    )
    for wave_id in ("one", "two"):
        await run.wave_until(wave_id, lambda w: w.steps[0].link)
        await tell(run, "cancel_wave", wave=wave_id)
    state = await run.end()
    one, two = state.waves
    assert {one.status, two.status} == {WaveStatus.CANCELLED}
    assert (one.steps[0].status, one.steps[0].reason) == (StepStatus.CANCELLED, "left running")
    assert one.steps[1].status is StepStatus.NOT_RUN
    assert (two.steps[0].reason, env.fakes.steps.stopped) == ("stopped", ["stopped"])


async def test_a_step_left_running_is_taken_up_under_its_own_attempt(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.running.add("promote")
    run = await env.start(
        wave_of_steps("Cutover", act("promote")), wave_of_steps("Other", manual("wait"))
    )
    await run.wave_until("cutover", lambda w: w.steps[0].link)
    await tell(run, "cancel_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].status is WaveStatus.CANCELLED)
    env.fakes.steps.running.clear()
    await tell(run, "retry_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    await tell(run, "complete_step", wave="other", outputs={"Ticket": "1"})
    assert (await run.end()).status is PlanStatus.COMPLETED
    first, second = env.fakes.steps.calls
    assert first.attempt_id == second.attempt_id
    assert (first.possibly_sent, second.possibly_sent) == (False, True)


async def test_a_retry_of_the_wave_takes_up_what_may_still_run(env: FakedEnvironment) -> None:
    timed_out = StepResult(status=StepStatus.TIMED_OUT, reason="not done within 600 s")
    env.fakes.steps.results["promote"] = [timed_out]
    run = await env.start(
        wave_of_steps("Cutover", act("promote")), wave_of_steps("Other", manual("wait"))
    )
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    await tell(run, "retry_wave", wave="cutover")
    await until(run, lambda s: s.waves[0].status is WaveStatus.COMPLETED)
    await tell(run, "complete_step", wave="other", outputs={"Ticket": "1"})
    assert (await run.end()).status is PlanStatus.COMPLETED
    first, second = env.fakes.steps.calls
    assert first.attempt_id == second.attempt_id
    assert second.possibly_sent


async def test_no_step_begins_while_the_plan_is_paused_or_after_its_deadline(
    env: FakedEnvironment,
) -> None:
    env.fakes.steps.running.add("first")
    run = await env.start(
        wave_of_steps("Cutover", act("first"), act("second")), deadline_seconds=2 * HOUR
    )
    await run.wave_until("cutover", lambda w: w.steps[0].link)
    await tell(run, "pause")
    env.fakes.steps.running.clear()
    await run.wave_until("cutover", lambda w: "waits for resume" in w.status_reason)
    assert env.fakes.steps.begun() == ["cutover/first/1"]
    state = await run.end()
    assert env.fakes.steps.begun() == ["cutover/first/1"]
    assert state.waves[0].status is WaveStatus.FAILED
    assert "not begun before the plan's deadline" in state.waves[0].status_reason


async def test_an_accepted_launch_runs_its_steps_before_what_depends_on_it(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = NEVER
    database = wave("Database", post_launch_steps=steps(act("promote")), timeout_seconds=HOUR)
    run = await env.start(database, wave("App", "Database"), on_failure=OnFailure.ASK)
    await run.wave_until("database", lambda w: w.start_time)
    env.fakes.steps.running.add("promote")
    await until(run, lambda s: s.waves[0].status in (WaveStatus.IN_PROGRESS, WaveStatus.TIMED_OUT))
    await tell(run, "accept_wave", wave="database")
    await run.wave_until("database", lambda w: w.steps[0].link)
    assert (await run.state()).waves[1].status is WaveStatus.WAITING
    env.fakes.launched_after = 0
    env.fakes.steps.running.clear()
    await until(run, lambda s: s.waves[1].has_workflow)
    state = await run.end()
    assert (state.status, state.waves[1].status) == (PlanStatus.PARTIAL, WaveStatus.COMPLETED)
    assert len(env.fakes.launches) == 2


async def test_servers_that_are_up_after_the_plans_end_have_no_steps(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 3 * HOUR
    database = wave("Database", post_launch_steps=steps(act("promote")), timeout_seconds=HOUR)
    run = await env.start(database)
    assert (await run.end()).status is PlanStatus.FAILED
    await run.ended(run.wave_handle("database"))
    shown = env.fakes.recorded("database")
    assert (shown.status, shown.late) == (WaveStatus.TIMED_OUT, False)
    assert shown.status_reason == "servers are up late, steps not run"
    assert statuses(shown) == {"promote": StepStatus.NOT_RUN}
    assert env.fakes.steps.calls == []


async def test_servers_that_are_up_late_have_their_steps_while_the_plan_is_open(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 3 * HOUR
    late = wave("Database", post_launch_steps=steps(act("promote")), timeout_seconds=HOUR)
    run = await env.start(late, wave_of_steps("Other", manual("wait")), wave("App", "Database"))
    await run.wave_until("database", lambda w: w.start_time)
    await env.environment.sleep(2 * HOUR)
    await until(run, lambda s: s.waves[0].status is WaveStatus.TIMED_OUT)
    env.fakes.launched_after = 0
    await env.environment.sleep(1.5 * HOUR)
    await until(run, lambda s: s.waves[2].has_workflow)
    await tell(run, "complete_step", wave="other", outputs={"Ticket": "1"})
    state = await run.end()
    assert (state.waves[0].status, state.waves[0].late) == (WaveStatus.COMPLETED, True)
    assert state.status is PlanStatus.COMPLETED


async def test_a_step_that_was_skipped_after_its_wave_had_failed_lets_the_rest_run(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 0
    env.fakes.steps.results["reachable"] = [FAILED]
    database = wave("Database", post_launch_steps=steps(check("reachable"), act("promote")))
    run = await env.start(database, wave("App", "Database"), on_failure=OnFailure.ASK)
    await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    effect = await tell(run, "skip_step", wave="database", step="reachable")
    assert "attempt 2 of Database launches nothing that is up" in effect
    state = await run.end()
    assert (state.waves[0].status, state.status) == (WaveStatus.PARTIAL, PlanStatus.PARTIAL)
    assert env.fakes.steps.begun() == ["database/reachable/1", "database/promote/1"]


async def test_a_later_execution_runs_no_step_again_that_succeeded_for_the_same_instances(
    env_on_real_server: FakedEnvironment,
) -> None:
    env = env_on_real_server
    env.fakes.launched_after = 0
    database = wave("Database", post_launch_steps=steps(act("kept"), act("again", Rerun=True)))
    first = await env.start(database)
    ended = await first.end()
    before = ended.waves[0]
    env.fakes.launched_before = before.servers
    env.fakes.steps_before = {"database": before.steps}
    takeover = Takeover(execution_id=first.execution_id, since=0.0)
    env.fakes.steps.calls.clear()
    execution_id = await start_execution(env.environment.client, first.plan, takeover=takeover)
    second = Run(env.environment, first.plan, execution_id)
    await until(second, lambda s: s.execution_id == execution_id)
    state = await second.end()
    assert state.execution_id == execution_id
    assert state.status is PlanStatus.COMPLETED, state.status_reason
    assert env.fakes.steps.begun() == ["database/again/2"]
    assert len(env.fakes.launches) == 1


async def refused(run: Run, name: str, **fields: Any) -> str:
    """Send a message that is rejected; why."""
    try:
        await tell(run, name, **fields)
    except Exception as error:
        return str(error.__cause__)
    raise AssertionError(f"{name} was accepted")


async def test_nothing_is_launched_before_the_sources_are_fenced_or_an_operator_overrides_it(
    env: FakedEnvironment,
) -> None:
    env.fakes.launched_after = 0
    env.fakes.steps.results["fence"] = [FAILED]
    plan = RecoveryPlan(
        plan_id="fenced",
        region="us-west-2",
        on_failure=OnFailure.CONTINUE,
        recovery=RecoveryRules(fence_first=True),
        waves=[wave("Database", pre_launch_steps=steps(act("fence"))), wave("App", "Database")],
    )
    execution_id = await start_execution(
        env.environment.client,
        plan,
        execution_type=ExecutionType.RECOVERY,
        confirmation="fenced",
    )
    run = Run(env.environment, plan, execution_id)
    state = await until(run, lambda s: s.waves[0].status is WaveStatus.FAILED)
    assert state.waves[1].status is not WaveStatus.PENDING
    assert not env.fakes.launches
    effect = await tell(run, "skip_step", wave="database", step="fence", reason="power is off")
    assert "step fence did not stop the source servers" in effect
    state = await run.end()
    assert [launch.launch_id.split("/")[1] for launch in env.fakes.launches] == ["database", "app"]
    assert [each.status for each in state.waves] == [WaveStatus.PARTIAL, WaveStatus.COMPLETED]
