"""Writing to the Temporal namespace is not enough to launch, terminate or steer."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.worker import Worker
from typer.testing import CliRunner

from activities.cleanup import CleanupActivities
from cli.app import app
from client.errors import RefusedError
from client.executions import require_running
from client.start import start_execution
from client.steering import send
from contract.cleanup import StartCleanup, TerminateRequest
from contract.execution import StartExecution
from contract.identifiers import (
    cleanup_workflow_id,
    launcher_workflow_id,
    new_execution_id,
    plan_workflow_id,
    search_attributes,
    wave_workflow_id,
)
from contract.launch import (
    BatchRequest,
    LaunchAnswer,
    LauncherInput,
    LaunchRequest,
    QueueLaunches,
    WaveLaunches,
)
from contract.temporal import TASK_QUEUE, WATCH_TASK_QUEUE
from contract.wave import WaveInput
from recovery.access.grants import MessageSubject
from recovery.access.session_identity import SessionIdentity
from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.progress import wave_notes
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus, RefusalCode
from recovery.execution.wave import WaitingFor, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import OnFailure, RecoveryPlan, RecoveryRules
from sandbox.stack import free_port
from security.signers import KeyFile, RequestSigner
from settings import get_settings
from tests.end_to_end.api_server import as_file
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.test_doubt import foreign_job
from tests.end_to_end.test_endurance import temporal
from tests.end_to_end.worker_processes import start_worker
from tests.security.keys import key_file, private_key, trusted
from tests.shared_servers import stop
from tests.static_tokens import token_settings
from workflows.drill_cleanup import DrillCleanupWorkflow
from workflows.launcher.workflow import LauncherWorkflow
from workflows.plan.workflow import RecoveryPlanWorkflow
from workflows.wave.workflow import WaveWorkflow


@dataclass
class Keys:
    """The keys of the API and of the safe, whose public halves the workers have.

    The API signs for operators with `api`, and for approvers with `approver`.
    """

    api: RequestSigner
    approver: RequestSigner
    offline: Path
    foreign: RequestSigner


def _own_targets(env: E2eEnvironment) -> dict[str, list[str]]:
    """The test's own account, which workers may act in, and no other."""
    return {"AccountIds": [env.aws.account_id], "Regions": ["*"]}


@pytest.fixture
def keys(
    env_without_worker: E2eEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Keys:
    """Workers that require signed requests, once they start."""
    api, offline, foreign = (private_key(tmp_path, each) for each in ("api", "offline", "foreign"))
    file = key_file(tmp_path, trusted(api), trusted(offline, break_glass=True))
    variables = {
        "DRS_WAVES_REQUIRE_SIGNED_REQUESTS": "true",
        "DRS_WAVES_REQUEST_KEYS": str(file),
        "DRS_WAVES_ALLOW_LIST": json.dumps({"Targets": [_own_targets(env_without_worker)]}),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stack = env_without_worker.stack
    # `stack` still ends the processes that start from it: `parts` is the same.
    env_without_worker.stack = replace(stack, variables={**stack.variables, **variables})
    get_settings.cache_clear()
    return Keys(
        RequestSigner(KeyFile(api), ["operator"]),
        RequestSigner(KeyFile(api), ["approver"]),
        offline,
        RequestSigner(KeyFile(foreign), ["operator", "approver"]),
    )


@asynccontextmanager
async def two_of_each(
    env: E2eEnvironment,
    folder: Path,
    *,
    worker: Mapping[str, str] | None = None,
    server: Mapping[str, str] | None = None,
) -> AsyncIterator[list[str]]:
    """Two API servers that sign with one key, and two workers, each a process of its own.

    Args:
        env: where they serve.
        folder: the servers' key and the second one's log.
        worker: more variables of the workers.
        server: more variables of the servers.
    """
    stack = env.stack
    tokens = token_settings(ops=["operator"], ann=["approver"])
    variables = {
        "DRS_WAVES_SIGNING_KEY": str(folder / "api.pem"),
        "DRS_WAVES_API_TOKENS": json.dumps(tokens),
        **(server or {}),
    }
    other = replace(stack, folder=folder / "other", parts={}, api_port=free_port())
    await asyncio.gather(*(start_worker(env, name, variables=worker) for name in ("one", "two")))
    for each in (stack, other):
        await asyncio.to_thread(each.start_server, variables)
    yield [f"{each.pages_url}/api" for each in (stack, other)]
    await stop(other)


@pytest.fixture
async def two_apis(
    keys: Keys, env_without_worker: E2eEnvironment, tmp_path: Path
) -> AsyncIterator[list[str]]:
    """Two API servers that sign, and two workers, each a process of its own."""
    async with two_of_each(env_without_worker, tmp_path) as addresses:
        yield addresses


@pytest.fixture
async def strict(keys: Keys, env_without_worker: E2eEnvironment) -> AsyncIterator[E2eEnvironment]:
    """The stack with a worker that acts by signed requests only."""
    async with RunningWorkers(env_without_worker):
        yield env_without_worker


async def signed_start(plan: RecoveryPlan, signer: RequestSigner, **fields: Any) -> StartExecution:
    """The input of a signed start, as our clients send it."""
    values: dict[str, Any] = {
        "execution_id": new_execution_id(plan.plan_id),
        "plan": plan,
        "started_by": "ops",
        "start_time": time.time(),
    }
    start = StartExecution(**values | fields)
    start.signed = await signer.sign(start.subject, actor="ops", valid_seconds=3600)
    return start


async def sent_to_temporal(
    env: E2eEnvironment, start: StartExecution, *, workflow_id: str | None = None
) -> ExecutionState:
    """Start a plan's workflow as anyone who writes to the namespace can; the recorded end."""
    await env.client.start_workflow(
        RecoveryPlanWorkflow.run,
        start,
        id=workflow_id or plan_workflow_id(start.plan.plan_id),
        task_queue=TASK_QUEUE,
        search_attributes=search_attributes(start.plan.plan_id, start.execution_id),
    )
    return await env.end(start.plan, start.execution_id)


def launches_of(env: E2eEnvironment, plan: RecoveryPlan) -> int:
    """How many jobs AWS truly started for the plan's servers."""
    servers = [i for wave in plan.waves for i in wave.server_ids]
    return sum(len(env.aws.accepted_launches(i)) for i in servers)


def assert_nothing_launched(env: E2eEnvironment, plan: RecoveryPlan, state: ExecutionState) -> str:
    """Check that an execution launched nothing; why."""
    assert state.status is PlanStatus.FAILED
    assert launches_of(env, plan) == 0
    return state.waves[0].status_reason


async def test_a_start_is_launched_only_as_it_was_signed(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict

    async def reason(start: StartExecution) -> str:
        state = await sent_to_temporal(env, start)
        return assert_nothing_launched(env, start.plan, state)

    unsigned = await signed_start(env.plan(env.wave("Database")), keys.api)
    unsigned.signed = None
    assert "not signed" in await reason(unsigned)

    foreign = await signed_start(env.plan(env.wave("Database")), keys.foreign)
    assert "does not know" in await reason(foreign)

    forged_actor = await signed_start(env.plan(env.wave("Database")), keys.api)
    forged_actor.started_by = "boss"
    assert "boss" in await reason(forged_actor)

    changed = await signed_start(env.plan(env.wave("Database")), keys.api)
    changed.plan = changed.plan.model_copy(update={"waves": [env.wave("Production")]})
    assert "plan hash is not what ops signed" in await reason(changed)

    real = await signed_start(env.plan(env.wave("Database")), keys.api)
    real.execution_type, real.confirmation = RECOVERY, real.plan.plan_id
    assert "execution type" in await reason(real)


async def test_a_signed_drill_runs_and_its_copy_begins_no_second_execution(
    strict: E2eEnvironment, keys: Keys
) -> None:
    plan = strict.plan(strict.wave("Database"), strict.wave("Web", "Database"))
    start = await signed_start(plan, keys.api)
    state = await sent_to_temporal(strict, start)
    assert (state.status, launches_of(strict, plan)) == (PlanStatus.COMPLETED, 2)
    await strict.client.start_workflow(
        RecoveryPlanWorkflow.run, start, id=plan_workflow_id(plan.plan_id), task_queue=TASK_QUEUE
    )
    handle = strict.client.get_workflow_handle_for(
        RecoveryPlanWorkflow.run, plan_workflow_id(plan.plan_id)
    )

    async def is_refused() -> bool:
        replayed: ExecutionState = await handle.query(RecoveryPlanWorkflow.status)
        return "has begun another run" in replayed.waves[0].status_reason

    await strict.eventually(is_refused)
    assert launches_of(strict, plan) == 2


async def test_forged_launches_are_refused_and_reported(strict: E2eEnvironment, keys: Keys) -> None:
    """By the launcher's signal, by a wave's workflow, and by the activity alone."""
    env = strict
    live = env.aws.servers(1, LiveRecoveryInstance="RECOVERY")
    plan = env.plan(env.wave("Database", servers=live))
    execution_id = await start_execution(env.client, plan, signer=keys.api, started_by="ops")
    state = await env.end(plan, execution_id)
    assert "live instance" in str(wave_of(state, "Database").servers[0].reason)
    genuine = LaunchRequest(
        launch_id=f"{execution_id}/database/1/0",
        target=plan.waves[0].target.model_copy(update={"account_id": env.aws.account_id}),
        servers=plan.waves[0].servers,
        is_drill=True,
        since=state.start_time,
        wave_workflow_id=wave_workflow_id(execution_id, "database", 1),
    )
    relaunch = genuine.model_copy(update={"relaunch": live})

    launcher = launcher_workflow_id(env.aws.account_id, plan.waves[0].region)
    signal = QueueLaunches(
        waves=[WaveLaunches(requests=[relaunch], launch_before=time.time() + 600)]
    )
    await env.client.start_workflow(
        LauncherWorkflow.run,
        LauncherInput(account_id=env.aws.account_id, region=plan.waves[0].region),
        id=launcher,
        task_queue=TASK_QUEUE,
        start_signal="queue_launches",
        start_signal_args=[signal],
    )
    await env.eventually(lambda: has_refused(env.client, launcher, "names no relaunch"))

    forged_wave = wave_workflow_id(execution_id, "database", 2)
    await env.client.start_workflow(
        WaveWorkflow.run,
        WaveInput(
            execution_id=execution_id,
            execution_type=ExecutionType.DRILL,
            plan_id=plan.plan_id,
            plan_workflow_id=plan_workflow_id(plan.plan_id),
            wave=plan.waves[0],
            attempt=2,
            revision=1,
            speed=state.speed,
            since=state.start_time,
            launch_before=time.time() + 600,
            relaunch=live,
        ),
        id=forged_wave,
        task_queue=TASK_QUEUE,
    )
    await env.eventually(
        lambda: has_refused(env.client, launcher, "was not started by the workflow of a plan")
    )

    activity = await env.client.start_activity(
        "launch_batch",
        BatchRequest(requests=[relaunch], jobs_read_after=0),
        id="forged",
        task_queue=TASK_QUEUE,
        schedule_to_close_timeout=timedelta(minutes=1),
    )
    result = await activity.result()
    assert "was not requested by the launcher" in str(result)
    assert launches_of(env, plan) == 0
    assert len(env.aws.instances_up(live[0])) == 1


async def signed_message(
    signer: RequestSigner, execution_id: str, name: str, seconds: float = 60, **fields: Any
) -> list[Any]:
    """The inputs of a signed message, as our clients send it."""
    fields = {"actor": "ops", "ExecutionId": execution_id} | fields
    subject = MessageSubject(execution_id=execution_id, name=name, fields=fields)
    signed = await signer.sign(subject, actor=str(fields["actor"]), valid_seconds=seconds)
    return [fields, signed]


async def test_only_signed_messages_of_the_execution_steer_it_and_all_are_recorded(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    plan = env.plan(env.wave("Database", approval_required=True))
    execution_id = await start_execution(env.client, plan, signer=keys.api, started_by="ops")
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
    approve: dict[str, Any] = {"name": "approve_wave", "wave": "database"}
    other = await signed_message(keys.api, new_execution_id(plan.plan_id), **approve)
    foreign = await signed_message(keys.foreign, execution_id, **approve)
    refusal = await signed_message(keys.api, execution_id, **approve, approve=False)
    inverted = [{**refusal[0], "approve": True}, refusal[1]]
    boss = [{**refusal[0], "actor": "boss"}, refusal[1]]
    for inputs in ([{"wave": "database", "client": "drs-waves"}], other, foreign, inverted, boss):
        await handle.signal("approve_wave", args=inputs)
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("approve_wave", {"wave": "database", "actor": "boss"})
    state = await env.until(plan, lambda s: len(s.messages) == 6)
    assert {m.refusal for m in state.messages} == {RefusalCode.NOT_AUTHORIZED}
    assert not any(m.actor_verified for m in state.messages)
    assert wave_of(state, "Database").waiting_for is WaitingFor.APPROVAL
    running = await require_running(env.client, plan.plan_id)
    pause = await signed_message(keys.api, execution_id, "pause")
    await handle.signal("pause", args=pause)
    resume = OperatorMessage(MessageName.RESUME)
    assert await send(env.client, running, resume, actor="ops", signer=keys.api)
    await handle.signal("pause", args=pause)
    approved = OperatorMessage(MessageName.APPROVE_WAVE, "database")
    with pytest.raises(RefusedError, match="ann lacks the role approver"):
        await send(env.client, running, approved, actor="ann", signer=keys.api)
    effect = await send(env.client, running, approved, actor="ann", signer=keys.approver)
    assert effect == "approved, 1 server can launch now"
    state = await env.end(plan, execution_id)
    assert (state.status, launches_of(env, plan)) == (PlanStatus.COMPLETED, 1)
    last = [(m.name, m.actor, m.actor_verified, m.refusal) for m in state.messages[6:]]
    assert last == [
        ("pause", "ops", True, None),
        ("resume", "ops", True, None),
        ("pause", "ops", False, RefusalCode.REPLAYED),
        ("approve_wave", "ann", True, RefusalCode.ROLE_MISSING),
        ("approve_wave", "ann", True, None),
    ]


async def test_a_signed_plan_goes_on_after_a_reset_which_asks_again_for_expired_messages(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    plan = env.plan(env.wave("Database"), env.wave("Web", "Database", approval_required=True))
    execution_id = await start_execution(env.client, plan, signer=keys.api, started_by="ops")
    await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
    workflow_id = plan_workflow_id(plan.plan_id)
    handle = env.client.get_workflow_handle(workflow_id)
    await handle.signal("pause", args=await signed_message(keys.api, execution_id, "pause", 3))
    await env.until(plan, lambda s: s.status is PlanStatus.PAUSED)
    await asyncio.sleep(3)
    await temporal(
        env, "workflow", "reset", "--workflow-id", workflow_id,
        "--type", "FirstWorkflowTask", "--reason", "test",
    )  # fmt: skip
    state = await env.until(
        plan,
        lambda s: s.messages and wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL,
    )
    assert [m.refusal for m in state.messages] == [RefusalCode.SIGNATURE_EXPIRED]
    assert "send it again" in state.messages[0].effect
    running = await require_running(env.client, plan.plan_id)
    approved = OperatorMessage(MessageName.APPROVE_WAVE, "web")
    effect = await send(env.client, running, approved, actor="ann", signer=keys.approver)
    assert effect == "approved, 1 server can launch now"
    state = await env.end(plan, execution_id)
    assert (state.status, launches_of(env, plan)) == (PlanStatus.COMPLETED, 2)


async def test_a_signed_retry_begins_another_attempt(strict: E2eEnvironment, keys: Keys) -> None:
    env = strict
    failing = env.aws.servers(1, Outcome=["failed-early", "launched"])
    database = env.wave("Database", servers=failing, on_failure=OnFailure.ASK)
    plan = env.plan(database, env.wave("Web", "Database"))
    execution_id = await start_execution(
        env.client,
        plan,
        execution_type=RECOVERY,
        confirmation=plan.plan_id,
        signer=keys.api,
        started_by="ops",
    )
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.FAILED)
    running = await require_running(env.client, plan.plan_id)
    retry = OperatorMessage(MessageName.RETRY_WAVE, "Database")
    assert "attempt 2" in str(await send(env.client, running, retry, actor="ops", signer=keys.api))
    state = await env.end(plan, execution_id)
    assert (state.status, launches_of(env, plan)) == (PlanStatus.COMPLETED, 3)


async def test_only_a_signed_answer_ends_the_doubt_about_a_launch(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    plan = env.plan(env.wave("Database"))
    (server,) = plan.waves[0].server_ids
    env.aws.apply(Faults=[{"Operation": "StartRecovery", "Effect": "drop", "Times": 1}])
    execution_id = await start_execution(env.client, plan, signer=keys.api, started_by="ops")
    await env.until(plan, lambda s: "whether it accepted" in wave_of(s, "Database").status_reason)
    job_id = await asyncio.to_thread(foreign_job, server)
    await env.until(plan, lambda s: wave_of(s, "Database").launch_in_doubt)
    launcher = env.client.get_workflow_handle(
        launcher_workflow_id(env.aws.account_id, plan.waves[0].region)
    )
    forged = LaunchAnswer(launch_id=f"{execution_id}/database/1/0")
    await launcher.signal("answer_launch", forged)
    calls = env.aws.calls()["Calls"]["drs.StartRecovery"]
    # It searches for the job again, and asks again.
    await env.until(plan, lambda s: not wave_of(s, "Database").launch_in_doubt)
    await env.until(plan, lambda s: wave_of(s, "Database").launch_in_doubt, within=60)
    assert env.aws.calls()["Calls"]["drs.StartRecovery"] == calls
    running = await require_running(env.client, plan.plan_id)
    adopt = OperatorMessage(MessageName.ADOPT_JOB, "database", job=job_id)
    await send(env.client, running, adopt, actor="ops", signer=keys.api)
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert wave_of(state, "Database").servers[0].recovery_job_id == job_id


async def test_a_recovery_by_break_glass_needs_only_temporal_a_worker_and_the_key(
    strict: E2eEnvironment, keys: Keys, tmp_path: Path
) -> None:
    env = strict
    waves = env.wave("Database", approval_required=True), env.wave("Web", "Database")
    rules = RecoveryRules(approvers=2, author_may_start=False, starter_may_approve=False)
    plan = env.plan(*waves, recovery=rules)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(as_file(plan)))

    async def do(*words: object, code: int = 0) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result.output

    for operation in ("PutItem", "Query", "DescribeTable"):
        fault = {"Service": "dynamodb", "Operation": operation, "Error": "AccessDeniedException"}
        env.aws.apply(Faults=[fault])
    recovery = ["run", file, "--recovery", "--confirm", plan.plan_id, "--no-watch"]
    glass = ["--break-glass", "eu-west-1 is lost", "--key"]
    await do(*recovery, *glass, tmp_path / "missing", code=2)
    assert "go together" in await do(*recovery, "--key", keys.offline, code=2)
    assert "has Recovery rules" in await do(*recovery, code=2)
    said = await do(*recovery, *glass, keys.offline)
    assert "it passes 2 approvals of the recovery, the bar on the plan's author, the" in said
    pause, resume = (["pause", plan.plan_id], ["resume", plan.plan_id])
    assert "not signed" in await do(*pause, code=2)
    await do(*pause, *glass, keys.offline)
    await do(*resume, *glass, keys.offline)
    state = await env.until(plan, lambda s: wave_of(s, "Web").start_time)
    env.aws.clear_faults()
    state = await env.end(plan, state.execution_id)
    assert (state.status, launches_of(env, plan)) == (PlanStatus.COMPLETED, 2)
    passed = f"approval passed by break-glass of {state.started_by}: eu-west-1 is lost"
    assert state.approvals_text == passed
    assert passed in wave_notes(wave_of(state, "Database"))
    assert any("break-glass" in each and "lost" in each for each in state.warnings)
    refused, paused, resumed = state.messages
    assert (refused.actor_verified, refused.break_glass) == (False, None)
    assert {m.break_glass for m in (paused, resumed)} == {"eu-west-1 is lost"}
    clean_up = ["cleanup", state.execution_id, "--force", "--confirm", plan.plan_id, "--watch"]
    await do(*clean_up, code=1)
    assert [len(env.aws.instances_up(i)) for w in plan.waves for i in w.server_ids] == [1, 1]
    await do(*clean_up, *glass, keys.offline)
    assert [env.aws.instances_up(i) for w in plan.waves for i in w.server_ids] == [[], []]
    handle = env.client.get_workflow_handle(cleanup_workflow_id(state.execution_id))
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in (await handle.fetch_history()).events
    ]
    reported = [p.data for s in scheduled for p in s.input.payloads if b"BREAK_GLASS" in p.data]
    assert len(reported) == 1
    assert b"clean-up: eu-west-1 is lost" in reported[0]


async def cleaned(env: E2eEnvironment, start: StartCleanup) -> CleanupState:
    """Start a clean-up as anyone who writes to the namespace can; its state at the end."""
    handle = await env.client.start_workflow(
        DrillCleanupWorkflow.run,
        start,
        id=cleanup_workflow_id(start.execution_id),
        task_queue=TASK_QUEUE,
    )
    with suppress(WorkflowFailureError):
        await handle.result()
    return await handle.query(DrillCleanupWorkflow.status)


async def test_only_a_signed_clean_up_terminates_and_only_what_its_execution_launched(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    plan = env.plan(env.wave("Database"))
    (server,) = plan.waves[0].server_ids
    execution_id = await start_execution(env.client, plan, signer=keys.api, started_by="ops")
    state = await env.end(plan, execution_id)
    launched = state.waves[0].servers[0]

    async def signed(**fields: Any) -> StartCleanup:
        values = {"execution_id": execution_id, "plan_id": plan.plan_id, "actor": "ops"}
        start = StartCleanup.model_validate(values | fields)
        start.signed = await keys.api.sign(start.subject, actor="ops", valid_seconds=3600)
        return start

    unsigned = (await signed()).model_copy(update={"signed": None})
    other = await signed(execution_id=new_execution_id(plan.plan_id))
    stolen = unsigned.model_copy(update={"signed": other.signed})
    forged_actor = (await signed()).model_copy(update={"actor": "boss"})
    for start, reason in (
        (unsigned, "not signed"),
        (stolen, "execution id is not what ops signed"),
        (forged_actor, "boss"),
    ):
        left = (await cleaned(env, start)).leftovers
        assert [reason in str(i.reason) for i in left] == [True]

    # A foreign instance, or one of its own too early, by the activity of a workflow of one's own.
    (foreign,) = env.aws.servers(1, LiveRecoveryInstance="RECOVERY")
    asked = LaunchedInstance(
        recovery_instance_id=env.aws.instances_up(foreign)[0],
        source_server_id=foreign,
        recovery_job_id=str(launched.recovery_job_id),
        region=plan.waves[0].region,
    )
    own = asked.model_copy(
        update={
            "recovery_instance_id": launched.recovery_instance_id,
            "source_server_id": server,
        }
    )
    for cleanup, reason in (
        (await signed(confirmation=plan.plan_id), "does not list it with this job"),
        (await signed(after_seconds=3600.0), "for a later time"),
    ):
        request = TerminateRequest(
            target=plan.waves[0].target,
            instances=[asked] if cleanup.confirmation else [own],
            acting_for=SessionIdentity.of(plan.plan_id, execution_id, "ops"),
            cleanup=cleanup,
        )
        async with forger(env, request) as result:
            assert reason in str(result)
    assert len(env.aws.instances_up(server)) == len(env.aws.instances_up(foreign)) == 1

    assert (await cleaned(env, await signed())).status is CleanupStatus.COMPLETED
    assert env.aws.instances_up(server) == []


@workflow.defn(name="DrillCleanupWorkflow", sandboxed=False)
class ForgedCleanup:
    """A workflow of another worker, under the name of ours."""

    @workflow.run
    async def run(self, request: TerminateRequest) -> list[LaunchedInstance]:
        """Have our worker terminate."""
        return await workflow.execute_activity_method(
            CleanupActivities.terminate,
            request,
            task_queue=WATCH_TASK_QUEUE,
            start_to_close_timeout=timedelta(minutes=1),
        )


@asynccontextmanager
async def forger(
    env: E2eEnvironment, request: TerminateRequest
) -> AsyncIterator[list[LaunchedInstance]]:
    """The result of a termination that a workflow of another task queue asks for."""
    async with Worker(env.client, task_queue="forger", workflows=[ForgedCleanup]):
        yield await env.client.execute_workflow(
            ForgedCleanup.run, request, id=f"forged/{uuid4()}", task_queue="forger"
        )


async def has_refused(client: Client, launcher: str, reason: str) -> bool:
    """Whether a batch of the launcher has ended with this reason."""
    try:
        async for event in client.get_workflow_handle(launcher).fetch_history_events():
            completed = event.activity_task_completed_event_attributes
            if reason.encode() in b"".join(p.data for p in completed.result.payloads):
                return True
    except RPCError:
        pass
    return False
