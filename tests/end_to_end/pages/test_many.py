"""Many open pages cost Temporal no more queries than one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn
from temporalio.client import Client

from api import hub
from api.app import create_app
from client.executions import execution_state
from client.start import start_execution
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaitingFor
from sandbox.stack import free_port
from settings import get_settings
from tests.end_to_end.conftest import E2eEnvironment, wave_of

_PAGES = 50
_WATCHED_SECONDS = 3.0


@dataclass
class Screen:
    """An open page without a browser: its events.

    Attributes:
        received: all lines from the server.
    """

    received: list[str] = field(default_factory=list)

    async def listen(self, address: str) -> None:
        """Receive events."""
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", address, params={"shown": "nothing"}) as response,
        ):
            async for line in response.aiter_lines():
                self.received.append(line)

    def has_received(self, text: str) -> bool:
        """Whether a line contains a text."""
        return any(text in each for each in self.received)


@asynccontextmanager
async def serving_here() -> AsyncIterator[str]:
    """The pages in this process, where queries can be counted."""
    port = free_port()
    config = uvicorn.Config(create_app(get_settings()), port=port, log_level="warning")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def screen(host: str, execution_id: str) -> AsyncIterator[Screen]:
    """An open page of an execution."""
    opened = Screen()
    listening = asyncio.create_task(
        opened.listen(f"http://{host}/executions/{execution_id}/events")
    )
    try:
        yield opened
    finally:
        listening.cancel()


@pytest.mark.slow
async def test_fifty_pages_query_temporal_no_more_often_than_one(
    env: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = 0

    async def counted(client: Client, plan_id: str) -> ExecutionState:
        nonlocal queries
        queries += 1
        return await execution_state(client, plan_id)

    monkeypatch.setattr(hub, "execution_state", counted)
    plan = env.plan(env.wave("Web", approval_required=True))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL)
    async with serving_here() as host, AsyncExitStack() as screens:
        first = await screens.enter_async_context(screen(host, execution_id))
        await env.eventually(lambda: _true(first.has_received("event: age")))
        queries = 0
        await asyncio.sleep(_WATCHED_SECONDS)
        by_one = queries
        others = [
            await screens.enter_async_context(screen(host, execution_id)) for _ in range(_PAGES - 1)
        ]
        await env.eventually(lambda: _true(all(each.has_received("event: age") for each in others)))
        queries = 0
        await asyncio.sleep(_WATCHED_SECONDS)
        by_all = queries
        handle = env.client.get_workflow_handle(f"drs-plan/{plan.plan_id}")
        await handle.signal("skip_wave", {"wave": "web"})
        all_screens = [first, *others]
        await env.eventually(
            lambda: _true(all(each.has_received("SKIPPED") for each in all_screens))
        )
    # One query a second, plus one at the edges.
    assert 1 <= by_one <= _WATCHED_SECONDS + 1
    assert by_all <= _WATCHED_SECONDS + 1


async def _true(found: bool) -> bool:
    return found
