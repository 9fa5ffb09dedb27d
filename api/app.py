"""The application: the API below `/api`, and the pages."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.routing import Mount

from api import docs_page, endpoints, pages, problems
from api.auth.request_guard import BodyLimit, LocalOnly
from api.request_problems import API_VERSION
from api.service import ExecutionService
from client.watchdog.watchdog import configured_watchdog
from settings import Settings

# Pages load nothing from other hosts, run no inline script, and cannot be put into a frame.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(settings: Settings) -> FastAPI:
    """Create the application."""
    service = ExecutionService(settings)
    watchdog = configured_watchdog(settings) if settings.watchdog else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(watchdog.run()) if watchdog is not None else None
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
            await service.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    api = create_api(service)
    mount = Mount("/api", api)
    # Starlette's own pattern does not match a path with a line break.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    app.router.routes.append(mount)
    app.middleware("http")(_with_headers)
    if service.authenticator.is_open:
        app.add_middleware(LocalOnly)
    pages.add_to(app, service)
    return app


def create_api(service: ExecutionService) -> FastAPI:
    """Create the API without the pages."""
    api = FastAPI(
        title="drs-waves",
        version=API_VERSION,
        summary="Start, watch and steer recovery plans of AWS Elastic Disaster Recovery.",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "/api"}],
        root_path_in_servers=False,
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.service = service
    # FastAPI's own limit does not answer with problem details.
    api.add_middleware(BodyLimit)
    problems.add_to(api)
    endpoints.add_to(api)
    docs_page.add_to(api)
    return api


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
