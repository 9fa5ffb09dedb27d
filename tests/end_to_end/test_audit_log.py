"""The audit log of a drill: who did, and who was refused, what; by API and worker."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from client.errors import RejectedError
from client.executions import require_running
from client.start import start_execution
from client.steering import send
from contract.identifiers import plan_workflow_id
from recovery.access.audit import AuditPlace
from recovery.access.grants import AccessCode
from recovery.execution.state import PlanStatus, RefusalCode
from recovery.execution.wave import WaitingFor
from recovery.operator.messages import MessageName, OperatorMessage
from security.audit_log import AuditFile, AuditLog
from security.signers import KeyFile
from settings import Settings, get_settings
from tests.api.conftest import page_client
from tests.end_to_end.api_server import as_file
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers, wave_of
from tests.security.keys import key_file, private_key, trusted
from tests.static_tokens import token_of, token_settings

_TOKENS: Any = token_settings(ops=["operator"], ann=["approver"])


def bearer(subject: str) -> dict[str, str]:
    """The header of a caller."""
    return {"Authorization": f"Bearer {token_of(subject)}"}


def lines(path: Path, place: AuditPlace) -> list[dict[str, Any]]:
    """What a place has written, of nothing but acts; no number of its sequence is missing."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    found = [each for each in found if each["Writer"]["Place"] == place]
    assert [each["Sequence"] for each in found] == list(range(1, len(found) + 1))
    return [each for each in found if not each["Act"].startswith("LOG_")]


async def test_a_signed_drill_is_recorded_by_api_and_worker_with_who_proved_what(
    env_without_worker: E2eEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env, path, key = env_without_worker, tmp_path / "audit.jsonl", private_key(tmp_path)
    keys = key_file(tmp_path, trusted(key))
    monkeypatch.setenv("DRS_WAVES_REQUIRE_SIGNED_REQUESTS", "true")
    monkeypatch.setenv("DRS_WAVES_REQUEST_KEYS", str(keys))
    get_settings.cache_clear()
    plan = env.plan(env.wave("Database"), env.wave("Web", "Database", approval_required=True))
    forged_plan = env.plan(env.wave("Database"))
    api = Settings(signing_key=str(key), api_tokens=_TOKENS, audit_log=str(path))
    audit = AuditLog(AuditPlace.WORKER, AuditFile(str(path)))
    async with RunningWorkers(env, audit), page_client(api) as client:
        body = as_file(plan)
        url = f"/api/plans/{plan.plan_id}"
        await client.post(f"{url}/versions", json=body, headers=bearer("ops"))
        refused = await client.post(f"{url}/executions", json={}, headers=bearer("ann"))
        wrong = {"Authorization": "Bearer the-token-of-nobody"}
        unknown = await client.post(f"{url}/executions", json={}, headers=wrong)
        started = await client.post(f"{url}/executions", json={}, headers=bearer("ops"))
        assert [a.status_code for a in (refused, unknown, started)] == [403, 401, 202]
        execution_id = started.json()["ExecutionId"]
        await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
        handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
        for _ in range(50):
            await handle.signal("approve_wave", {"wave": "web", "actor": "ann"})
        await env.until(plan, lambda s: s.messages and s.messages[0].repeats == 49)
        approved = await client.post(
            f"/api/executions/{execution_id}/approve_wave",
            json={"Wave": "Web"},
            headers=bearer("ann"),
        )
        assert approved.json()["Effect"].startswith("approved"), approved.text
        assert (await env.end(plan, execution_id)).status is PlanStatus.COMPLETED
        forged_id = await start_execution(env.client, forged_plan, started_by="boss")
        assert (await env.end(forged_plan, forged_id)).status is PlanStatus.FAILED
    await asyncio.to_thread(audit.close)

    by_api = [
        (e["Act"], e.get("Refusal"), e["Actor"], e["ActorVerified"], e.get("ExecutionId"))
        for e in lines(path, AuditPlace.API)
    ]
    assert by_api == [
        ("REGISTER", None, "ops", True, None),
        ("START", "FORBIDDEN", "ann", True, None),
        ("START", "UNAUTHORIZED", "unknown", False, None),
        ("START", None, "ops", True, execution_id),
        ("MESSAGE", None, "ann", True, execution_id),
    ]
    kid = KeyFile(key).kid()
    by_worker = lines(path, AuditPlace.WORKER)
    proven = [e for e in by_worker if e["Accepted"]]
    assert {(e["ActorVerified"], e["Proof"], e["Kid"]) for e in proven} == {
        (True, "SIGNATURE", kid)
    }
    assert [(e["Act"], e["Actor"], e.get("WaveId")) for e in proven] == [
        ("START", "ops", None),
        ("LAUNCH", "ops", "database"),
        ("MESSAGE", "ann", "web"),
        ("LAUNCH", "ops", "web"),
    ]
    launch = proven[1]
    assert (launch["LaunchId"], launch["SubjectIds"]) == (
        f"{execution_id}/database/1/0",
        list(plan.waves[0].server_ids),
    )
    assert launch["Text"].startswith("drsjob-")
    forged = [e for e in by_worker if not e["Accepted"]]
    assert {(e["Actor"], e["ActorVerified"]) for e in forged if e["Act"] == "MESSAGE"} == {
        ("ann", False)
    }
    assert {e["Refusal"] for e in forged if e["Act"] == "MESSAGE"} == {AccessCode.NOT_SIGNED}
    assert sum(e.get("Count", 1) for e in forged if e["Act"] == "MESSAGE") == 50
    starts = [
        (e["PlanId"], e["Refusal"], e["ActorVerified"]) for e in forged if e["Act"] == "START"
    ]
    assert starts == [(forged_plan.plan_id, "NOT_SIGNED", False)]


@pytest.mark.slow
async def test_without_signatures_every_message_is_recorded_and_nobody_is_verified(
    env_without_worker: E2eEnvironment, tmp_path: Path
) -> None:
    env, path = env_without_worker, tmp_path / "audit.jsonl"
    audit = AuditLog(AuditPlace.WORKER, AuditFile(str(path)))
    plan = env.plan(env.wave("Database"), env.wave("Web", "Database", approval_required=True))
    async with RunningWorkers(env, audit):
        execution_id = await start_execution(env.client, plan, started_by="ops")
        await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
        running = await require_running(env.client, plan.plan_id)
        # A validator rejects it, so that neither Temporal nor the execution has it.
        retry = OperatorMessage(MessageName.RETRY_WAVE, "Database")
        with pytest.raises(RejectedError):
            await send(env.client, running, retry, actor="bob")
        approve = OperatorMessage(MessageName.APPROVE_WAVE, "Web")
        await send(env.client, running, approve, actor="ann")
        state = await env.end(plan, execution_id)
    await asyncio.to_thread(audit.close)
    assert [m.name for m in state.messages] == ["approve_wave"]
    found = lines(path, AuditPlace.WORKER)
    assert not any(e["ActorVerified"] for e in found)
    assert [(e["Act"], e.get("Message"), e["Actor"], e.get("Refusal")) for e in found] == [
        ("LAUNCH", None, "ops", None),
        ("MESSAGE", "retry_wave", "bob", RefusalCode.WAVE_STATUS),
        ("MESSAGE", "approve_wave", "ann", None),
        ("LAUNCH", None, "ops", None),
    ]
