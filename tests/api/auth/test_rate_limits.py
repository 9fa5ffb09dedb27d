"""Floods are refused, by all servers together, and nobody with a valid token is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any, cast

import boto3
import httpx
import pytest
import structlog

from api.auth import rate_limits
from api.auth.rate_limits import RateLimits, TooManyRequestsError, address_of, starts
from api.auth.tokens import Principal
from api.endpoints.execution_state import jobs
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveStatus
from sandbox.aws import SandboxAws
from settings import Settings
from storage.plans import PlanTable
from storage.rate_counts import RateCountTable
from tests.api.conftest import page_client
from tests.cli.executions import CHAIN, begin, put
from tests.end_to_end.api_server import as_file
from tests.static_tokens import token_of, token_settings

_SETTINGS = {"api_tokens": token_settings(ops=["operator"])}
_CLOCK = 1_000_000_040.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still, 40 s before a minute ends, unless a test moves it."""
    clock = SimpleNamespace(now=_CLOCK)
    now = SimpleNamespace(time=lambda: clock.now, monotonic=time.monotonic)
    monkeypatch.setattr(rate_limits, "time", now)
    monkeypatch.setattr(rate_limits, "_ANSWER_SECONDS", 60.0)
    return clock


@pytest.fixture
async def two_servers(aws: SandboxAws) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two servers that share the tables."""
    await RateCountTable(Settings()).create()
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(page_client(Settings(**cast(Any, _SETTINGS))))
            for _ in range(2)
        ]


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {token}"}


def counters() -> dict[str, int]:
    """The counters in DynamoDB."""
    items = boto3.client("dynamodb").scan(TableName="drs-waves-limits")["Items"]
    return {str(each["Counter"]["S"]): int(each["Count"]["N"]) for each in items}


async def test_of_500_wrong_tokens_through_two_servers_ten_get_an_answer(
    two_servers: list[httpx.AsyncClient], aws: SandboxAws, clock: SimpleNamespace
) -> None:
    with structlog.testing.capture_logs() as logs:
        answers = await asyncio.gather(
            *(
                two_servers[number % 2].get("/api/me", headers=bearer(f"wrong-{number}"))
                for number in range(500)
            )
        )
    refused = [each for each in answers if each.status_code == 429]
    assert sorted({each.status_code for each in answers}) == [401, 429]
    assert len(answers) - len(refused) == 10
    assert refused[0].headers["Retry-After"] == "40"
    assert refused[0].headers["content-type"] == "application/problem+json"
    detail = refused[0].json()["detail"]
    assert "10 wrong tokens came from 127.0.0.1 within a minute" in detail
    assert any("10 wrong tokens came from 127.0.0.1" in each["event"] for each in logs)
    ((name, count),) = counters().items()
    assert "failed-sign-ins/127.0.0.1" in name
    # Each server asks for its first ten.
    assert 10 < count <= 20
    for server in two_servers:
        answer = await server.get("/api/me", headers=bearer(token_of("ops")))
        assert answer.json()["Subject"] == "ops"
        form = await server.post("/sign-in", data={"token": "wrong"})
        assert form.status_code == 429
        assert form.headers["Retry-After"] == "40"
        assert "10 wrong tokens" in form.text
        assert (await server.post("/sign-in", data={"token": token_of("ops")})).status_code == 303
    clock.now += 40
    assert (await two_servers[0].get("/api/me", headers=bearer("wrong"))).status_code == 401


async def test_a_page_with_an_old_cookie_leads_to_the_sign_in_above_the_limit_too(
    two_servers: list[httpx.AsyncClient],
) -> None:
    server = two_servers[0]
    server.cookies.set("drs_waves_token", "old")
    for _ in range(12):
        page = await server.get("/plans/crm")
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/plans/crm")


async def test_a_request_without_a_token_is_no_guess(two_servers: list[httpx.AsyncClient]) -> None:
    for _ in range(12):
        assert (await two_servers[0].get("/api/me")).status_code == 401


async def test_two_servers_count_the_starts_of_a_person_together(aws: SandboxAws) -> None:
    await RateCountTable(Settings()).create()
    settings = Settings(starts_a_minute=3)
    servers, limit = [RateLimits(settings), RateLimits(settings)], starts(settings)
    for number in range(3):
        await servers[number % 2].count(limit, "ops")
    for server in servers:
        with pytest.raises(TooManyRequestsError, match="ops started 3 executions within a minute"):
            await server.count(limit, "ops")
        await server.count(limit, "ann")


async def test_two_servers_count_the_readiness_checks_of_a_person_together(
    two_servers: list[httpx.AsyncClient], plans: PlanTable
) -> None:
    await plans.register(CHAIN, author="ada")
    third = RateLimits(Settings())
    for _ in range(30):
        await third.count(rate_limits.READINESS, "ops")
    file, headers = as_file(CHAIN), bearer(token_of("ops"))
    for server in two_servers:
        for answer in (
            await server.post("/api/plans/crm/readiness", headers=headers),
            await server.post("/api/plans/readiness", headers=headers, json=file),
        ):
            assert answer.status_code == 429
            assert "ops checked plans 30 times" in answer.json()["detail"]


async def test_job_logs_are_limited(isolated_environment: None) -> None:
    limits = RateLimits(Settings())
    for _ in range(30):
        await limits.count(rate_limits.JOB_LOGS, "ops")
    state = begin(CHAIN)
    wave = put(state, "Database", WaveStatus.IN_PROGRESS)
    server = wave.servers[0].model_copy(update={"recovery_job_id": "drsjob-1"})
    wave.servers = [server, *wave.servers[1:]]

    async def known(_: str) -> ExecutionState:
        return state

    service = cast(Any, SimpleNamespace(limits=limits, hub=SimpleNamespace(state=known)))
    with pytest.raises(TooManyRequestsError, match="ops read job logs 30 times"):
        await jobs(service, Principal("ops", frozenset()), state.execution_id, wave.wave_id)


async def test_while_dynamodb_is_away_each_server_counts_alone_and_warns_once(
    isolated_environment: None,
) -> None:
    settings = Settings(starts_a_minute=3)
    limits, limit = RateLimits(settings), starts(settings)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await limits.count(limit, "ops")
        with pytest.raises(TooManyRequestsError):
            await limits.count(limit, "ops")
    warnings = [each["event"] for each in logs if "this server alone" in each["event"]]
    assert len(warnings) == 1


async def test_a_hanging_dynamodb_delays_one_request_and_not_each(
    isolated_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = RateLimits(Settings())

    hung: list[None] = []

    async def hang(*_: object, **__: object) -> int:
        hung.append(None)
        await asyncio.sleep(3600)
        return 1

    monkeypatch.setattr(rate_limits, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(limits._table, "count", hang)
    for _ in range(10):
        await limits.count(starts(Settings()), "ops")
    assert len(hung) == 1


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("not-an-address", "not-an-address"),
    ],
)
def test_a_client_is_known_by_its_address_or_its_network(host: str, address: str) -> None:
    assert address_of(cast(Any, SimpleNamespace(client=SimpleNamespace(host=host)))) == address


async def answers_behind(proxies: str | None, **headers: str) -> list[httpx.Response]:
    """Answers to wrong tokens, of a client that names another address in each request."""
    settings: dict[str, Any] = {**_SETTINGS, "trusted_proxies": proxies}
    async with page_client(Settings(**settings)) as client:
        return [
            await client.get(
                "/api/me",
                headers={**bearer("wrong"), "X-Forwarded-For": f"198.51.100.{number}", **headers},
            )
            for number in range(12)
        ]


async def test_a_claimed_address_does_not_evade_the_limit(isolated_environment: None) -> None:
    for answers in (
        await answers_behind(None),
        await answers_behind("192.0.2.0/24,2001:db8::1"),
        # The client claims the first, the proxy names the last.
        await answers_behind("127.0.0.1", **{"X-Forwarded-For": "203.0.113.1, 198.51.100.99"}),
    ):
        assert [each.status_code for each in answers][-2:] == [429, 429]


async def test_the_clients_of_a_named_proxy_are_limited_each(isolated_environment: None) -> None:
    answers = await answers_behind("192.0.2.0/24, 127.0.0.0/8")
    assert {each.status_code for each in answers} == {401}
