"""The API in this process, beside a local AWS and a local OpenID provider; no Temporal."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from api.app import create_api
from api.auth.request_guard import LocalOnly
from api.service import House
from sandbox.aws import SandboxAws
from settings import Settings
from storage.plans import PlanTable
from tests.api.oidc import AUDIENCE, Provider


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that leads to no AWS and no Temporal."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "DRS_WAVES_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    # Nobody listens there.
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws(alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxAws]:
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
    """The plan table, and nothing in it."""
    table = PlanTable(Settings())
    await table.create()
    return table


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    """A provider, whose keys take a moment to make."""
    with Provider() as found:
        yield found


@pytest.fixture
def provider(running_provider: Provider) -> Provider:
    """The provider, answering as usual."""
    running_provider.answer_as_usual()
    return running_provider


@pytest.fixture
def trusting(provider: Provider, alone: None) -> Settings:
    """Settings that trust the provider."""
    return Settings(oidc_issuer=provider.issuer, oidc_audience=AUDIENCE)


@asynccontextmanager
async def calling(settings: Settings, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API with these settings, guarded as its server guards it."""
    house = House(settings)
    api = create_api(house)
    guarded = LocalOnly(api) if house.gate.is_open else api
    # What the server itself would answer to a defect.
    transport = httpx.ASGITransport(guarded, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost:8080", headers=headers
        ) as client:
            yield client
    finally:
        await house.close()
