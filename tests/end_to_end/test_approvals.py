"""A real recovery launches with the approvals that its plan asks for, and not without."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ChildWorkflowError
from temporalio.worker import Worker

from client.executions import require_running
from client.start import start_execution
from client.steering import send
from contract.execution import StartExecution
from contract.identifiers import plan_workflow_id, search_attributes, wave_workflow_id
from contract.temporal import TASK_QUEUE
from contract.wave import WaveInput
from recovery.access.grants import SignedApproval
from recovery.execution.state import ExecutionState, PlanStatus, RefusalCode
from recovery.execution.wave import WaitingFor, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import RecoveryRules
from security.signers import RequestSigner
from tests.end_to_end.api_server import as_file, register
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment
from tests.end_to_end.test_signed_requests import (
    Keys,
    keys,
    launches_of,
    signed_message,
    signed_start,
    strict,
)
from tests.static_tokens import token_of, token_settings
from workflows.wave.workflow import WaveWorkflow

__all__ = ["keys", "strict"]
TWO = RecoveryRules(approvers=2)
APPROVE = OperatorMessage(MessageName.APPROVE_RECOVERY)


def awaits_approvals(state: ExecutionState) -> bool:
    """Whether a wave waits for the approvals of the recovery."""
    return state.waves[0].waiting_for is WaitingFor.RECOVERY_APPROVAL


async def test_two_other_verified_approvers_start_the_launch_and_everything_else_is_recorded(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    plan = env.plan(env.wave("Database", approval_required=True), recovery=TWO)
    how: dict[str, Any] = {"execution_type": RECOVERY, "confirmation": plan.plan_id}
    await start_execution(env.client, plan, **how, started_by="ops")
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
    with pytest.raises(WorkflowFailureError) as refused:
        await handle.result()
    assert "Recovery rules" in str(refused.value.cause)

    execution_id = await start_execution(env.client, plan, **how, signer=keys.api, started_by="ops")
    await env.until(plan, awaits_approvals)
    name = MessageName.APPROVE_RECOVERY
    unsigned = [{"actor": "bob", "ExecutionId": execution_id}]
    foreign = await signed_message(keys.foreign, execution_id, name)
    boss = await signed_message(keys.approver, execution_id, name)
    boss[0] = {**boss[0], "actor": "boss"}
    own = await signed_message(keys.approver, execution_id, name)
    operator = await signed_message(keys.api, execution_id, name)
    for inputs in (unsigned, foreign, boss, own, operator):
        await handle.signal(name, args=inputs)
    await env.until(plan, lambda s: len(s.messages) == 5)
    running = await require_running(env.client, plan.plan_id)

    async def effect_of(message: OperatorMessage, actor: str, signer: RequestSigner) -> str:
        try:
            return str(await send(env.client, running, message, actor=actor, signer=signer))
        except Exception as error:
            return str(error)

    assert "1 of 2 approvals" in await effect_of(APPROVE, "ann", keys.approver)
    assert "already approved by ann" in await effect_of(APPROVE, "ann", keys.approver)
    skip = OperatorMessage(MessageName.SKIP_WAVE, "database")
    assert "ops lacks the role approver" in await effect_of(skip, "ops", keys.api)
    assert launches_of(env, plan) == 0
    assert "2 of 2 approvals; still waiting" in await effect_of(APPROVE, "bob", keys.approver)
    approve = OperatorMessage(MessageName.APPROVE_WAVE, "database")
    assert "1 server can launch now" in await effect_of(approve, "ann", keys.approver)
    state = await env.end(plan, execution_id)
    assert (state.status, launches_of(env, plan)) == (PlanStatus.COMPLETED, 1)
    assert state.approvals_text == "2 of 2 approvals (ann, bob)"
    assert [(m.refusal, m.actor_verified) for m in state.messages] == [
        (RefusalCode.NOT_AUTHORIZED, False),
        (RefusalCode.NOT_AUTHORIZED, False),
        (RefusalCode.NOT_AUTHORIZED, False),
        (RefusalCode.STARTER_MAY_NOT_APPROVE, True),
        (RefusalCode.ROLE_MISSING, True),
        (None, True),
        (RefusalCode.DECIDED_ALREADY, True),
        (RefusalCode.ROLE_MISSING, True),
        (None, True),
        (None, True),
    ]


async def signed_approval(
    signer: RequestSigner, execution_id: str, actor: str, name: str, **fields: Any
) -> SignedApproval:
    """An approval as a plan's workflow carries it."""
    _, signed = await signed_message(signer, execution_id, name, actor=actor, **fields)
    return SignedApproval(signed=signed, accepted_time=time.time())


# By the execution ID: the waves that the forged workflow of its plan starts.
_FORGED: dict[str, list[WaveInput]] = {}


@workflow.defn(name="RecoveryPlanWorkflow", sandboxed=False)
class ForgedPlan:
    """The workflow of a plan by another worker, which begins with a genuine signed start."""

    @workflow.run
    async def run(self, start: StartExecution) -> list[str]:
        """Start waves on our workers without waiting for any approval; why each ended."""
        return await asyncio.gather(*map(self._end_of, _FORGED[start.execution_id]))

    async def _end_of(self, wave: WaveInput) -> str:
        try:
            outcome = await workflow.execute_child_workflow(
                WaveWorkflow.run,
                wave,
                id=wave_workflow_id(wave.execution_id, wave.wave.wave_id, 1),
                task_queue=TASK_QUEUE,
            )
        except ChildWorkflowError as error:
            return str(error.cause)
        return outcome.wave.status.value


async def test_a_forged_workflow_launches_nothing_without_the_signed_approvals(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    waves = [env.wave(name) for name in ("None", "Twice", "Starter", "Foreign")]
    waves += [env.wave("Needs", approval_required=True), env.wave("Both")]
    plan = env.plan(*waves, recovery=TWO)
    start = await signed_start(plan, keys.api, execution_type=RECOVERY, confirmation=plan.plan_id)
    execution_id, name = start.execution_id, MessageName.APPROVE_RECOVERY
    ann, again, bob, ops = [
        await signed_approval(keys.approver, execution_id, actor, name)
        for actor in ("ann", "ann", "bob", "ops")
    ]
    foreign = await signed_approval(keys.foreign, execution_id, "bob", name)
    carried: dict[str, list[SignedApproval]] = {
        "none": [],
        "twice": [ann, again],
        "starter": [ann, ops],
        "foreign": [ann, foreign],
        "needs": [ann, bob],
        "both": [ann, bob],
    }
    _FORGED[execution_id] = [
        WaveInput(
            execution_id=execution_id,
            execution_type=RECOVERY,
            plan_id=plan.plan_id,
            plan_workflow_id=plan_workflow_id(plan.plan_id),
            wave=wave,
            attempt=1,
            revision=1,
            speed=1.0,
            since=start.start_time or 0.0,
            launch_before=time.time() + 600,
            approved_by=carried[wave.wave_id],
        )
        for wave in plan.waves
    ]
    async with Worker(env.client, task_queue="forger", workflows=[ForgedPlan]):
        handle = await env.client.start_workflow(
            ForgedPlan.run,
            start,
            id=plan_workflow_id(plan.plan_id),
            task_queue="forger",
            search_attributes=search_attributes(plan.plan_id, execution_id, RECOVERY),
        )
        ends = await handle.result()
    found = dict(zip(carried, ends, strict=True))
    assert "0 of 2 signed approvals of the recovery" in found["none"]
    assert "1 of 2 signed approvals" in found["twice"]
    assert "1 of 2 signed approvals" in found["starter"]
    assert "does not know" in found["foreign"]
    assert "no signed approval of Needs" in found["needs"]
    # With the approvals that the plan asks for, it launches: nothing else was amiss.
    assert found["both"] == WaveStatus.COMPLETED
    assert launches_of(env, plan) == 1


@pytest.fixture
async def api(
    keys: Keys, strict: E2eEnvironment, tmp_path: Path
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Callers of a server that signs, by their names."""
    roles = {
        "author": ["operator"],
        "ops": ["operator"],
        "ann": ["approver"],
        "bob": ["approver"],
        "root": ["admin"],
    }
    variables = {
        "DRS_WAVES_SIGNING_KEY": str(tmp_path / "api.pem"),
        "DRS_WAVES_API_TOKENS": json.dumps(token_settings(**roles)),
    }
    stack = strict.stack
    await asyncio.to_thread(stack.start_server, variables)
    callers = {
        who: httpx.AsyncClient(
            base_url=f"{stack.pages_url}/api",
            headers={"Authorization": f"Bearer {token_of(who)}"},
            timeout=60,
        )
        for who in roles
    }
    yield callers
    await asyncio.gather(*(each.aclose() for each in callers.values()))
    stack.stop_part("server")


@pytest.mark.slow
async def test_author_operators_and_approvers_of_a_plan_are_different_people(
    strict: E2eEnvironment, api: dict[str, httpx.AsyncClient]
) -> None:
    env = strict
    rules = RecoveryRules(approvers=2, author_may_start=False)
    plan = env.plan(env.wave("Database"), env.wave("Web", approval_required=True), recovery=rules)
    weaker = plan.model_copy(update={"recovery": RecoveryRules(approvers=1)})
    executions = f"/plans/{plan.plan_id}/executions"
    start = {"ExecutionType": "RECOVERY", "Confirmation": plan.plan_id}

    async def post(who: str, path: str, body: Any) -> tuple[int, str]:
        answer = await api[who].post(path, json=body)
        return answer.status_code, answer.text

    async def refused(who: str, path: str, body: Any, reason: str) -> None:
        status, text = await post(who, path, body)
        assert (status, reason in text) == (403, True), text

    await register(api["author"], plan)
    await refused("author", executions, start, "whose author may not start a real RECOVERY")
    versions = f"/plans/{plan.plan_id}/versions"
    await refused("ops", versions, as_file(weaker), "less approval (Recovery Approvers 2 → 1)")
    status, text = await post("ops", executions, start)
    assert status == 202, text
    execution_id = json.loads(text)["ExecutionId"]
    await env.until(plan, awaits_approvals)
    # What runs has the rules of its own version.
    await register(api["root"], weaker)
    steer = f"/executions/{execution_id}"
    actions = (await api["ann"].get(f"{steer}/actions")).json()["Actions"]
    roles = {(each["Name"], each["Role"]) for each in actions}
    assert ("approve_recovery", "approver") in roles
    assert {r for n, r in roles if n == "skip_wave"} == {"operator", "approver"}
    await refused("ops", f"{steer}/approve_recovery", {}, "lacks the role approver")
    await refused("ops", f"{steer}/skip_wave", {"Wave": "web"}, "lacks the role approver")
    status, text = await post("root", f"{steer}/approve_recovery", {})
    assert (status, "1 of 2 approvals" in text) == (200, True), text
    assert launches_of(env, plan) == 0
    status, text = await post("ann", f"{steer}/approve_recovery", {"Reason": "the Region is lost"})
    assert (status, "2 of 2 approvals; Database can launch now" in text) == (200, True), text
    status, text = await post("bob", f"{steer}/skip_wave", {"Wave": "web"})
    assert status == 200, text
    state = await env.end(plan, execution_id)
    assert (state.status, launches_of(env, plan)) == (PlanStatus.PARTIAL, 1)
    assert all(message.actor_verified for message in state.messages)
    # An older version, or what ran, is not a way around the newest.
    await register(api["author"], plan)
    again = {**start, "FromExecution": execution_id}
    await refused("author", executions, again, "whose author may not start a real RECOVERY")
    old = {**start, "Version": 2}
    await refused("ops", executions, old, "version 3 needs more approval than this plan")
