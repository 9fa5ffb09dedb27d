"""Temporal, the local AWS over HTTP and a worker; each test has its own part of the servers."""

import asyncio
import gzip
import itertools
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.execution_state import read_temporal_state
from activities.history import verify
from aws.drs.models import LAUNCH_ID_TAG
from client.connection import connect_to_temporal
from client.errors import UnreachableError
from client.executions import execution_state
from client.start import start_execution
from client.workers import has_worker
from contract.execution import ExecutionRun
from contract.identifiers import plan_workflow_id
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.history.comparison import Difference
from recovery.plan.model import Dependency, RecoveryPlan, Server, Wave
from runtime.worker import make_workers
from sandbox.stack import Stack, free_port
from security.audit_log import AuditLog
from settings import get_settings
from storage.history import HistoryTable
from storage.plans import PlanTable
from storage.rate_counts import RateCountTable
from tests.shared_servers import REGION, SPEED, own_stack, stop
from tests.workflows.recorded_kinds import PER_TYPE

# Of each kind of workflow in a test's histories; the waves of a large plan are all alike.
_numbers = itertools.count(1)


@dataclass
class LocalAws:
    """A test's account of the local AWS, used over HTTP."""

    url: str
    account_id: str

    def servers(self, count: int, **scenario: Any) -> list[str]:
        """New source servers, each as `scenario` says."""
        first = int(self.account_id) << 20
        ids = [f"s-{first + next(_numbers):017x}" for _ in range(count)]
        where = {"Region": REGION, "AccountId": self.account_id} | scenario
        self.apply(SourceServers=[{"SourceServerId": i} | where for i in ids])
        return ids

    def apply(self, **scenario: Any) -> None:
        """Apply more scenario; its faults and quotas are those of this account."""
        here = {"AccountId": self.account_id}
        if "Faults" in scenario:
            named = here | {"Name": self.account_id}
            scenario["Faults"] = [named | fault for fault in scenario["Faults"]]
        if "LaunchEvents" in scenario:
            scenario["LaunchEvents"] = here | scenario["LaunchEvents"]
        if "Quotas" in scenario:
            scenario["Quotas"] = here | scenario["Quotas"]
        self._ask("POST", "scenario", json.dumps(scenario).encode())

    def clear_faults(self) -> None:
        """Remove all faults of this account."""
        self._ask("DELETE", f"faults?name={self.account_id}")

    def accepted_launches(self, server_id: str) -> list[dict[str, Any]]:
        """The jobs that AWS truly started for a server, from its ledger."""
        return [
            event
            for backend in self._ask("GET", "ledger")["Backends"]
            for event in backend["Events"]
            if event["Event"] == "START_RECOVERY_ACCEPTED" and server_id in event["SourceServerIds"]
        ]

    def accepted_twice(self) -> list[str]:
        """The launch IDs that AWS accepted more than once, from its ledger."""
        launch_ids = Counter(
            launch_id
            for backend in self._ask("GET", f"ledger?account={self.account_id}")["Backends"]
            for event in backend["Events"]
            if event["Event"] == "START_RECOVERY_ACCEPTED"
            for tag, launch_id in event["Tags"].items()
            if tag.startswith(LAUNCH_ID_TAG)
        )
        return [launch_id for launch_id, count in launch_ids.items() if count > 1]

    def instances_up(self, server_id: str) -> list[str]:
        """The recovery instances of a server that are truly up."""
        return [
            instance["RecoveryInstanceId"]
            for backend in self._ask("GET", "ledger")["Backends"]
            for server in backend["Servers"]
            if server["SourceServerId"] == server_id
            for instance in server["InstancesUp"]
        ]

    def calls(self) -> dict[str, Any]:
        """How often each operation was called, by result."""
        answer: dict[str, Any] = self._ask("GET", f"calls?account={self.account_id}")
        return answer

    def effects(self) -> list[dict[str, Any]]:
        """The acts that services other than DRS accepted, without idempotent repeats."""
        answer = self._ask("GET", f"effects?account={self.account_id}")
        return [each for each in answer["Effects"] if not each["IsRepeat"]]

    def messages(self, receiver: str) -> list[dict[str, Any]]:
        """The notifications that a receiver of this account got."""
        found: list[dict[str, Any]] = self._ask(
            "GET", f"messages?account={self.account_id}&receiver={receiver}"
        )["Messages"]
        return found

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        with urlopen(Request(f"{self.url}/_sandbox/{path}", data=body, method=method)) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@dataclass
class E2eEnvironment:
    """The stack of a test, with its clients and helpers."""

    stack: Stack
    aws: LocalAws
    client: Client
    table: HistoryTable
    made: list[str] = field(default_factory=list)

    def plan(self, *waves: Wave, **fields: Any) -> RecoveryPlan:
        """A plan of these waves, under an ID of its own."""
        plan_id = f"plan-{next(_numbers)}-{os.getpid()}"
        self.made.append(plan_id)
        return RecoveryPlan(plan_id=plan_id, region=REGION, waves=list(waves), **fields)

    def wave(self, name: str, *after: str, servers: Sequence[str] | int = 1, **fields: Any) -> Wave:
        """A wave, with new servers where only their number is given."""
        where = {"region": REGION} | fields
        ids = (
            self.aws.servers(servers, Region=where["region"])
            if isinstance(servers, int)
            else servers
        )
        return Wave(
            wave_id=name.lower(),
            wave_name=name,
            servers=[Server(source_server_id=i) for i in ids],
            dependencies=[Dependency(depends_on_wave_id=a.lower()) for a in after],
            # Long, because a worker's death costs wall-clock seconds that the speed multiplies.
            **{"timeout_seconds": 160 * SPEED} | where,
        )

    async def run(self, plan: RecoveryPlan, **how: Any) -> ExecutionState:
        """Run a plan to its end, and return its state from the history."""
        execution_id = await start_execution(self.client, plan, **how)
        return await self.end(plan, execution_id)

    async def end(self, plan: RecoveryPlan, execution_id: str) -> ExecutionState:
        """Await the end of an execution, and return its state from the history."""
        handle = self.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
        with suppress(WorkflowFailureError):
            await handle.result()
        state = await self.recorded(execution_id)
        run_id = (await handle.describe()).run_id
        # A wave may still be observed, and be recorded a moment later.
        await self.eventually(lambda: self.agrees(plan, execution_id, run_id))
        return state

    async def agrees(self, plan: RecoveryPlan, execution_id: str, run_id: str) -> bool:
        """Whether the history agrees with Temporal's state of an execution."""
        return not await self.differences(plan, execution_id, run_id)

    async def differences(
        self, plan: RecoveryPlan, execution_id: str, run_id: str
    ) -> list[Difference]:
        """The differences between the history and Temporal's state of an execution."""
        workflow_id = plan_workflow_id(plan.plan_id)
        run = ExecutionRun(execution_id=execution_id, workflow_id=workflow_id, run_id=run_id)
        temporal_state = await read_temporal_state(self.client, run)
        return await verify(self.table, temporal_state, repair=False)

    async def recorded(self, execution_id: str) -> ExecutionState:
        """An execution's state from the history."""
        found = await self.table.execution(execution_id)
        assert found is not None, f"{execution_id} is not in the history"
        return found[0]

    async def count_workflows(self, query: str) -> int:
        """How many workflows Temporal's visibility, which lags, has for a query."""
        return (await self.client.count_workflows(query)).count

    async def eventually(
        self, condition: Callable[[], Awaitable[object]], *, within: float = 60.0
    ) -> None:
        """Await a condition."""
        async with asyncio.timeout(within):
            while not await condition():
                await asyncio.sleep(0.15)

    async def until(
        self,
        plan: RecoveryPlan,
        condition: Callable[[ExecutionState], object],
        *,
        within: float = 60.0,
    ) -> ExecutionState:
        """Await a state of the running execution."""
        async with asyncio.timeout(within):
            while True:
                # Tests kill workers, and a busy or new one may not answer in time.
                with suppress(UnreachableError):
                    state = await execution_state(self.client, plan.plan_id)
                    if condition(state):
                        return state
                await asyncio.sleep(0.15)


def wave_of(state: ExecutionState, name: str) -> WaveState:
    """The wave of this name."""
    return next(wave for wave in state.waves if wave.wave_name == name)


def start_of(state: ExecutionState, name: str) -> float:
    """When DRS accepted a wave's launch."""
    start = wave_of(state, name).start_time
    assert start is not None, f"{name} was not launched"
    return start


def end_of(state: ExecutionState, name: str) -> float:
    """When a wave's last server reached its final state."""
    end = wave_of(state, name).end_time
    assert end is not None, f"{name} has not ended"
    return end


@pytest.fixture
async def stack(
    shared_servers: Stack, shared_temporal: Client, tmp_path: Path
) -> AsyncIterator[Stack]:
    """A namespace, an account and processes of the test."""
    own = await own_stack(shared_servers, shared_temporal, tmp_path / "stack")
    yield own
    await stop(own)


@pytest.fixture
def environment_variables(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the environment variables of the test's namespace and account."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    # It keeps the credentials that it found first.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
async def env_without_worker(
    stack: Stack, environment_variables: None, request: pytest.FixtureRequest
) -> AsyncIterator[E2eEnvironment]:
    """The stack with its tables; no worker serves it.

    Whatever the test does, no launch may be accepted twice.
    """
    table = HistoryTable(get_settings())
    await table.create()
    await PlanTable(get_settings()).create()
    await RateCountTable(get_settings()).create()
    client = await connect_to_temporal()
    aws = LocalAws(stack.aws_url, stack.variables["AWS_ACCESS_KEY_ID"])
    env = E2eEnvironment(stack=stack, aws=aws, client=client, table=table)
    yield env
    assert aws.accepted_twice() == []
    folder = request.config.getoption("--record-histories")
    if folder is not None:
        name = request.node.name.removeprefix("test_").partition("[")[0]
        await record_histories(env, Path(folder) / name)


async def record_histories(env: E2eEnvironment, folder: Path) -> None:
    """Keep histories of all types of workflows that a test had, for the replay tests."""
    # Temporal's visibility follows a moment later.
    await asyncio.sleep(2)
    folder.mkdir(parents=True, exist_ok=True)
    kept: Counter[str] = Counter()
    async for found in env.client.list_workflows():
        kept[found.workflow_type] += 1
        if kept[found.workflow_type] > PER_TYPE:
            continue
        handle = env.client.get_workflow_handle(found.id, run_id=found.run_id)
        history = await handle.fetch_history()
        if len(history.events) < 4:
            # A replay of a workflow that has not begun never ends.
            continue
        name = f"{found.workflow_type}-{kept[found.workflow_type]}.json.gz"
        with gzip.open(folder / name, "wt") as file:
            file.write(history.to_json())


@pytest.fixture
async def env(env_without_worker: E2eEnvironment) -> AsyncIterator[E2eEnvironment]:
    """The stack with a worker."""
    async with RunningWorkers(env_without_worker):
        yield env_without_worker


@pytest.fixture
async def env_with_own_temporal(
    env_without_worker: E2eEnvironment, tmp_path: Path
) -> AsyncIterator[E2eEnvironment]:
    """The same AWS with a Temporal server of its own, which the test may stop."""
    shared = env_without_worker.stack
    stack = replace(
        shared,
        folder=tmp_path,
        parts={},
        temporal_port=free_port(),
        ui_port=free_port(),
        metrics_port=0,
        variables={**shared.variables, "TEMPORAL_NAMESPACE": "default"},
    )
    try:
        stack.start_temporal()
        address = stack.env["TEMPORAL_ADDRESS"]
        client = await Client.connect(address, data_converter=pydantic_data_converter)
        yield replace(env_without_worker, stack=stack, client=client, made=[])
    finally:
        stack.stop()


class RunningWorkers:
    """Serve the task queues inside the block."""

    def __init__(self, env: E2eEnvironment, audit: AuditLog | None = None) -> None:
        self._workers = make_workers(env.client, get_settings(), audit)
        self._env = env

    async def __aenter__(self) -> None:
        for worker in self._workers:
            await worker.__aenter__()
        # Commands refuse to wait for a worker that Temporal does not list yet.
        await self._env.eventually(lambda: has_worker(self._env.client))

    async def __aexit__(self, *error: Any) -> None:
        for worker in self._workers:
            await worker.__aexit__(*error)


__all__ = ["REGION", "SPEED"]

DRILL = ExecutionType.DRILL
RECOVERY = ExecutionType.RECOVERY
