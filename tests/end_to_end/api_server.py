"""The served API for end-to-end tests: a process of its own, and callers with real tokens."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from recovery.plan.model import RecoveryPlan
from sandbox.stack import Stack
from tests.api.oidc import AUDIENCE, Provider
from tests.security.keys import key_file, private_key, trusted
from tests.shared_servers import own_stack, stop

STARTS_A_MINUTE = 4


@dataclass
class Served:
    """The API of a server process."""

    stack: Stack
    provider: Provider
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"{self.stack.pages_url}/api"

    def caller(self, subject: str, *roles: str) -> httpx.AsyncClient:
        """A client with a token of this subject and these roles."""
        token = self.provider.token(sub=subject, roles=list(roles))
        return self.with_token(token)

    def with_token(self, token: str | None) -> httpx.AsyncClient:
        """A client with a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # The maximum time of a request that waits for a worker.
        client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60.0)
        self.clients.append(client)
        return client


@pytest.fixture(scope="module")
async def stack(
    shared_servers: Stack, shared_temporal: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """One for the module, whose tests share the server and the key of its signatures."""
    folder = tmp_path_factory.mktemp("api")
    own = await own_stack(shared_servers, shared_temporal, folder)
    keys = key_file(folder, trusted(private_key(folder)))
    yield replace(own, variables={**own.variables, "DRS_WAVES_REQUEST_KEYS": str(keys)})
    await stop(own)


@pytest.fixture(scope="module")
def started_server(stack: Stack) -> Iterator[Served]:
    """A server that knows callers by their tokens."""
    with Provider() as provider:
        stack.start_server(
            {
                "DRS_WAVES_OIDC_ISSUER": provider.issuer,
                "DRS_WAVES_OIDC_AUDIENCE": AUDIENCE,
                "DRS_WAVES_STARTS_A_MINUTE": str(STARTS_A_MINUTE),
                "DRS_WAVES_SIGNING_KEY": str(stack.folder / "api.pem"),
            }
        )
        try:
            yield Served(stack, provider)
        finally:
            stack.stop_part("server")


@pytest.fixture
async def served(started_server: Served) -> AsyncIterator[Served]:
    """The server, and clients that are closed with the test."""
    started_server.provider.reset()
    yield started_server
    await asyncio.gather(*(client.aclose() for client in started_server.clients))
    started_server.clients.clear()


def as_file(plan: RecoveryPlan) -> dict[str, Any]:
    """A plan as a user would write it."""
    return plan.model_dump(mode="json", exclude_none=True)


async def register(caller: httpx.AsyncClient, plan: RecoveryPlan) -> None:
    """Register a plan."""
    answer = await caller.post(f"/plans/{plan.plan_id}/versions", json=as_file(plan))
    assert answer.status_code == 201, answer.text


async def started(caller: httpx.AsyncClient, plan: RecoveryPlan, **request: Any) -> str:
    """Register a plan and start an execution; its ID."""
    await register(caller, plan)
    answer = await caller.post(f"/plans/{plan.plan_id}/executions", json=request)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["ExecutionId"])


@dataclass
class Event:
    """A server-sent event."""

    event: str = ""
    data: Any = None
    id: str = ""


@asynccontextmanager
async def watching(
    caller: httpx.AsyncClient, execution_id: str
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of an execution."""
    async with caller.stream("GET", f"/executions/{execution_id}/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[Event]:
    event = Event()
    async for line in answer.aiter_lines():
        if not line and event.event:
            yield event
            event = Event()
        name, _, value = line.partition(": ")
        if name == "event":
            event.event = value
        elif name == "id":
            event.id = value
        elif name == "data":
            event.data = json.loads(value)
