"""Steps of the real kinds around launches in the local AWS, with faults and killed workers."""

from collections import Counter
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from cli.render.steps import execution_steps
from client.errors import RefusedError
from client.recoveries.step_revert import revert_step, with_reverts
from client.start import start_execution
from client.takeover import previous_execution
from contract.identifiers import plan_workflow_id, step_attempt_id, wave_workflow_id
from contract.steps import StartRevert
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveState, WaveStatus
from recovery.plan.model import OnFailure, RecoveryPlan
from recovery.steps.model import Step
from recovery.steps.replaced import shown_value
from recovery.steps.state import CheckResult, StepState, StepStatus
from settings import get_settings
from storage.history import HistoryTable
from tests.end_to_end.conftest import SPEED, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.customer_worker import TASK_QUEUE
from tests.end_to_end.test_operators import update
from tests.end_to_end.worker_processes import start_worker

# Steps end by themselves long before; a worker's death takes wall-clock seconds.
_TIMEOUT = 160 * SPEED
_UNKNOWN = StepStatus.OUTCOME_UNKNOWN
_SUCCEEDED = StepStatus.SUCCEEDED


def step(step_id: str, **fields: Any) -> Step:
    return Step.model_validate(
        {"StepId": step_id, "When": "BOTH", "TimeoutSeconds": _TIMEOUT} | fields
    )


def step_of(state: ExecutionState, wave: str, step_id: str) -> StepState:
    return next(s for s in wave_of(state, wave).steps if s.step_id == step_id)


def statuses(state: ExecutionState) -> dict[str, StepStatus]:
    return {f"{w.wave_id}.{s.step_id}": s.status for w in state.waves for s in w.steps}


def reasons(state: ExecutionState) -> str:
    """Why waves and steps are as they are."""
    shown = [f"{w.wave_name} {w.status}: {w.status_reason}" for w in state.waves]
    return "\n".join(
        shown + [f"{s.step_id} {s.status}: {s.reason}" for w in state.waves for s in w.steps]
    )


def effects(env: E2eEnvironment) -> Counter[str]:
    """How often each document or function had its effect."""
    details = [each["Details"] for each in env.aws.effects()]
    return Counter(each.get("DocumentName") or each["FunctionName"] for each in details)


async def test_a_drill_runs_its_steps_once_and_in_order_and_each_uses_what_earlier_ones_return(
    env: E2eEnvironment,
) -> None:
    (database,) = servers = env.aws.servers(1)
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(
        Documents=[
            {"Name": "Freeze"} | account,
            {"Name": "Configure", "Type": "Command", "Output": "listens"} | account,
            {"Name": "Promote", "Outputs": {"Endpoint": "db.shop.example"}} | account,
        ],
        Functions=[
            {"FunctionName": "move-traffic", "Answers": [{"Payload": {"Moved": 3}}]} | account
        ],
    )
    promote = {
        "Document": "Promote",
        "Parameters": {"InstanceId": [f"${{Servers.{database}.InstanceId}}"]},
    }
    move = {
        "FunctionName": "move-traffic",
        "Payload": {
            "To": "${Steps.database.promote.Endpoint}",
            "Said": "${Steps.database.set-up.Said}",
        },
    }
    said = {"Said": {"Path": "Output"}}
    plan = env.plan(
        env.wave(
            "Database",
            servers=servers,
            pre_launch_steps=[step("freeze", SsmAutomation={"Document": "Freeze"})],
            post_launch_steps=[
                step("set-up", SsmCommand={"Document": "Configure"}, Outputs=said),
                step(
                    "promote",
                    SsmAutomation=promote,
                    Outputs={"Endpoint": {"Path": "Outputs.Endpoint"}},
                ),
            ],
        ),
        env.wave("Cutover", "Database", servers=0, steps=[
            step("move", Lambda=move, Outputs={"Moved": {"Path": "Moved"}}),
            step("only-real", When="RECOVERY", Lambda=move),
        ]),
    )  # fmt: skip
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED, reasons(state)
    assert statuses(state) == {
        "database.freeze": StepStatus.SUCCEEDED,
        "database.set-up": StepStatus.SUCCEEDED,
        "database.promote": StepStatus.SUCCEEDED,
        "cutover.move": StepStatus.SUCCEEDED,
        "cutover.only-real": StepStatus.NOT_TESTED,
    }
    done = env.aws.effects()
    names = [d["Details"].get("DocumentName") or d["Details"]["FunctionName"] for d in done]
    assert names == ["Freeze", "Configure", "Promote", "move-traffic"]
    (instance,) = env.aws.instances_up(database)
    assert done[2]["Details"]["Parameters"] == {"InstanceId": [instance]}
    assert done[3]["Details"]["Payload"]["To"] == "db.shop.example"
    assert done[3]["Details"]["Payload"]["Said"] == "listens"
    (launch,) = env.aws.accepted_launches(database)
    assert done[0]["Time"] <= launch["Time"] <= done[1]["Time"]
    assert step_of(state, "Cutover", "move").outputs == {"Moved": 3}
    assert wave_of(state, "Cutover").status is WaveStatus.COMPLETED


def of_each_kind(env: E2eEnvironment) -> RecoveryPlan:
    """A wave for each kind that AWS runs, all at once; their effects are named after them."""
    account = {"AccountId": env.aws.account_id}
    functions = [
        {"FunctionName": "lambda"},
        {"FunctionName": "again", "IdempotentBy": "StepAttemptId"},
    ]
    env.aws.apply(
        Documents=[
            {"Name": "Automation"} | account,
            {"Name": "Command", "Type": "Command"} | account,
        ],
        Functions=[each | account for each in functions],
    )
    again = step("again", Lambda={"FunctionName": "again"}, Idempotent=True)
    command = step("command", SsmCommand={"Document": "Command"})
    return env.plan(
        env.wave(
            "A", servers=0, steps=[step("automation", SsmAutomation={"Document": "Automation"})]
        ),
        env.wave("B", post_launch_steps=[command]),
        env.wave("C", servers=0, steps=[step("lambda", Lambda={"FunctionName": "lambda"})]),
        env.wave("D", servers=0, steps=[again]),
    )


_EACH_KIND = ("StartAutomationExecution", "SendCommand", "Invoke")
_ONCE = {"Automation": 1, "Command": 1, "lambda": 1, "again": 1}


def fault_each_kind(env: E2eEnvironment, effect: str, **more: Any) -> None:
    """Have a fault at the start of each step, once."""
    services = {"Invoke": "lambda"}
    fault = {"Effect": effect} | more
    here = [{"Service": services.get(o, "ssm"), "Operation": o} | fault for o in _EACH_KIND]
    env.aws.apply(Faults=[*here, {"Service": "lambda", "Operation": "Invoke"} | fault])


async def decide_on_the_unknown(env: E2eEnvironment, plan: RecoveryPlan) -> ExecutionState:
    """Await that only the outcome of what cannot be looked up is unknown; say that it is done."""
    expected = {
        "a.automation": _SUCCEEDED, "b.command": _SUCCEEDED, "c.lambda": _UNKNOWN,
        "d.again": _SUCCEEDED,
    }  # fmt: skip
    state = await env.until(plan, lambda s: statuses(s) == expected, within=120)
    assert effects(env) == _ONCE
    unknown = step_of(state, "C", "lambda")
    assert unknown.awaits_operator, unknown.reason
    await update(env, plan, "complete_step", {"wave": "c", "step": "lambda", "actor": "ann"})
    state = await env.end(plan, state.execution_id)
    assert state.status is PlanStatus.PARTIAL, reasons(state)
    assert effects(env) == _ONCE
    assert step_of(state, "C", "lambda").actor == "ann"
    return state


async def test_after_a_lost_answer_each_step_has_had_its_effect_once_or_an_operator_is_asked(
    env: E2eEnvironment,
) -> None:
    plan = of_each_kind(env)
    fault_each_kind(env, "answer-lost", Times=1)
    await start_execution(env.client, plan)
    await decide_on_the_unknown(env, plan)


@pytest.mark.slow
async def test_after_the_death_of_a_worker_that_had_begun_each_step_none_has_its_effect_twice(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan = of_each_kind(env)
    fault_each_kind(env, "hold")
    await start_worker(env, "doomed")
    await start_execution(env.client, plan)

    async def all_accepted() -> bool:
        return effects(env) == _ONCE

    await env.eventually(all_accepted)
    env.stack.stop_part("doomed", kill=True)
    env.aws.clear_faults()
    async with RunningWorkers(env):
        await decide_on_the_unknown(env, plan)


async def test_a_cancelled_wave_stops_a_step_only_if_its_plan_says_so(env: E2eEnvironment) -> None:
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(
        Documents=[{"Name": n, "Seconds": 30 * SPEED} | account for n in ("Goes-On", "Ends")]
    )
    plan = env.plan(
        env.wave("A", servers=0, steps=[step("goes-on", SsmAutomation={"Document": "Goes-On"})]),
        env.wave("B", servers=0, steps=[
            step("ends", SsmAutomation={"Document": "Ends"}, OnCancel="STOP"),
        ]),
    )  # fmt: skip
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: all(step.link for w in s.waves for step in w.steps))
    for wave_id in ("a", "b"):
        await update(env, plan, "cancel_wave", {"wave": wave_id, "actor": "ann"})
    state = await env.end(plan, execution_id)
    goes_on, ends = step_of(state, "A", "goes-on"), step_of(state, "B", "ends")
    assert (goes_on.status, goes_on.reason) == (StepStatus.CANCELLED, "left running")
    assert ends.status is StepStatus.CANCELLED
    assert "is being cancelled" in ends.reason
    kinds = [each["Kind"] for each in env.aws.effects()]
    assert kinds.count("ssm.StopAutomationExecution") == 1


async def test_a_customers_own_worker_runs_a_workflow_step_and_its_absence_is_shown(
    env: E2eEnvironment,
) -> None:
    rebuild = {"Type": "Rebuild", "TaskQueue": TASK_QUEUE, "Input": {"Index": "orders"}}
    plan = env.plan(env.wave("Search", servers=0, steps=[
        step("rebuild", Workflow=rebuild, Outputs={"Rebuilt": {"Path": "Rebuilt"}}),
    ]))  # fmt: skip
    execution_id = await start_execution(env.client, plan)
    missing = f"no worker polls task queue {TASK_QUEUE}"
    await env.until(plan, lambda s: missing in step_of(s, "Search", "rebuild").reason)
    await start_worker(env, "customer", module="customer_worker")
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED, reasons(state)
    assert step_of(state, "Search", "rebuild").outputs == {"Rebuilt": "orders"}


async def test_a_later_execution_runs_the_step_that_failed_and_none_that_succeeded(
    env: E2eEnvironment,
) -> None:
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(
        Documents=[
            {"Name": "Freeze"} | account,
            {"Name": "Promote", "Outputs": {"Endpoint": "db.shop.example"}} | account,
            {"Name": "Configure", "Outcome": ["failed", "success"]} | account,
        ]
    )
    endpoint = {"Endpoint": {"Path": "Outputs.Endpoint"}}
    configure = {
        "Document": "Configure",
        "Parameters": {"To": ["${Steps.database.promote.Endpoint}"]},
    }
    plan = env.plan(
        env.wave(
            "Database",
            pre_launch_steps=[step("freeze", SsmAutomation={"Document": "Freeze"})],
            post_launch_steps=[
                step("promote", SsmAutomation={"Document": "Promote"}, Outputs=endpoint),
                step("configure", SsmAutomation=configure),
            ],
        ),
        on_failure=OnFailure.STOP,
    )
    first = await env.run(plan)
    assert first.status is PlanStatus.FAILED, reasons(first)
    previous = await previous_execution(first.execution_id, None, ExecutionType.DRILL)
    second = await env.run(plan, takeover=previous.takeover)
    assert second.status is PlanStatus.COMPLETED, reasons(second)
    assert effects(env) == {"Freeze": 1, "Promote": 1, "Configure": 2}
    sent = [e["Details"]["Parameters"] for e in env.aws.effects()][-1]
    assert sent == {"To": ["db.shop.example"]}
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


@pytest.mark.slow
async def test_what_two_executions_before_had_succeeded_is_not_run_again(
    env: E2eEnvironment,
) -> None:
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(
        Documents=[
            {"Name": "Prepare", "Outcome": ["success", "failed", "success"]} | account,
            {"Name": "Promote"} | account,
            {"Name": "Configure", "Outcome": ["failed", "success"]} | account,
        ]
    )
    prepare = step("prepare", SsmAutomation={"Document": "Prepare"}, Rerun=True)
    promote = step("promote", SsmAutomation={"Document": "Promote"})
    configure = step("configure", SsmAutomation={"Document": "Configure"})
    plan = env.plan(
        env.wave("Network", servers=0, steps=[prepare]),
        env.wave("Database", "Network", servers=0, steps=[promote]),
        env.wave("App", "Database", servers=0, steps=[configure]),
    )
    execution, expected = await env.run(plan), {"Prepare": 1, "Promote": 1, "Configure": 1}
    assert effects(env) == expected, reasons(execution)
    for more in ({"Prepare": 2}, {"Prepare": 3, "Configure": 2}):
        previous = await previous_execution(execution.execution_id, None, ExecutionType.DRILL)
        execution = await env.run(plan, takeover=previous.takeover)
        expected |= more
        assert effects(env) == expected, reasons(execution)
    assert execution.status is PlanStatus.COMPLETED, reasons(execution)


async def test_a_check_that_fails_holds_the_wave_until_an_operator_overrides_it_and_that_is_kept(
    env: E2eEnvironment,
) -> None:
    application = {"Port": 5432, "UpAfterSeconds": "never"}
    servers = env.aws.servers(1, Applications=[application])
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(Documents=[{"Name": "Promote"} | account])
    plan = env.plan(
        env.wave("Database", servers=servers, post_launch_steps=[
            step("reachable", Tcp={"Port": 5432}, TimeoutSeconds=2 * SPEED),
            step("promote", SsmAutomation={"Document": "Promote"}),
        ]),
        env.wave("App", "Database"),
        on_failure=OnFailure.ASK,
    )  # fmt: skip
    execution_id = await start_execution(env.client, plan)
    state = await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.FAILED)
    reachable = step_of(state, "Database", "reachable")
    assert (reachable.status, reachable.result) == (StepStatus.FAILED, CheckResult.FAILED)
    assert "Connection refused" in reachable.reason
    assert "step reachable FAILED" in wave_of(state, "Database").status_reason
    assert effects(env) == {}
    said = {"actor": "ann", "reason": "it listens on 5433"}
    await update(env, plan, "skip_step", {"wave": "database", "step": "reachable"} | said)
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.PARTIAL, reasons(state)
    assert wave_of(state, "Database").status is WaveStatus.PARTIAL
    assert wave_of(state, "App").status is WaveStatus.COMPLETED
    assert effects(env) == {"Promote": 1}
    assert len(env.aws.accepted_launches(servers[0])) == 1
    reachable = step_of(state, "Database", "reachable")
    assert (reachable.status, reachable.actor) == (StepStatus.SKIPPED, "ann")
    assert "it listens on 5433" in reachable.reason
    assert "Connection refused" in reachable.reason


async def test_a_check_passes_once_its_application_is_up_and_only_then_the_next_step_begins(
    env: E2eEnvironment,
) -> None:
    late = {"Port": 8080, "Protocol": "http", "UpAfterSeconds": 2 * SPEED, "Body": "ready"}
    servers = env.aws.servers(2, Applications=[late])
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(Documents=[{"Name": "Open"} | account])
    healthy = {"Port": 8080, "Path": "/health", "Contains": "ready"}
    plan = env.plan(env.wave("Web", servers=servers, post_launch_steps=[
        step("healthy", HttpGet=healthy),
        step("open", SsmAutomation={"Document": "Open"}),
    ]))  # fmt: skip
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED, reasons(state)
    healthy_state = step_of(state, "Web", "healthy")
    assert healthy_state.result is CheckResult.PASSED
    assert healthy_state.end_time is not None
    launched = wave_of(state, "Web").launch_end_time
    assert launched is not None
    assert healthy_state.end_time - launched >= 2
    assert env.aws.effects()[0]["Time"] >= healthy_state.end_time


async def test_the_steps_of_an_accepted_launch_run_on_what_is_up_and_the_wave_stays_failed(
    env: E2eEnvironment,
) -> None:
    (bad,) = env.aws.servers(1, Outcome="failed-early")
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(Documents=[{"Name": "Promote"} | account])
    promote = step("promote", SsmAutomation={"Document": "Promote"})
    database = env.wave("Database", servers=[*env.aws.servers(1), bad], post_launch_steps=[promote])
    plan = env.plan(database, env.wave("App", "Database"), on_failure=OnFailure.ASK)
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.FAILED)
    await update(env, plan, "accept_wave", {"wave": "database", "actor": "ann"})
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.PARTIAL, reasons(state)
    assert wave_of(state, "Database").status is WaveStatus.FAILED
    assert step_of(state, "Database", "promote").status is StepStatus.SUCCEEDED
    assert wave_of(state, "App").status is WaveStatus.COMPLETED
    assert effects(env) == {"Promote": 1}
    server = next(s for s in wave_of(state, "Database").servers if s.source_server_id == bad)
    (launch,) = env.aws.accepted_launches(bad)
    assert (server.launch_status, server.recovery_job_id) == ("FAILED", launch["JobId"])


async def test_a_record_that_a_drill_set_is_put_back_once_it_is_confirmed(
    env: E2eEnvironment,
) -> None:
    name = f"shop-{env.aws.account_id}.example.com"
    zone = {"ZoneId": f"Z{env.aws.account_id}", "Name": f"{name}."}
    before = {"Name": name, "Type": "CNAME", "Ttl": 300, "Values": ["old.example.com"]}
    made = zone | {"AccountId": env.aws.account_id, "ChangeSeconds": SPEED, "Records": [before]}
    env.aws.apply(HostedZones=[made])
    record = {
        "ZoneId": zone["ZoneId"],
        "Name": name,
        "Type": "CNAME",
        "Values": ["new.example.com"],
    }
    plan = env.plan(
        env.wave("Cutover", servers=[], steps=[step("dns", Route53Record=record)]),
    )
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED, reasons(state)
    look = StartRevert(
        execution_id=state.execution_id, plan_id=plan.plan_id, step="cutover/dns", actor="ops"
    )
    view = (await revert_step(env.client, look)).view
    assert view.now == view.set_to != view.was
    unconfirmed = look.model_copy(update={"view": view})
    with pytest.raises(RefusedError, match="cutover/dns"):
        await revert_step(env.client, unconfirmed)
    confirmed = unconfirmed.model_copy(update={"confirmation": "cutover/dns"})
    table = HistoryTable(get_settings())
    known = await table.execution(state.execution_id)
    assert known is not None
    assert known[0].steps_to_put_back == ["cutover/dns"]
    text = "\n".join(execution_steps(known[0], now=0, width=200))
    assert "is INSYNC" in text
    assert f"changed {shown_value(view.was)} → {shown_value(view.set_to)}" in text
    await revert_step(env.client, confirmed)
    recorded = await table.execution(state.execution_id)
    assert recorded is not None
    assert recorded[0].steps_to_put_back == []
    (done,) = step_of(recorded[0], "Cutover", "dns").reverts
    assert (done.actor, done.replaced, done.put_back) == ("ops", view.set_to, view.was)
    # The state in Temporal does not have it by itself.
    merged = await with_reverts(table, state)
    assert step_of(merged, "Cutover", "dns").reverts == [done]
    assert f"by ops: {done.change}" in "\n".join(execution_steps(merged, now=0, width=200))
    after = (await revert_step(env.client, look)).view
    assert after.now == after.was == view.was
    with pytest.raises(RefusedError, match="already as it was"):
        await revert_step(env.client, confirmed.model_copy(update={"view": after}))


def promoted_and_moved(env: E2eEnvironment, *, seconds: float) -> RecoveryPlan:
    """A wave that runs an automation for a while, and then a function."""
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(
        Documents=[{"Name": "Promote", "Seconds": seconds * SPEED} | account],
        Functions=[{"FunctionName": "move-traffic"} | account],
    )
    steps = [
        step("promote", SsmAutomation={"Document": "Promote"}),
        step("move", Lambda={"FunctionName": "move-traffic"}),
    ]
    return env.plan(env.wave("Cutover", servers=0, steps=steps))


async def terminate_while_it_promotes(env: E2eEnvironment, plan: RecoveryPlan) -> str:
    """Start a plan, and terminate its workflow in Temporal; its wave lives on."""
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: step_of(s, "Cutover", "promote").link)
    await env.client.get_workflow_handle(plan_workflow_id(plan.plan_id)).terminate("a mistake")
    return execution_id


async def test_a_wave_whose_plan_was_terminated_begins_no_step_beside_the_next_execution(
    env: E2eEnvironment,
) -> None:
    plan = promoted_and_moved(env, seconds=6)
    first = await terminate_while_it_promotes(env, plan)
    # Temporal has another execution under the plan's workflow ID, which takes nothing over.
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED, reasons(state)
    orphan = env.client.get_workflow_handle(wave_workflow_id(first, "cutover", 1))
    with pytest.raises(WorkflowFailureError):
        await orphan.result()
    shown = await orphan.query("status", result_type=WaveState)
    assert [s.status for s in shown.steps] == [_SUCCEEDED, StepStatus.NOT_RUN]
    assert shown.steps[1].reason == "the plan has ended"
    assert effects(env) == {"Promote": 2, "move-traffic": 1}


async def test_an_execution_that_continues_a_terminated_one_takes_up_what_its_wave_runs(
    env: E2eEnvironment,
) -> None:
    plan = promoted_and_moved(env, seconds=6)
    first = await terminate_while_it_promotes(env, plan)
    previous = await previous_execution(first, None, ExecutionType.DRILL)
    state = await env.run(plan, takeover=previous.takeover)
    assert state.status is PlanStatus.COMPLETED, reasons(state)
    promote = step_of(state, "Cutover", "promote")
    assert (promote.attempt, promote.attempt_id) == (
        1,
        step_attempt_id(first, "cutover", "promote", 1),
    )
    orphan = env.client.get_workflow_handle(wave_workflow_id(first, "cutover", 1))
    with pytest.raises(WorkflowFailureError):
        await orphan.result()
    assert effects(env) == {"Promote": 1, "move-traffic": 1}


async def test_a_function_that_a_terminated_execution_invokes_is_not_invoked_again_unasked(
    env: E2eEnvironment,
) -> None:
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(Functions=[{"FunctionName": "move-traffic"} | account])
    fault = {"Service": "lambda", "Operation": "Invoke", "Effect": "hold"}
    env.aws.apply(Faults=[fault])
    move = step("move", Lambda={"FunctionName": "move-traffic"})
    plan = env.plan(env.wave("Cutover", servers=0, steps=[move]))
    first = await start_execution(env.client, plan)

    async def is_invoked() -> bool:
        return effects(env) == {"move-traffic": 1}

    await env.eventually(is_invoked)
    await env.client.get_workflow_handle(plan_workflow_id(plan.plan_id)).terminate("a mistake")
    previous = await previous_execution(first, None, ExecutionType.DRILL)
    execution_id = await start_execution(env.client, plan, takeover=previous.takeover)
    state = await env.until(plan, lambda s: step_of(s, "Cutover", "move").awaits_operator)
    assert step_of(state, "Cutover", "move").status is _UNKNOWN
    env.aws.clear_faults()
    await update(env, plan, "complete_step", {"wave": "cutover", "step": "move", "actor": "ann"})
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.PARTIAL, reasons(state)
    assert effects(env) == {"move-traffic": 1}
