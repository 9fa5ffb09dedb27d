"""A mail scanner that opens every link changes nothing."""

import asyncio
import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute

from api.app import create_app
from api.pages.execution.controls import CANCEL, CLEAN_UP
from recovery.execution.wave import WaitingFor
from recovery.operator.messages import MessageName
from settings import Settings
from tests.end_to_end.api_server import Served, served, stack, started, started_server
from tests.end_to_end.conftest import E2eEnvironment, wave_of

__all__ = ["served", "stack", "started_server"]
_DIALOGS = (*MessageName, CANCEL, CLEAN_UP, "drill", "recovery", "relaunch", "job_log")
_LINK = re.compile(r'(?:href|src)="([^"]+)"')


def addresses(execution_id: str, plan_id: str) -> set[str]:
    """Every GET route of the pages and the API, with each action about each part of the plan."""
    app = create_app(Settings())
    (mount,) = (each for each in app.routes if getattr(each, "path", "") == "/api")
    routes = [("", each) for each in app.routes]
    routes += [("/api", each) for each in mount.app.routes]  # type: ignore[attr-defined]
    found: set[str] = set()
    abouts = (execution_id, f"{execution_id}/web", plan_id, "web")
    for prefix, route in routes:
        if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
            continue
        known = {"execution_id": execution_id, "plan_id": plan_id, "wave_id": "web", "kind": "json"}
        known["portfolio"] = execution_id
        names = _DIALOGS if "{name}" in route.path else ("",)
        for name in names:
            path = prefix + route.path.format(**known, name=name)
            found.add(path)
            if name:
                found |= {f"{path}?about={about}" for about in abouts}
    answers = "approve=true&confirm=yes&wave=web&text=web&before=1&after=1&view=wall"
    return found | {f"{path}?{answers}" for path in found if "?" not in path}


async def opened(client: httpx.AsyncClient, urls: set[str]) -> list[tuple[int, str]]:
    """Open addresses as a scanner does, and the links of what they show; of streams the start."""
    seen: set[str] = set()
    found: list[tuple[int, str]] = []
    gate = asyncio.Semaphore(8)
    host = urlsplit(str(client.base_url)).netloc

    async def visit(url: str) -> set[str]:
        async with gate, client.stream("GET", url) as answer:
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                await anext(answer.aiter_bytes(), b"")
                return set()
            text = (await answer.aread()).decode(errors="replace")
        found.append((answer.status_code, url))
        links = {urljoin(str(answer.url), each.split("#")[0]) for each in _LINK.findall(text)}
        return {each for each in links if urlsplit(each).netloc == host}

    while urls := {urljoin(str(client.base_url), url) for url in urls} - seen:
        seen |= urls
        urls = set().union(*await asyncio.gather(*map(visit, urls)))
    return found


@pytest.mark.parametrize(
    "visitor",
    [
        "a session",
        pytest.param("no session", marks=pytest.mark.slow),
        pytest.param("a token", marks=pytest.mark.slow),
    ],
)
async def test_whoever_opens_every_link_decides_launches_and_starts_nothing(
    env: E2eEnvironment, served: Served, visitor: str
) -> None:
    (server,) = env.aws.servers(1)
    plan = env.plan(env.wave("Web", servers=[server], approval_required=True))
    execution_id = await started(served.caller("ops", "operator"), plan)
    before = await env.until(
        plan, lambda s: wave_of(s, "Web").waiting_for is WaitingFor.APPROVAL and s.open_decisions
    )
    urls = addresses(execution_id, plan.plan_id)
    assert f"/decisions/dialogs/approve_wave?about={execution_id}/web" in urls
    token = served.provider.token(sub="chief", roles=["admin"])
    site = served.url.removesuffix("/api")
    visitors = {
        "no session": {},
        "a session": {"Cookie": f"drs_waves_token={token}"},
        "a token": {"Authorization": f"Bearer {token}"},
    }
    headers = visitors[visitor]
    async with httpx.AsyncClient(
        base_url=site, headers=headers, follow_redirects=True, timeout=60
    ) as client:
        found = await opened(client, urls)
    assert not [url for status, url in found if status == 500]
    assert headers == {} or sum(status == 200 for status, _ in found) > 40
    after = await env.until(plan, lambda s: True)
    assert (after.messages, after.open_decisions) == ([], before.open_decisions)
    assert after.waves == before.waves
    assert env.aws.accepted_launches(server) == []
    running = f"WorkflowType = 'RecoveryPlanWorkflow' AND DrsPlanId = '{plan.plan_id}'"
    assert await env.count_workflows(running) == 1
    assert await env.count_workflows("WorkflowType = 'DrillCleanupWorkflow'") == 0
