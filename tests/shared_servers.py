"""One Temporal and one local AWS for a whole run of the tests, shared by all its processes.

Each test gets a namespace, an account and IDs of its own there, so that tests run side by side in
any order. With xdist the controller starts the servers, and ends them however the run ends.
"""

import asyncio
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from contract.identifiers import SEARCH_ATTRIBUTES
from sandbox.stack import Stack, free_port

# A normal wave of 530 s takes just over 2 s.
SPEED = 250.0
REGION = "us-west-2"
_VARIABLES = {
    "DRS_WAVES_ABSENT_AFTER_SECONDS": "5",
    # A lease whose launcher was lost is waited for.
    "DRS_WAVES_DRILL_LEASE_SECONDS": "15",
    # Five polls a second are enough; the default would be fifty at this speed.
    "DRS_WAVES_POLL_SECONDS": str(SPEED / 5),
    # How long a killed worker is waited for. Longer than a busy machine may stall a live one.
    "DRS_WAVES_HEARTBEAT_TIMEOUT_SECONDS": "6",
    "DRS_WAVES_STICKY_TIMEOUT_SECONDS": "2",
}
_RETENTION = Duration(seconds=int(timedelta(days=1).total_seconds()))
_START_SECONDS = 60.0
_ports = ("temporal_port", "ui_port", "aws_port", "smtp_port", "dns_port", "metrics_port")
_servers = pytest.StashKey[Stack]()
_numbers = itertools.count(1)


def _stack(folder: Path, ports: dict[str, Any]) -> Stack:
    return Stack(
        folder=folder,
        worker=[sys.executable, "-m", "worker"],
        server=[sys.executable, "-m", "starter", "serve"],
        search_attributes=[f"{key.name}=Keyword" for key in SEARCH_ATTRIBUTES],
        speed=SPEED,
        region=REGION,
        variables=_VARIABLES,
        # A run that is killed leaves nothing behind.
        end_with_parent=True,
        **ports,
    )


def _is_controller(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


def _start(servers: Stack) -> None:
    servers.start_temporal()
    servers.start_aws()
    (servers.folder / "ready").touch()


def pytest_configure(config: pytest.Config) -> None:
    """Choose where the servers are to be, or take where the controller has them."""
    if _is_controller(config):
        folder = Path(tempfile.mkdtemp(prefix="drs-waves-tests-"))
        ports = {name: free_port() for name in _ports}
    else:
        received = json.loads(config.workerinput["shared_servers"])  # type: ignore[attr-defined]  # xdist
        folder, ports = Path(received.pop("folder")), received
    config.stash[_servers] = _stack(folder, ports)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the servers' addresses to an xdist process."""
    servers = node.config.stash[_servers]
    where = {name: getattr(servers, name) for name in _ports} | {"folder": str(servers.folder)}
    node.workerinput["shared_servers"] = json.dumps(where)


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Iterator[None]:
    """Start the servers while the processes of xdist load the tests."""
    yield
    if session.config.pluginmanager.hasplugin("dsession"):
        _start(session.config.stash[_servers])


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Say where the logs are, if they may be needed."""
    servers = session.config.stash[_servers]
    if exitstatus and _is_controller(session.config) and servers.parts:
        print(f"\nLogs of the servers are in {servers.folder}")
        (servers.folder / "keep").touch()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers."""
    if (servers := config.stash.get(_servers, None)) and _is_controller(config):
        servers.stop()
        if not (servers.folder / "keep").exists():
            shutil.rmtree(servers.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_servers(pytestconfig: pytest.Config) -> Stack:
    """Temporal and the local AWS as processes of their own, shared with all other tests."""
    servers = pytestconfig.stash[_servers]
    ready = servers.folder / "ready"
    if _is_controller(pytestconfig) and not ready.exists():
        _start(servers)
    give_up = time.monotonic() + _START_SECONDS
    while not ready.exists():
        assert time.monotonic() < give_up, f"the servers do not start: see {servers.folder}"
        time.sleep(0.05)
    return servers


@pytest.fixture(scope="session")
async def shared_temporal(shared_servers: Stack) -> Client:
    """A client of the shared Temporal's default namespace."""
    return await Client.connect(shared_servers.env["TEMPORAL_ADDRESS"])


async def own_namespace(client: Client) -> str:
    """A new namespace of the shared Temporal, with our search attributes."""
    name = f"test{uuid4().hex}"
    request = RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=_RETENTION
    )
    while True:
        try:
            await client.workflow_service.register_namespace(request)
            break
        except RPCError as error:
            # The server takes only so many a second.
            if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(0.2)
    kind = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    attributes = {key.name: kind for key in SEARCH_ATTRIBUTES}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=name, search_attributes=attributes)
    )
    return name


def own_account() -> str:
    """The ID of an account that no other test acts in."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"{1 + process:04d}{next(_numbers):08d}"


async def own_stack(servers: Stack, client: Client, folder: Path) -> Stack:
    """The shared servers as one test sees them, and a place for processes of its own.

    An access key of twelve digits acts in the account of that ID.
    """
    variables = {
        "TEMPORAL_NAMESPACE": await own_namespace(client),
        "AWS_ACCESS_KEY_ID": own_account(),
    }
    return replace(
        servers,
        folder=folder,
        parts={},
        api_port=free_port(),
        variables={**servers.variables, **variables},
    )


async def stop(stack: Stack) -> None:
    """End what a test started."""
    await asyncio.to_thread(stack.stop)
