"""Each request that acts is one event of the audit log, and so is each token that is refused."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from recovery.access.audit import EACH_REFUSAL
from recovery.access.roles import Role
from sandbox.aws import SandboxAws
from security.static_tokens import token_hash
from settings import Settings, StaticToken
from storage.plans import PlanTable
from tests.api.conftest import page_client
from tests.api.oidc import AUDIENCE, Provider
from tests.recovery.plans import diamond

OPS, VIC = "a-token-of-ops-00123", "a-token-of-vic-00123"
EXECUTION = "/api/executions/crm-0f3b52a1c7d9"
PLAN = diamond().model_dump(mode="json", exclude_none=True)


@pytest.fixture
def settings(tmp_path: Path, aws: SandboxAws, provider: Provider) -> Settings:
    """A server with static tokens and a provider."""
    tokens = {"ops": (OPS, Role.OPERATOR), "vic": (VIC, Role.VIEWER)}
    return Settings(
        audit_log=str(tmp_path / "audit.jsonl"),
        api_tokens={
            who: StaticToken(hash=token_hash(token), roles=[role])
            for who, (token, role) in tokens.items()
        },
        oidc_issuer=provider.issuer,
        oidc_audience=AUDIENCE,
    )


def events(settings: Settings) -> list[dict[str, Any]]:
    """The events without those of the log itself."""
    text = Path(str(settings.audit_log)).read_text()
    for secret in (OPS, VIC, "a-wrong-token"):
        assert secret not in text
    found = [json.loads(line) for line in text.splitlines()]
    return [each for each in found if not each["Act"].startswith("LOG_")]


def bearer(token: str) -> dict[str, str]:
    """The header with a token."""
    return {"Authorization": f"Bearer {token}"}


async def test_acts_are_recorded_with_who_and_why_and_reads_are_not(
    settings: Settings, plans: PlanTable, provider: Provider
) -> None:
    versions = "/api/plans/crm/versions"
    async with page_client(settings) as client:
        for token in (OPS, provider.token(sub="ada")):
            assert (await client.post(versions, json=PLAN, headers=bearer(token))).is_success
        await client.get(versions, headers=bearer(OPS))
        await client.post("/api/plans/validate", json=PLAN, headers=bearer(OPS))
        await client.post(versions, json=PLAN, headers=bearer(VIC))
        await client.post(f"{EXECUTION}/pause", headers=bearer("a-wrong-token"))
        await client.post("/api/plans/crm/executions", json={"Foo": 1}, headers=bearer(OPS))
        start = {"ExecutionType": "RECOVERY"}
        await client.post("/api/plans/crm/executions", json=start, headers=bearer(OPS))
        await client.post(f"{EXECUTION}/cleanup", json={})
        await client.post(f"{EXECUTION}/declaration", json={"Time": 1.0}, headers=bearer(VIC))
        await client.post(f"{EXECUTION}/action-items/1/close", json={}, headers=bearer(VIC))
        await client.post(f"{EXECUTION}/skip_wave", json={"Wave": "db"}, headers=bearer(OPS))
    found = [
        (e["Act"], e["Accepted"], e.get("Refusal"), e["Actor"], e["ActorVerified"], e["Proof"])
        for e in events(settings)
    ]
    static, nobody = ("ops", True, "STATIC_TOKEN"), ("unknown", False, "NONE")
    assert found == [
        ("REGISTER", True, None, *static),
        ("REGISTER", True, None, "ada", True, "OIDC"),
        ("REGISTER", False, "FORBIDDEN", "vic", True, "STATIC_TOKEN"),
        ("MESSAGE", False, "UNAUTHORIZED", *nobody),
        ("START", False, "UNPROCESSABLE_ENTITY", *static),
        ("START", False, "UNPROCESSABLE_ENTITY", *static),
        ("CLEANUP", False, "UNAUTHORIZED", *nobody),
        ("DECLARE", False, "FORBIDDEN", "vic", True, "STATIC_TOKEN"),
        ("ACTION_ITEM", False, "FORBIDDEN", "vic", True, "STATIC_TOKEN"),
        ("MESSAGE", False, "SERVICE_UNAVAILABLE", *static),
    ]
    *_, message = events(settings)
    assert (message["PlanId"], message["ExecutionId"]) == ("crm", "crm-0f3b52a1c7d9")
    assert (message["Message"], message["WaveId"]) == ("skip_wave", "db")
    assert message["Address"] == "127.0.0.1"
    assert "needs the PlanId" in events(settings)[5]["Text"]


async def test_sign_ins_and_sign_outs_are_recorded(settings: Settings) -> None:
    async with page_client(settings) as client:
        await client.get("/sign-in")
        await client.post("/sign-in", data={"token": "a-wrong-token"})
        await client.post("/sign-in", data={"token": OPS})
        await client.get("/sign-in")
        await client.post("/sign-out")
        await client.post("/sign-out")
    found = [(e["Act"], e["Accepted"], e["Actor"], e["ActorVerified"]) for e in events(settings)]
    assert found == [
        ("SIGN_IN", False, "unknown", False),
        ("SIGN_IN", True, "ops", True),
        ("SIGN_OUT", True, "ops", True),
        ("SIGN_OUT", True, "unknown", False),
    ]


async def test_what_a_page_sends_is_recorded(settings: Settings, plans: PlanTable) -> None:
    async with page_client(settings) as client:
        await client.post("/executions/crm-0f3b52a1c7d9/dialogs/clean_up", json={})
        await client.post("/sign-in", data={"token": VIC})
        fields = {"text": json.dumps(PLAN), "plan_id": "crm", "version": "0"}
        await client.post("/editor/check", json=fields | {"opened": "0"})
        await client.post("/editor/register", json=fields)
        await client.post("/plans/crm/dialogs/drill?about=crm", json={"key": "1"})
    found = [
        (e["Act"], e.get("Refusal"), e.get("PlanId"), e["Actor"])
        for e in events(settings)
        if e["Act"] != "SIGN_IN"
    ]
    assert found[:2] == [
        ("CLEANUP", "UNAUTHORIZED", "crm", "unknown"),
        ("REGISTER", "FORBIDDEN", None, "vic"),
    ]
    assert found[2][0] == "START"
    assert len(found) == 3


async def test_wrong_tokens_of_reads_are_refused_sign_ins_and_a_flood_is_counted(
    settings: Settings, provider: Provider
) -> None:
    async with page_client(settings) as client:
        await client.get("/api/me")
        await client.get("/")
        expired = provider.token(exp=1)
        assert (await client.get("/api/me", headers=bearer(expired))).status_code == 401
        answers: list[httpx.Response] = [
            await client.get("/api/me", headers=bearer(f"a-wrong-token-{n}")) for n in range(500)
        ]
        client.cookies.set("drs_waves_token", "a-wrong-token")
        await client.get("/")
    assert {answer.status_code for answer in answers} == {401, 429}
    found = events(settings)
    assert {(e["Act"], e["Accepted"], e["Refusal"]) for e in found} == {
        ("SIGN_IN", False, "UNAUTHORIZED"),
        ("SIGN_IN", False, "TOO_MANY_REQUESTS"),
    }
    assert sum(e.get("Count", 1) for e in found) == 502
    # Those before the limit, and those above it.
    assert len(found) == 2 * (EACH_REFUSAL + 1)


async def test_without_authentication_nobody_is_verified_and_other_sites_are_recorded(
    tmp_path: Path, aws: SandboxAws, plans: PlanTable
) -> None:
    settings = Settings(audit_log=str(tmp_path / "audit.jsonl"))
    async with page_client(settings) as client:
        await client.post("/api/plans/crm/versions", json=PLAN)
        other_site = {"Origin": "https://elsewhere.example"}
        await client.post("/api/plans/crm/versions", json=PLAN, headers=other_site)
    registered, foreign = events(settings)
    assert (registered["Accepted"], registered["ActorVerified"]) == (True, False)
    assert (foreign["Refusal"], foreign["Actor"]) == ("FORBIDDEN", "unknown")
