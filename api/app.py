"""The application: the API below `/api`, and the pages beside it."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request, Response
from starlette.routing import Mount

from api import endpoints, openapi, pages, problems
from api.auth.request_guard import BodyLimit, LocalOnly
from api.service import House
from settings import Settings

# A page that nobody can have asked for from elsewhere, or have put into a frame, and that asks
# nobody else: NiceGUI's own pages need inline scripts and compile their templates.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(settings: Settings) -> FastAPI:
    """The application of this process; NiceGUI allows one a process.

    Args:
        settings: which tables, which tokens.
    """
    house = House(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await house.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    api = create_api(house)
    below = Mount("/api", api)
    # Starlette's own leaves an address with a line break to whoever serves the rest.
    below.path_regex = re.compile(below.path_regex.pattern, re.DOTALL)
    app.router.routes.append(below)
    app.middleware("http")(_with_headers)
    if house.gate.is_open:
        app.add_middleware(LocalOnly)
    pages.add_to(app, house)
    return app


def create_api(house: House) -> FastAPI:
    """The API alone."""
    api = FastAPI(
        title="drs-waves",
        version=_version(),
        summary="Start, watch and steer recovery plans of AWS Elastic Disaster Recovery.",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "/api"}],
        root_path_in_servers=False,
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.house = house
    api.add_middleware(BodyLimit)
    problems.add_to(api)
    endpoints.add_to(api)
    openapi.add_to(api)
    return api


def _version() -> str:
    try:
        return version("drs-waves")
    except PackageNotFoundError:
        return "0"


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    answer = await call_next(request)
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer
