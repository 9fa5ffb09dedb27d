"""The API keeps what its OpenAPI document promises: who may do what, and every answer's form."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from recovery.access.roles import Role
from recovery.operator.messages import MessageName
from tests.end_to_end.api_server import Served, register, served, stack, started_server
from tests.end_to_end.conftest import E2eEnvironment

__all__ = ["served", "stack", "started_server"]

_EXECUTION = "/executions/{execution_id}"
_WAVE = {"Wave": "database"}
# Nothing with these names exists, so a permitted request gets 404.
_NAMES = {
    "plan_id": "none",
    "execution_id": "none-0f3b52a1c7d9",
    "wave_id": "database",
    "step_id": "dns",
    "name": "none",
    "portfolio_id": "none",
    "message": "pause",
    "number": "1",
}
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


class Route(NamedTuple):
    """An endpoint: the role that it needs, None where it asks for no token; what is sent.

    Another role may be sufficient for some executions.
    """

    role: Role | None = Role.VIEWER
    body: Any = None
    other: Role | None = None


def message(name: MessageName) -> Route:
    """The endpoint of an operator's message."""
    is_approval = name in (MessageName.APPROVE_WAVE, MessageName.APPROVE_RECOVERY)
    role = Role.APPROVER if is_approval else Role.OPERATOR
    by_both = (MessageName.SKIP_WAVE, MessageName.ACKNOWLEDGE)
    other = Role.APPROVER if name in by_both else None
    job = {"Job": "drsjob-0123456789abcdefg"} if name is MessageName.ADOPT_JOB else {}
    return Route(role, {**_WAVE, **job} if name.is_about_a_wave else {}, other)


TABLE = {
    ("GET", "/health"): Route(None),
    ("GET", "/sign-in"): Route(None),
    ("GET", "/me"): Route(),
    ("GET", "/plans"): Route(),
    ("GET", "/plans/{plan_id}"): Route(),
    ("GET", "/plans/{plan_id}/versions"): Route(),
    ("GET", "/plans/{plan_id}/difference"): Route(),
    ("GET", "/schedules"): Route(),
    ("GET", "/plans/{plan_id}/schedule"): Route(),
    ("POST", "/plans/{plan_id}/schedule/pause"): Route(Role.OPERATOR, {}),
    ("POST", "/plans/{plan_id}/schedule/resume"): Route(Role.OPERATOR, {}),
    ("POST", "/plans/{plan_id}/schedule/run-now"): Route(Role.OPERATOR),
    ("POST", "/plans/{plan_id}/schedule/sign"): Route(Role.OPERATOR),
    ("POST", "/plans/{plan_id}/schedule/revoke"): Route(Role.APPROVER, {}),
    ("GET", "/plans/{plan_id}/forecast"): Route(),
    ("GET", "/readiness"): Route(),
    ("GET", "/plans/{plan_id}/readiness"): Route(),
    ("POST", "/plans/{plan_id}/readiness"): Route(Role.OPERATOR, {}),
    ("GET", "/plans/{plan_id}/snapshots"): Route(),
    ("GET", "/coverage"): Route(),
    ("GET", "/metrics"): Route(),
    ("GET", "/plans/{plan_id}/membership"): Route(),
    ("POST", "/plans/membership"): Route(Role.OPERATOR, {}),
    ("POST", "/plans/snapshots"): Route(Role.OPERATOR, {}),
    ("GET", "/plans/{plan_id}/launch-settings"): Route(),
    ("GET", "/plans/{plan_id}/launch-settings/applied"): Route(),
    ("POST", "/plans/launch-settings"): Route(Role.OPERATOR, {}),
    ("POST", "/plans/{plan_id}/launch-settings"): Route(Role.OPERATOR, {}),
    ("POST", "/plans/validate"): Route(body={}),
    ("POST", "/plans/readiness"): Route(Role.OPERATOR, {}),
    ("POST", "/forecast"): Route(body={"PlanIds": ["none"]}),
    ("POST", "/plans/{plan_id}/versions"): Route(Role.OPERATOR, {}),
    ("POST", "/plans/{plan_id}/removal"): Route(Role.OPERATOR, {"After": 1}),
    ("POST", "/plans/{plan_id}/executions"): Route(Role.OPERATOR, {}),
    ("POST", "/codec/decode"): Route(body={"payloads": []}),
    ("POST", "/codec/encode"): Route(Role.OPERATOR, {"payloads": []}),
    ("GET", "/portfolios"): Route(),
    ("GET", "/portfolios/{name}"): Route(),
    ("GET", "/portfolios/{execution_id}/continuation"): Route(),
    ("POST", "/portfolios/{portfolio_id}/executions"): Route(
        Role.OPERATOR, {"Confirmation": "none", "Plans": [{"PlanId": "none"}]}
    ),
    ("POST", "/portfolios/{execution_id}/cancel"): Route(Role.OPERATOR, {}),
    ("POST", "/portfolios/{execution_id}/{message}"): Route(Role.OPERATOR, {}),
    ("GET", "/history"): Route(),
    ("GET", "/running/{name}"): Route(),
    ("GET", "/executions"): Route(),
    ("GET", "/executions.csv"): Route(),
    ("GET", "/decisions"): Route(),
    ("GET", "/decisions/events"): Route(),
    ("GET", _EXECUTION): Route(),
    ("GET", f"{_EXECUTION}/actions"): Route(),
    ("GET", f"{_EXECUTION}/events"): Route(),
    ("GET", f"{_EXECUTION}/messages"): Route(),
    ("GET", f"{_EXECUTION}/notifications"): Route(),
    ("GET", f"{_EXECUTION}/servers.csv"): Route(),
    ("GET", f"{_EXECUTION}/steps"): Route(),
    ("GET", f"{_EXECUTION}/waves/{{wave_id}}/jobs"): Route(),
    ("GET", f"{_EXECUTION}/report.json"): Route(),
    ("GET", f"{_EXECUTION}/report.html"): Route(),
    ("GET", "/plans/{plan_id}/report.json"): Route(),
    ("GET", "/plans/{plan_id}/report.html"): Route(),
    ("GET", "/portfolios/{name}/report.json"): Route(),
    ("GET", "/portfolios/{name}/report.html"): Route(),
    ("GET", "/action-items"): Route(),
    ("GET", f"{_EXECUTION}/action-items"): Route(),
    ("POST", f"{_EXECUTION}/action-items"): Route(
        Role.OPERATOR, {"Text": "x", "Owner": "ops", "Due": "2026-12-31"}
    ),
    ("POST", f"{_EXECUTION}/action-items/{{number}}/close"): Route(Role.OPERATOR, {}),
    ("POST", f"{_EXECUTION}/declaration"): Route(Role.OPERATOR, {"Time": 1.0}),
    ("GET", f"{_EXECUTION}/cleanup"): Route(),
    ("POST", f"{_EXECUTION}/cleanup"): Route(Role.OPERATOR, {}),
    ("GET", f"{_EXECUTION}/steps/{{wave_id}}/{{step_id}}/revert"): Route(Role.OPERATOR),
    ("POST", f"{_EXECUTION}/steps/{{wave_id}}/{{step_id}}/revert"): Route(
        Role.OPERATOR,
        {"View": {"Place": "x", "Now": "b", "Was": "a", "SetTo": "b"}, "Confirmation": "w/s"},
    ),
    ("POST", f"{_EXECUTION}/continuation"): Route(Role.OPERATOR, {}),
    ("POST", f"{_EXECUTION}/cancel"): Route(Role.OPERATOR, {}),
    **{("POST", f"{_EXECUTION}/{name}"): message(name) for name in MessageName},
}


def may(role: Role, needed: Role | None) -> bool:
    """Whether a role is sufficient: all may read, an admin may do everything, others differ."""
    return needed in (None, Role.VIEWER, role) or role is Role.ADMIN


async def test_every_endpoint_is_in_the_table_of_roles(served: Served) -> None:
    document = (await served.with_token(None).get("/openapi.json")).json()
    output = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert output == set(TABLE)


async def statuses(client: httpx.AsyncClient) -> dict[tuple[str, str], int]:
    """What each endpoint answers to a caller."""
    gate = asyncio.Semaphore(8)

    async def ask(method: str, path: str, body: Any) -> int:
        async with gate:
            sent = {} if body is None else {"json": body}
            # A stream of events does not end.
            async with client.stream(method, path.format(**_NAMES), **sent) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
        return answer.status_code

    found = await asyncio.gather(*(ask(m, p, route.body) for (m, p), route in TABLE.items()))
    return dict(zip(TABLE, found, strict=True))


async def test_every_endpoint_but_two_rejects_unknown_callers(
    served: Served,
) -> None:
    provider = served.provider
    strangers = {
        "no token": None,
        "unknown": "a-token-of-nobody-123",
        "expired": provider.token(roles=["admin"], exp=time.time() - 60),
        "of another audience": provider.token(roles=["admin"], aud="somebody-else"),
        "of another issuer": provider.token(roles=["admin"], iss="https://example.com"),
        "unsigned": provider.unsigned(roles=["admin"]),
    }
    for what, token in strangers.items():
        found = await statuses(served.with_token(token))
        # Above ten wrong tokens a minute it is 429.
        let_in = [route for route, status in found.items() if status not in (401, 429)]
        assert let_in == [("GET", "/health"), ("GET", "/sign-in")], what


async def test_every_endpoint_serves_its_roles_and_no_others(
    env: E2eEnvironment, served: Served
) -> None:
    for role in Role:
        found = await statuses(served.caller(f"{role}-of-the-table", role))
        refused = {route for route, status in found.items() if status in (401, 403)}
        assert refused == {
            route
            for route, each in TABLE.items()
            if not may(role, each.role) and role is not each.other
        }
        assert {status for status in found.values() if status >= 500} == set(), found


# Hundreds of requests take a quarter of a minute; the walk through every boundary takes a thousand.
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("phases", "examples"),
    [("fuzzing", 2), pytest.param("coverage,fuzzing", 20, marks=pytest.mark.soak)],
)
async def test_the_api_follows_its_openapi_document_for_any_request(
    env: E2eEnvironment, served: Served, tmp_path: Path, phases: str, examples: int
) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"))
    root = served.caller("root", "admin")
    await register(root, plan)
    answer = await root.post(f"/plans/{plan.plan_id}/executions", json={})
    execution_id = answer.json()["ExecutionId"]
    await env.end(plan, execution_id)
    config = tmp_path / "schemathesis.toml"
    config.write_text(_CONFIG.format(plan_id=plan.plan_id, execution_id=execution_id))
    words = [
        "--config-file", str(config), "run", f"{served.url}/openapi.json",
        "--header", f"Authorization: {root.headers['Authorization']}",
        # It expects 401 for each of many wrong tokens; above the limit it is 429.
        "--exclude-checks", "ignored_auth",
        "--mode", "all", "--checks", "all", "--max-examples", str(examples),
        "--generation-deterministic", "--no-shrink", "--continue-on-failure",
        "--phases", phases, "--no-color", "--request-timeout", "20",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS, *words, cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


# Rules outside the schema, such as that of the confirmation, reject requests that it allows.
_CONFIG = """\
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422", "429"]

# Its stream does not end.
[[operations]]
include-path = "/decisions/events"
enabled = false

[[operations]]
include-path-regex = "/(events|jobs|messages|forecast|versions|cleanup|executions)$"
[operations.parameters]
"path.plan_id" = "{plan_id}"
"path.execution_id" = "{execution_id}"
"path.wave_id" = "database"
"""
