"""The application: the API below `/api`, and the pages beside it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from api import endpoints, pages, problems
from api.house import House
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
_LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]", "::1"]


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
    app.mount("/api", api)
    app.middleware("http")(_with_headers)
    if house.gate.is_open:
        # Whoever is not asked for a token must really be on this machine: a page of another site
        # that resolves its own name to it is not.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK_NAMES)
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
    )
    api.state.house = house
    problems.add_to(api)
    endpoints.add_to(api)
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
