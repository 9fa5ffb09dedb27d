"""Writing to the Temporal namespace is not enough to run a step, or to complete one."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from client.start import start_execution
from contract.identifiers import (
    plan_workflow_id,
    step_attempt_id,
    wave_workflow_id,
)
from contract.steps import StartedStep, StepAnswer, StepCall, StepServer
from contract.temporal import STEP_TASK_QUEUE, TASK_QUEUE
from contract.wave import AcceptLaunch, WaveInput
from recovery.access.audit import AuditPlace
from recovery.access.grants import SignedRequest
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus, RefusalCode
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan, Wave
from recovery.steps.model import Step, StepPhase
from recovery.steps.state import StepOverride, StepStatus
from security.audit_log import AuditFile, AuditLog
from settings import get_settings
from tests.end_to_end.conftest import REGION, SPEED, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.test_signed_requests import Keys, keys, signed_message
from workflows.wave.workflow import WaveWorkflow

assert keys, "the fixture"
COMMAND = {"Document": "Configure"}


def step(step_id: str, when: str = "BOTH", **kind: Any) -> Step:
    return Step.model_validate({"StepId": step_id, "When": when} | kind)


STEPS = [
    step("configure", SsmCommand=COMMAND),
    step("open", Manual={"Instruction": "Open the gate"}),
    step("shut", Manual={"Instruction": "Shut it"}),
    step("finish", SsmCommand=COMMAND),
    step("promote", "RECOVERY", SsmAutomation={"Document": "Promote"}),
]


@dataclass
class Audited:
    """A stack whose worker has an allow-list and an audit log."""

    env: E2eEnvironment
    keys: Keys
    audit: AuditLog
    file: Path

    def effects(self) -> list[dict[str, Any]]:
        """What services other than DRS accepted in the account."""
        found = self.env.aws._ask("GET", f"effects?account={self.env.aws.account_id}")
        effects: list[dict[str, Any]] = found["Effects"]
        return effects

    def recorded(self) -> list[tuple[str, str | None]]:
        """The steps in the audit log: each StepId, and why it was refused."""
        self.audit.close(5.0)
        events = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [(e["StepId"], e.get("Refusal")) for e in events if e["Act"] == "STEP"]

    def refused_messages(self) -> list[tuple[str, str]]:
        """The messages that were refused, by the audit log until now: each name, and why."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        events = [json.loads(line) for line in lines]
        return [(e["Message"], e["Refusal"]) for e in events if e["Act"] == "MESSAGE"]


@pytest.fixture
async def audited(
    keys: Keys, env_without_worker: E2eEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Audited]:
    env = env_without_worker
    here = {"AccountIds": [env.aws.account_id], "Regions": ["*"]}
    allow_list = {"Targets": [here], "Steps": {"Documents": ["Configure", "Promote"]}}
    monkeypatch.setenv("DRS_WAVES_ALLOW_LIST", json.dumps(allow_list))
    get_settings.cache_clear()
    documents = [{"Name": "Configure", "Type": "Command"}, {"Name": "Promote"}]
    env.aws.apply(Documents=[d | {"AccountId": env.aws.account_id} for d in documents])
    file = tmp_path / "audit.jsonl"
    audit = AuditLog(AuditPlace.WORKER, AuditFile(str(file)))
    async with RunningWorkers(env, audit):
        yield Audited(env, keys, audit, file)


def forged_call(plan: RecoveryPlan, execution_id: str, instance_id: str) -> StepCall:
    """What the wave's workflow asked for once, for another instance."""
    wave = plan.waves[0]
    server = wave.server_ids[0]
    return StepCall(
        execution_id=execution_id,
        execution_type=ExecutionType.DRILL,
        plan_id=plan.plan_id,
        wave_id=wave.wave_id,
        wave_workflow_id=wave_workflow_id(execution_id, wave.wave_id, 1),
        phase=StepPhase.POST_LAUNCH,
        step=STEPS[0],
        attempt=1,
        attempt_id=step_attempt_id(execution_id, wave.wave_id, "configure", 1),
        target=wave.target,
        server_ids=[server],
        servers=[StepServer(source_server_id=server, instance_id=instance_id, target=wave.target)],
        since=time.time(),
        deadline=time.time() + 60,
    )


async def run_forged_wave(env: E2eEnvironment, plan: RecoveryPlan, execution_id: str) -> None:
    """Run a wave's workflow that no plan started, with a step of its own."""
    forged = step("configure", SsmAutomation={"Document": "Promote"})
    wave = Wave(wave_id="database", region=REGION, servers=[], steps=[forged])
    handle = await env.client.start_workflow(
        WaveWorkflow.run,
        WaveInput(
            execution_id=execution_id,
            execution_type=ExecutionType.RECOVERY,
            plan_id=plan.plan_id,
            plan_workflow_id=plan_workflow_id(plan.plan_id),
            wave=wave,
            attempt=2,
            revision=1,
            speed=1.0,
            since=time.time(),
            launch_before=time.time() + 600,
        ),
        id=wave_workflow_id(execution_id, "database", 2),
        task_queue=TASK_QUEUE,
    )

    async def is_refused() -> bool:
        state = await handle.query(WaveWorkflow.status)
        return "was not started by the workflow of a plan" in state.steps[0].reason

    await env.eventually(is_refused)


def status(state: ExecutionState, step_id: str) -> StepStatus:
    (found,) = [s for s in wave_of(state, "Database").steps if s.step_id == step_id]
    return found.status


async def test_a_step_runs_once_and_only_as_it_was_signed(audited: Audited) -> None:
    env, api = audited.env, audited.keys.api
    wave = env.wave("Database", post_launch_steps=STEPS)
    plan = env.plan(wave)
    execution_id = await start_execution(env.client, plan, signer=api, started_by="ops")
    await env.until(plan, lambda s: status(s, "open") is StepStatus.RUNNING)
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))

    call = forged_call(plan, execution_id, "i-0123456789abcdef0")
    alone = await env.client.start_activity(
        "start_step",
        call,
        id="forged",
        task_queue=STEP_TASK_QUEUE,
        result_type=StartedStep,
        schedule_to_close_timeout=timedelta(minutes=1),
    )
    assert "was not requested by the workflow of its wave" in (await alone.result()).reason
    await run_forged_wave(env, plan, execution_id)

    complete: dict[str, Any] = {"wave": "database", "step": "open"}
    message = await signed_message(api, execution_id, "complete_step", **complete)
    other = [message[0] | {"step": "shut"}, message[1]]
    for inputs in (other, [{**complete, "actor": "boss"}], message):
        await handle.signal("complete_step", args=inputs)
    state = await env.until(plan, lambda s: status(s, "shut") is StepStatus.RUNNING)
    # A copy completes neither this step nor the next one.
    await handle.signal("complete_step", args=message)
    state = await env.until(plan, lambda s: len(s.messages) == 4)
    assert [m.refusal for m in state.messages] == [
        RefusalCode.NOT_AUTHORIZED, RefusalCode.NOT_AUTHORIZED, None, RefusalCode.REPLAYED,
    ]  # fmt: skip
    assert status(state, "shut") is StepStatus.RUNNING
    shut = complete | {"step": "shut"}
    last = await signed_message(api, execution_id, "complete_step", **shut)
    await handle.signal("complete_step", args=last)
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert status(state, "promote") is StepStatus.NOT_TESTED

    commands = [(each["Kind"], each["Key"]) for each in audited.effects()]
    finish = step_attempt_id(execution_id, "database", "finish", 1)
    assert commands == [("ssm.SendCommand", each) for each in (call.attempt_id, finish)]
    assert audited.recorded() == [
        ("configure", None),
        ("configure", "OTHER_CALLER"),
        ("configure", "OTHER_CALLER"),
        ("finish", None),
    ]


async def test_a_forged_signal_to_a_wave_completes_no_step_and_accepts_no_launch(
    audited: Audited,
) -> None:
    env, api = audited.env, audited.keys.api
    slow = env.aws.servers(1, LaunchSeconds=100 * SPEED)
    plan = env.plan(
        env.wave("Database", post_launch_steps=STEPS[:3]),
        env.wave("App", servers=slow, post_launch_steps=STEPS[:1]),
    )
    execution_id = await start_execution(env.client, plan, signer=api, started_by="ops")
    await env.until(plan, lambda s: status(s, "open") is StepStatus.RUNNING)
    await env.until(plan, lambda s: wave_of(s, "App").start_time)
    database, app = (
        env.client.get_workflow_handle(wave_workflow_id(execution_id, wave_id, 1))
        for wave_id in ("database", "app")
    )
    skip = await signed_message(api, execution_id, "skip_step", wave="database", step="shut")
    forged = StepAnswer(step_id="open", decision=StepOverride.COMPLETE, actor="boss")
    await database.signal("answer_step", forged)
    await database.signal("answer_step", forged.model_copy(update={"signed": skip[1]}))
    await app.signal("accept_launch", AcceptLaunch())
    await app.signal("accept_launch", AcceptLaunch(signed=skip[1]))

    async def are_refused() -> bool:
        return len(audited.refused_messages()) == 4

    await env.eventually(are_refused)
    assert Counter(audited.refused_messages()) == {
        ("complete_step", "NOT_SIGNED"): 1,
        ("complete_step", "OTHER_CONTENT"): 1,
        ("accept_wave", "NOT_SIGNED"): 1,
        ("accept_wave", "OTHER_CONTENT"): 1,
    }
    state = await env.until(plan, lambda s: True)
    assert status(state, "open") is StepStatus.RUNNING
    assert wave_of(state, "App").status is WaveStatus.IN_PROGRESS
    assert wave_of(state, "App").steps[0].status is StepStatus.PENDING
    complete: dict[str, Any] = {"wave": "database", "step": "open"}
    message = await signed_message(api, execution_id, "complete_step", **complete)
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
    await handle.signal("complete_step", args=message)
    state = await env.until(plan, lambda s: status(s, "shut") is StepStatus.RUNNING)
    await handle.signal("skip_step", args=skip)
    cancel = await signed_message(api, execution_id, "cancel_wave", wave="app")
    await handle.signal("cancel_wave", args=cancel)
    state = await env.end(plan, execution_id)
    assert (status(state, "open"), status(state, "shut")) == (
        StepStatus.SUCCEEDED,
        StepStatus.SKIPPED,
    )
    assert wave_of(state, "App").steps[0].status is StepStatus.NOT_RUN


async def test_a_copy_of_a_decision_decides_nothing_in_a_later_attempt_of_its_wave(
    audited: Audited,
) -> None:
    env, api = audited.env, audited.keys.api
    plan = env.plan(
        env.wave("Database", servers=0, steps=STEPS[1:3]),
        env.wave("Other", servers=0, steps=STEPS[1:2]),
    )
    execution_id = await start_execution(env.client, plan, signer=api, started_by="ops")
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))

    async def tell(name: str, **fields: Any) -> SignedRequest:
        message = await signed_message(api, execution_id, name, **fields)
        await handle.signal(name, args=message)
        return SignedRequest.model_validate(message[1])

    await env.until(plan, lambda s: status(s, "open") is StepStatus.RUNNING)
    # A signature that names no step would fit the next one too.
    await tell("complete_step", wave="database")
    state = await env.until(plan, lambda s: bool(s.messages))
    assert "it names no step" in (state.messages[0].effect or "")
    used = await tell("complete_step", wave="database", step="open")
    await env.until(plan, lambda s: status(s, "shut") is StepStatus.RUNNING)
    await tell("fail_step", wave="database", step="shut")
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.FAILED)
    await tell("retry_wave", wave="database")
    await env.until(plan, lambda s: wave_of(s, "Database").attempt == 2)
    state = await env.until(plan, lambda s: status(s, "shut") is StepStatus.RUNNING)
    wave = env.client.get_workflow_handle(wave_workflow_id(execution_id, "database", 2))
    copy = StepAnswer(step_id="shut", decision=StepOverride.COMPLETE, actor="ops", signed=used)
    await wave.signal("answer_step", copy)
    await tell("fail_step", wave="database", step="shut")
    await tell("complete_step", wave="other", step="open")
    state = await env.end(plan, execution_id)
    assert status(state, "shut") is StepStatus.FAILED
    assert wave_of(state, "Database").status is WaveStatus.FAILED


async def test_a_plan_whose_steps_are_not_on_the_list_launches_nothing_and_says_all_of_it(
    audited: Audited,
) -> None:
    env, api = audited.env, audited.keys.api
    wave = env.wave(
        "Database",
        post_launch_steps=[
            step("wipe", SsmAutomation={"Document": "Wipe"}),
            step("run", Workflow={"Type": "T", "TaskQueue": "others"}),
        ],
    )
    plan = env.plan(wave)
    execution_id = await start_execution(env.client, plan, signer=api, started_by="ops")
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.FAILED
    reason = wave_of(state, "Database").status_reason
    assert "Wipe (step wipe of Database) is not on the worker's allow-list" in reason
    assert "others (step run of Database) is not on the worker's allow-list" in reason
    assert not env.aws.accepted_launches(wave.server_ids[0])
    assert audited.effects() == []
