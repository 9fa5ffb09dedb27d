"""Steps run only for the wave of a signed start; what is refused is recorded."""

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.access.verifier import RequestVerifier
from activities.launch.launch_activities import LaunchActivities
from activities.steps.kinds.registry import ACTING_KINDS
from activities.steps.step_activities import StepActivities
from aws.targets import TargetClients
from contract.execution import StartExecution, Takeover
from contract.identifiers import (
    new_execution_id,
    plan_workflow_id,
    search_attributes,
    step_attempt_id,
    wave_workflow_id,
)
from contract.steps import StartedStep, StartOutcome, StepCall, StepServer
from contract.wave import WaveInput
from recovery.access.audit import AuditPlace
from recovery.execution.state import ExecutionType
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.steps.model import Step, StepKind
from security.audit_log import AuditFile, AuditLog
from security.signers import KeyFile, RequestSigner
from settings import Settings
from tests.activities.launch.test_attempt import launch
from tests.activities.launch.test_guard import instances_up
from tests.activities.steps.step_calls import ScriptedKind
from tests.aws_in_process import Attempt, LocalAws, Temporal, launch_result
from tests.recovery.plans import server_id
from tests.security.keys import key_file, private_key, trusted

PROMOTE = {"StepId": "promote", "When": "DRILL", "Lambda": {"FunctionName": "promote"}}
CONFIGURE = {"StepId": "configure", "When": "DRILL", "SsmCommand": {"Document": "Configure"}}
EARLIER = "crm-0123456789ab"
Forge = Callable[[StepCall], StepCall]


def as_it_is(call: StepCall) -> StepCall:
    return call


class Forger:
    """What the wave asks for instead of its step."""

    forge: Forge = staticmethod(as_it_is)


@workflow.defn(name="WaveWorkflow")
class OneStepWave:
    """A wave of one step."""

    @workflow.run
    async def run(self, given: WaveInput) -> StartedStep:
        phase, step = given.wave.all_steps[0]
        call = StepCall(
            execution_id=given.execution_id,
            execution_type=given.execution_type,
            plan_id=given.plan_id,
            wave_id=given.wave.wave_id,
            wave_workflow_id=workflow.info().workflow_id,
            phase=phase,
            step=step,
            attempt=1,
            attempt_id=step_attempt_id(
                given.execution_id, given.wave.wave_id, step.step_id, given.attempt
            ),
            target=given.wave.target,
            since=workflow.now().timestamp(),
            deadline=workflow.now().timestamp() + 60,
        )
        started: StartedStep = await workflow.execute_activity(
            "start_step",
            Forger.forge(call),
            result_type=StartedStep,
            start_to_close_timeout=timedelta(seconds=60),
        )
        return started


@workflow.defn(name="RecoveryPlanWorkflow")
class OneWavePlan:
    """The plan of that wave."""

    @workflow.run
    async def run(self, start: StartExecution) -> StartedStep:
        given = wave_input(start)
        workflow_id = wave_workflow_id(start.execution_id, given.wave.wave_id, 1)
        return await workflow.execute_child_workflow(OneStepWave.run, given, id=workflow_id)


def wave_input(start: StartExecution) -> WaveInput:
    return WaveInput(
        execution_id=start.execution_id,
        execution_type=start.execution_type,
        plan_id=start.plan.plan_id,
        plan_workflow_id=plan_workflow_id(start.plan.plan_id),
        wave=start.plan.waves[0],
        attempt=1,
        revision=1,
        speed=1.0,
        since=time.time(),
        launch_before=time.time() + 3600,
    )


@dataclass
class Strict:
    """A worker that acts by signed requests only.

    Attributes:
        signer: of requests that it accepts.
        kind: the step's, which notes its effects.
    """

    client: Client
    task_queue: str
    signer: RequestSigner
    kind: ScriptedKind
    audit: AuditLog
    audit_file: Path

    async def start(
        self, *, signed: bool = True, server: Server | None = None, **fields: Any
    ) -> StartExecution:
        """The start of a plan of its own; with a server, its step runs a command there."""
        steps = [Step.model_validate(PROMOTE if server is None else CONFIGURE)]
        wave = Wave(
            wave_id="db",
            region="us-west-2",
            servers=[] if server is None else [server],
            steps=steps if server is None else [],
            post_launch_steps=[] if server is None else steps,
        )
        plan = RecoveryPlan(plan_id=f"crm-{uuid4().hex[:8]}", waves=[wave])
        start = StartExecution(
            execution_id=new_execution_id(plan.plan_id),
            plan=plan,
            started_by="ops",
            start_time=time.time(),
            **fields,
        )
        if signed:
            start.signed = await self.signer.sign(start.subject, actor="ops", valid_seconds=3600)
        return start

    async def run(self, start: StartExecution, forge: Forge = as_it_is) -> StartedStep:
        """Run it; what became of its step."""
        Forger.forge = staticmethod(forge)
        return await self.client.execute_workflow(
            OneWavePlan.run,
            start,
            id=plan_workflow_id(start.plan.plan_id),
            task_queue=self.task_queue,
            search_attributes=search_attributes(start.plan.plan_id, start.execution_id),
        )

    def recorded(self) -> list[dict[str, Any]]:
        """The events of steps in the audit log."""
        self.audit.close(5.0)
        events = [json.loads(line) for line in self.audit_file.read_text().splitlines()]
        return [each for each in events if each["Act"] == "STEP"]


@pytest.fixture
async def strict(
    shared_temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Strict]:
    client = Client(**shared_temporal.config() | {"data_converter": pydantic_data_converter})
    key = private_key(tmp_path)
    settings = Settings(
        require_signed_requests=True, request_keys=str(key_file(tmp_path, trusted(key)))
    )
    kind = ScriptedKind()
    for each in (StepKind.LAMBDA, StepKind.SSM_COMMAND):
        monkeypatch.setitem(ACTING_KINDS, each, lambda _: kind)
    file = tmp_path / "audit.jsonl"
    audit = AuditLog(AuditPlace.WORKER, AuditFile(str(file)))
    steps = StepActivities(TargetClients(settings), settings, RequestVerifier(settings, audit))
    signer = RequestSigner(KeyFile(key), ["operator"])
    made = Strict(client, f"strict-{uuid4().hex}", signer, kind, audit, file)
    async with Worker(
        client,
        task_queue=made.task_queue,
        workflows=[OneWavePlan, OneStepWave],
        activities=[steps.start_step],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield made


async def test_a_step_of_a_signed_start_runs_for_who_signed_it(strict: Strict) -> None:
    started = await strict.run(await strict.start())
    assert started.outcome is StartOutcome.STARTED
    (step,) = strict.kind.steps
    assert step.call.acting_for is not None
    assert step.call.acting_for.actor == "ops"
    (event,) = strict.recorded()
    assert (event["Accepted"], event["Actor"], event["ActorVerified"]) == (True, "ops", True)
    assert (event["StepId"], event["WaveId"], event["Text"]) == ("promote", "db", "r-1")


def other_function(call: StepCall) -> StepCall:
    forged = Step.model_validate(PROMOTE | {"Lambda": {"FunctionName": "delete-everything"}})
    return call.model_copy(update={"step": forged})


def another_attempt_id(call: StepCall) -> StepCall:
    return call.model_copy(update={"attempt_id": str(uuid4())})


def a_recovery(call: StepCall) -> StepCall:
    return call.model_copy(update={"execution_type": ExecutionType.RECOVERY})


def an_attempt_too_many(call: StepCall) -> StepCall:
    attempt_id = step_attempt_id(call.execution_id, call.wave_id, call.step.step_id, 2)
    return call.model_copy(update={"attempt": 2, "attempt_id": attempt_id})


def another_server(call: StepCall) -> StepCall:
    server = StepServer(source_server_id=server_id(9), instance_id="i-9", target=call.target)
    return call.model_copy(update={"servers": [server]})


def left_running(call: StepCall) -> StepCall:
    attempt_id = step_attempt_id(EARLIER, call.wave_id, call.step.step_id, call.attempt)
    return call.model_copy(update={"attempt_id": attempt_id, "possibly_sent": True})


def begun_again(call: StepCall) -> StepCall:
    return left_running(call).model_copy(update={"possibly_sent": False})


def another_wave(call: StepCall) -> StepCall:
    return call.model_copy(update={"wave_workflow_id": "drs-wave/crm-1/db/1"})


@pytest.mark.parametrize(
    ("forge", "refusal"),
    [
        (other_function, "OTHER_CONTENT"),
        (another_attempt_id, "MALFORMED"),
        (a_recovery, "OTHER_CONTENT"),
        (another_wave, "OTHER_CALLER"),
        (an_attempt_too_many, "ATTEMPT_NOT_SIGNED"),
        (another_server, "OTHER_SERVERS"),
        # It took over no other execution.
        (begun_again, "MALFORMED"),
    ],
)
async def test_what_a_plan_does_not_have_is_refused_and_recorded(
    strict: Strict, forge: Forge, refusal: str
) -> None:
    started = await strict.run(await strict.start(), forge)
    assert started.outcome is StartOutcome.NOT_STARTED
    assert strict.kind.effects == []
    (event,) = strict.recorded()
    assert (event["Accepted"], event["Refusal"]) == (False, refusal)


async def test_a_start_that_nobody_signed_runs_no_step(strict: Strict) -> None:
    started = await strict.run(await strict.start(signed=False))
    assert started.outcome is StartOutcome.NOT_STARTED
    assert "not signed" in started.reason
    assert strict.kind.effects == []
    assert [each["Refusal"] for each in strict.recorded()] == ["NOT_SIGNED"]


async def test_a_wave_that_no_plan_started_runs_no_step(strict: Strict) -> None:
    start = await strict.start()
    started = await strict.client.execute_workflow(
        OneStepWave.run,
        wave_input(start),
        id=wave_workflow_id(start.execution_id, "db", 1),
        task_queue=strict.task_queue,
    )
    assert started.outcome is StartOutcome.NOT_STARTED
    assert "was not started by the workflow of a plan" in started.reason
    assert strict.kind.effects == []
    assert [each["Refusal"] for each in strict.recorded()] == ["OTHER_CALLER"]


async def test_a_command_runs_on_no_instance_that_is_not_the_servers(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, strict: Strict
) -> None:
    (server,) = aws.servers(1)
    await launch_result(Attempt(temporal), launches, launch([server], is_drill=True))
    aws.pass_time(3600)
    (up,) = instances_up(aws, server)

    def on(instance_id: str) -> Forge:
        def forge(call: StepCall) -> StepCall:
            named = StepServer(
                source_server_id=server.source_server_id,
                instance_id=instance_id,
                target=call.target,
            )
            return call.model_copy(
                update={"servers": [named], "server_ids": [server.source_server_id]}
            )

        return forge

    started = await strict.run(await strict.start(server=server), on("i-0123456789abcdef0"))
    assert started.outcome is StartOutcome.NOT_STARTED
    assert "DRS does not have i-0123456789abcdef0 as an instance of" in started.reason
    assert strict.kind.effects == []
    started = await strict.run(await strict.start(server=server), on(str(up["RecoveryInstanceId"])))
    assert started.outcome is StartOutcome.STARTED
    assert [each.get("Refusal") for each in strict.recorded()] == ["OTHER_INSTANCE", None]


@pytest.mark.parametrize(("forge", "runs"), [(left_running, True), (begun_again, False)])
async def test_what_an_execution_that_is_taken_over_left_running_is_only_looked_up(
    strict: Strict, forge: Forge, runs: bool
) -> None:
    strict.kind.found = StartedStep(outcome=StartOutcome.STARTED, reference="r-9")
    takeover = Takeover(execution_id=EARLIER, since=time.time())
    started = await strict.run(await strict.start(takeover=takeover), forge)
    assert (started.reference == "r-9") is runs
    assert strict.kind.effects == []
