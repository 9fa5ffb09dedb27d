"""Nothing of a request is read before its caller is known and has the role."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount

from api.app import create_app
from settings import Settings
from tests.api.conftest import page_client
from tests.static_tokens import token_of, token_settings

pytestmark = pytest.mark.usefixtures("isolated_environment")
_SETTINGS = Settings(api_tokens=token_settings(vic=["viewer"]))
_VALUES = {
    "execution_id": "crm-0f3b52a1c7d9",
    "plan_id": "crm",
    "name": "skip_wave",
    "wave_id": "db",
    "step_id": "dns",
    "portfolio": "all",
    "portfolio_id": "all",
    "message": "pause",
    "number": "1",
}
# The sign-in is the authentication, and the sign-out reads nothing.
_OPEN = ("/sign-in", "/sign-out")
# What every caller may send; of a dialog, the role follows from what it does.
_OF_VIEWERS = ("/api/codec/decode", "/api/forecast", "/api/plans/validate", "/editor/check")


def mutating() -> list[str]:
    """The paths of all requests that may have a body, of the API and the pages."""
    app = create_app(_SETTINGS)
    (api,) = (r.app for r in app.routes if isinstance(r, Mount) and r.path == "/api")
    assert isinstance(api, FastAPI)
    paths = [
        f"/api{path}"
        for path, methods in api.openapi()["paths"].items()
        if {*methods} - {"get", "head"}
    ]
    pages = [route for route in app.routes if isinstance(route, APIRoute)]
    paths += [page.path for page in pages if {*(page.methods or ())} - {"GET", "HEAD"}]
    return sorted(path.format_map(_VALUES) for path in paths if path not in _OPEN)


PATHS = mutating()


class Body:
    """A large body that is no JSON, and whether somebody has read of it."""

    is_read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Send it."""
        self.is_read = True
        for _ in range(20):
            yield b"{" * 1_000_000


async def refused(client: httpx.AsyncClient, path: str) -> int:
    """The status of a request with such a body, of which nothing may be read."""
    body, kind = Body(), {"Content-Type": "application/json"}
    answer = await client.post(path, content=aiter(body), headers=kind)
    assert not body.is_read
    return answer.status_code


def test_all_kinds_of_requests_are_among_them() -> None:
    assert len(PATHS) > 18
    assert {"/api/plans/crm/executions", "/editor/register", "/plans/crm/dialogs/skip_wave"} < {
        *PATHS
    }


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_valid_token_no_body_is_read(path: str) -> None:
    async with page_client(_SETTINGS) as client:
        assert await refused(client, path) == 401
        client.cookies.set("drs_waves_token", "wrong")
        client.headers["Authorization"] = "Bearer wrong"
        assert await refused(client, path) == 401


@pytest.mark.parametrize(
    "path", [p for p in PATHS if p not in _OF_VIEWERS and "/dialogs/" not in p]
)
async def test_without_the_role_no_body_is_read(path: str) -> None:
    async with page_client(_SETTINGS) as client:
        client.cookies.set("drs_waves_token", token_of("vic"))
        client.headers["Authorization"] = f"Bearer {token_of('vic')}"
        assert await refused(client, path) == 403


async def test_a_body_that_is_too_large_is_refused_once_the_caller_is_known() -> None:
    async with page_client(_SETTINGS) as client:
        client.cookies.set("drs_waves_token", token_of("vic"))
        client.headers["Authorization"] = f"Bearer {token_of('vic')}"
        for path in ("/api/forecast", "/editor/check", "/plans/crm/dialogs/drill"):
            body, kind = Body(), {"Content-Type": "application/json"}
            answer = await client.post(path, content=aiter(body), headers=kind)
            assert answer.status_code == 413, answer.text
