"""A drill with everything on that protects it, between two workers and two API servers."""

import asyncio
from pathlib import Path

import httpx
import yaml

from contract.identifiers import cleanup_workflow_id, plan_workflow_id
from recovery.execution.cleanup_state import CleanupStatus
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaitingFor
from recovery.plan.file.writer import plan_text
from tests.end_to_end.api_server import watching
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.target_accounts import (
    TargetRoles,
    allow_list,
    operations_role,
    target_account,
)
from tests.end_to_end.test_encryption import key_file, raw_history
from tests.end_to_end.test_signed_requests import Keys, keys, two_of_each
from tests.static_tokens import token_of

__all__ = ["key_file", "keys"]


async def test_a_drill_and_its_clean_up_go_from_one_server_to_the_other_with_everything_on(
    env_without_worker: E2eEnvironment, keys: Keys, key_file: Path, tmp_path: Path
) -> None:
    env = env_without_worker
    account_id = await asyncio.to_thread(target_account, env)
    target = await asyncio.to_thread(TargetRoles.deploy, env, account_id)
    worker, server = await asyncio.gather(
        *(asyncio.to_thread(operations_role, env, role) for role in ("WorkerRole", "ApiRole"))
    )
    worker |= {"DRS_WAVES_ALLOW_LIST": allow_list([target])}
    plan = env.plan(target.launch(), target.checks(approval_required=True))
    async with two_of_each(env, tmp_path, worker=worker, server=server) as (first, second):
        ops, other, ann = (
            httpx.AsyncClient(
                base_url=url, headers={"Authorization": f"Bearer {token_of(who)}"}, timeout=60
            )
            for url, who in ((first, "ops"), (second, "ops"), (second, "ann"))
        )
        async with ops, other, ann:
            written = yaml.safe_load(plan_text(plan))
            registered = await ops.post(f"/plans/{plan.plan_id}/versions", json=written)
            assert registered.status_code == 201, registered.text
            # A balancer may send a request again, to the other server.
            path = f"/plans/{plan.plan_id}/executions"
            headers = {"Idempotency-Key": "monday"}
            answers = await asyncio.gather(
                *(each.post(path, json={}, headers=headers) for each in (ops, other))
            )
            assert sorted(answer.status_code for answer in answers) == [200, 202], answers
            (execution_id,) = {answer.json()["ExecutionId"] for answer in answers}
            await env.until(plan, lambda s: s.waves[1].waiting_for is WaitingFor.APPROVAL)
            async with asyncio.timeout(60), watching(ops, execution_id) as events:
                approve = {"Wave": plan.waves[1].wave_id, "Reason": "checked"}
                approved = await ann.post(f"/executions/{execution_id}/approve_wave", json=approve)
                assert approved.json()["Effect"].startswith("approved"), approved.text
                async for event in events:
                    if event.event == "state" and event.data["Messages"]:
                        break
            assert event.data["Messages"][0]["Actor"] == "ann"
            state = await env.end(plan, execution_id)
            assert state.status is PlanStatus.COMPLETED, state.status_reason
            (message,) = state.messages
            assert (message.actor, message.actor_verified) == ("ann", True)
            assert len(env.aws.accepted_launches(target.server_id)) == 1

            accepted = await other.post(f"/executions/{execution_id}/cleanup", json={})
            assert accepted.status_code == 202, accepted.text
            cleanup = env.client.get_workflow_handle(cleanup_workflow_id(execution_id))
            assert (await cleanup.result())["Status"] == CleanupStatus.COMPLETED
            shown = (await ops.get(f"/executions/{execution_id}/cleanup")).json()
            assert (shown["Status"], shown["Actor"]) == ("COMPLETED", "ops")
    assert env.aws.instances_up(target.server_id) == []
    raw = await raw_history(env, plan_workflow_id(plan.plan_id))
    assert target.server_id.encode() not in raw
