"""The API in this process, with a local AWS and a local OpenID provider, without Temporal."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from api.app import create_api, create_app
from api.auth.request_guard import LocalOnly
from api.service import ExecutionService
from sandbox.aws import SandboxAws
from settings import Settings
from storage.plans import PlanTable
from tests.api.oidc import AUDIENCE, Provider


@pytest.fixture
def isolated_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without AWS and Temporal."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "DRS_WAVES_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    # Nothing listens on this port.
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws(isolated_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxAws]:
    """A local AWS that boto3 finds."""
    with SandboxAws() as server:
        environment = {
            "AWS_ENDPOINT_URL": server.endpoint_url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-west-2",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
async def plans(aws: SandboxAws) -> PlanTable:
    """The empty plan table."""
    table = PlanTable(Settings())
    await table.create()
    return table


@pytest.fixture(scope="session")
def session_provider() -> Iterator[Provider]:
    """A provider; one per session, because its keys take time to generate."""
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(session_provider: Provider) -> Provider:
    """The provider with its default responses."""
    session_provider.reset()
    return session_provider


@pytest.fixture
def oidc_settings(provider: Provider, isolated_environment: None) -> Settings:
    """Settings that accept JWTs of the provider."""
    return Settings(oidc_issuer=provider.issuer, oidc_audience=AUDIENCE)


@asynccontextmanager
async def page_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the pages and the API with these settings."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client,
    ):
        yield client


@asynccontextmanager
async def api_client(settings: Settings, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API with these settings, with the same middleware as the server."""
    service = ExecutionService(settings)
    api = create_api(service)
    app = LocalOnly(api) if service.authenticator.is_open else api
    # As the server responds to unexpected errors.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost:8080", headers=headers
        ) as client:
            yield client
    finally:
        await service.close()
