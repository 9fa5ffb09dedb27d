"""The application: the API below `/api`, and the pages."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI
from starlette.routing import Mount
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api import docs_page, endpoints, pages, problems
from api.auth.audited_requests import AuditedRequests
from api.auth.request_guard import BodyLimit, LocalOnly, ResponseHeaders
from api.codec.routes import CodecOrigin
from api.request_problems import API_VERSION
from api.service import ExecutionService
from client.watchdog.watchdog import configured_watchdog
from runtime.alive_file import touching
from settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Create the application."""
    service = ExecutionService(settings)
    watchdog = configured_watchdog(settings) if settings.watchdog else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(watchdog.run()) if watchdog is not None else None
        try:
            async with touching(settings.alive_file):
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
    if service.authenticator.is_open:
        app.add_middleware(LocalOnly)
    app.add_middleware(ResponseHeaders)
    if settings.temporal_ui is not None:
        app.add_middleware(CodecOrigin, ui=settings.temporal_ui)
    if settings.trusted_proxies:
        # Outermost: what they say counts for everything else, what others say for nothing.
        proxies = [str(each) for each in settings.trusted_proxies]
        app.add_middleware(cast(Any, ProxyHeadersMiddleware), trusted_hosts=proxies)
    pages.add_to(app, service)
    # The last one is the first that a request reaches.
    app.add_middleware(AuditedRequests, audit=service.audit)
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
