"""A time-skipping Temporal, where a day passes in a second, and a worker with fake activities."""

import asyncio
import itertools
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkflowRunner

from client.errors import UnreachableError
from client.executions import execution_state
from client.start import start_execution
from contract.identifiers import (
    SEARCH_ATTRIBUTES,
    history_workflow_id,
    plan_workflow_id,
    wave_workflow_id,
)
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE, TASK_QUEUES
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.forecast.durations import LearnedDurations
from recovery.plan.model import Dependency, RecoveryPlan, Server, Wave
from runtime.workflow_runner import ReplayableRunner
from sandbox.stack import Stack
from tests.recovery.plans import server_id
from tests.shared_servers import own_namespace
from tests.workflows.fake_activities import FakeActivities
from workflows.history_repair import HistoryRepairWorkflow
from workflows.launcher.workflow import LauncherWorkflow
from workflows.plan.workflow import RecoveryPlanWorkflow
from workflows.wave.workflow import WaveWorkflow

_WORKFLOWS = [RecoveryPlanWorkflow, WaveWorkflow, LauncherWorkflow, HistoryRepairWorkflow]
_NUMBERS = itertools.count(1)
T = TypeVar("T")
# A workflow that stalls fails its queries.
_UNANSWERED = (UnreachableError, RPCError, WorkflowQueryFailedError)


def wave(name: str, *after: str, **fields: Any) -> Wave:
    """A wave of two servers."""
    servers = [Server(source_server_id=server_id(next(_NUMBERS))) for _ in range(2)]
    return Wave(
        wave_id=name.lower(),
        wave_name=name,
        dependencies=[Dependency(depends_on_wave_id=a.lower()) for a in after],
        **{"region": "us-west-2", "servers": servers} | fields,
    )


@dataclass
class Run:
    """One execution of a plan."""

    environment: WorkflowEnvironment
    plan: RecoveryPlan
    execution_id: str

    @property
    def client(self) -> Client:
        """Temporal's client."""
        return self.environment.client

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The plan's workflow."""
        return self.client.get_workflow_handle(plan_workflow_id(self.plan.plan_id))

    def wave_handle(self, wave_id: str, attempt: int = 1) -> WorkflowHandle[Any, Any]:
        """A wave's workflow."""
        workflow_id = wave_workflow_id(self.execution_id, wave_id, attempt)
        return self.client.get_workflow_handle(workflow_id)

    @property
    def repair_handle(self) -> WorkflowHandle[Any, Any]:
        """The workflow that writes what the history lacks once the plan has ended."""
        return self.client.get_workflow_handle(history_workflow_id(self.execution_id))

    async def end(self) -> ExecutionState:
        """Await the plan's end, skipping time; its last state."""
        await self.ended(self.handle)
        return await self.state()

    async def ended(self, handle: WorkflowHandle[Any, Any]) -> BaseException | None:
        """Await a workflow's end, skipping time; why it failed, if it did."""
        async with AsyncExitStack() as stack:
            if self.environment.supports_time_skipping:
                # Only the handle that `start_workflow` returns skips time by itself.
                skipping = cast(Any, self.environment).time_skipping_unlocked()
                await stack.enter_async_context(skipping)
            try:
                await _result(handle)
            except WorkflowFailureError as error:
                return error.cause
        return None

    async def state(self) -> ExecutionState:
        """The state as it is now."""
        return await answered(lambda: execution_state(self.client, self.plan.plan_id))

    async def wave(self, wave_id: str) -> WaveState:
        """A wave's state from its own workflow."""
        return await answered(lambda: self._wave(wave_id))

    async def _wave(self, wave_id: str) -> WaveState:
        # An answer that is lost must not use up the time of those who wait for a state.
        state: WaveState = await self.wave_handle(wave_id).query(
            "status", result_type=WaveState, rpc_timeout=RPC_TIMEOUT
        )
        return state

    async def until(self, condition: Callable[[ExecutionState], object]) -> ExecutionState:
        """Await a state, without skipping time."""
        async with asyncio.timeout(60):
            while not condition(state := await self.state()):
                await asyncio.sleep(0.05)
        return state

    async def wave_until(self, wave_id: str, condition: Callable[[WaveState], object]) -> WaveState:
        """Await a state of a wave, without skipping time."""
        async with asyncio.timeout(60):
            while True:
                # The wave's workflow may not have been started yet.
                with suppress(*_UNANSWERED):
                    state = await self._wave(wave_id)
                    if condition(state):
                        return state
                await asyncio.sleep(0.02)


async def answered(read: Callable[[], Awaitable[T]]) -> T:
    """The answer to a query, which a busy machine may have to be asked for several times."""
    async with asyncio.timeout(60):
        while True:
            with suppress(*_UNANSWERED):
                return await read()
            await asyncio.sleep(0.1)


async def tasks(handle: WorkflowHandle[Any, Any]) -> list[int]:
    """The events that ended the workflow tasks of a workflow."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return [e.event_id async for e in handle.fetch_history_events() if e.event_type == completed]


async def last_task(handle: WorkflowHandle[Any, Any]) -> int:
    """The event that ended its last one."""
    return (await tasks(handle))[-1]


async def reset(handle: WorkflowHandle[Any, Any], *, to_task: int | None = None) -> None:
    """Reset a workflow in Temporal, to its first workflow task or another one."""
    client = handle._client
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            reason="test",
            request_id=uuid4().hex,
            workflow_task_finish_event_id=to_task or (await tasks(handle))[0],
        )
    )


async def _result(handle: WorkflowHandle[Any, Any]) -> None:
    """Await a workflow's result, for as long as the test may take.

    The time-skipping server answers a poll that has lasted its time with no event and no token to
    go on with (sdk-dotnet #63, sdk-ruby #506), which the Python SDK takes for a defect.
    """
    while True:
        try:
            await handle.result()
        except RuntimeError as error:
            if "No completion event" not in str(error):
                raise
        else:
            return


async def assert_no_task_failed(handle: WorkflowHandle[Any, Any]) -> None:
    """No task of a workflow has failed, unless a message came meanwhile or the machine stalled."""
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failure = event.workflow_task_failed_event_attributes.failure
            assert re.match("UnhandledCommand|.*Potential deadlock", failure.message), failure


async def lifetime(handle: WorkflowHandle[Any, Any]) -> float:
    """Seconds from a workflow's start to its end, in Temporal's time."""
    described = await handle.describe()
    assert described.close_time is not None
    return (described.close_time - described.start_time).total_seconds()


@dataclass
class FakedEnvironment:
    """Temporal with a worker, and the fake activities of AWS and DynamoDB."""

    environment: WorkflowEnvironment
    fakes: FakeActivities
    plan_ids: Any = field(default_factory=lambda: itertools.count(next(_NUMBERS) * 1000))

    async def start(
        self, *waves: Wave, learned: LearnedDurations | None = None, **fields: Any
    ) -> Run:
        """Start an execution of a plan of these waves."""
        plan = RecoveryPlan(
            plan_id=f"plan-{next(self.plan_ids)}", region="us-west-2", waves=list(waves), **fields
        )
        client = self.environment.client
        execution_id = await start_execution(client, plan, learned=learned)
        return Run(self.environment, plan, execution_id)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try a test on the time-skipping server again: under load that now and then skips no time."""
    for item in items:
        if "temporal_env" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(60))
            item.add_marker(pytest.mark.flaky(reruns=2, only_rerun=["Timeout"]))


@pytest.fixture
async def temporal_env() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal of its own for each test: work left over would keep time from being skipped."""
    server = Path(sys.executable).parent / "temporal-test-server"
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(server)
    ) as environment:
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=environment.client.namespace,
                search_attributes={
                    key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
                    for key in SEARCH_ATTRIBUTES
                },
            )
        )
        yield environment


@pytest.fixture
async def env(temporal_env: WorkflowEnvironment) -> AsyncIterator[FakedEnvironment]:
    """A worker with fake activities; by default all succeed."""
    async with serving(temporal_env) as env:
        yield env


@pytest.fixture
async def env_on_real_server(
    shared_servers: Stack, shared_temporal: Client
) -> AsyncIterator[FakedEnvironment]:
    """The same on Temporal's real server, which skips no time but leaves nothing out."""
    client = await Client.connect(
        shared_servers.env["TEMPORAL_ADDRESS"],
        namespace=await own_namespace(shared_temporal),
        data_converter=pydantic_data_converter,
    )
    async with serving(WorkflowEnvironment.from_client(client)) as env:
        yield env


@asynccontextmanager
async def serving(
    environment: WorkflowEnvironment, runner: WorkflowRunner | None = None
) -> AsyncIterator[FakedEnvironment]:
    """Serve the task queues with fake activities inside the block.

    Args:
        environment: Temporal.
        runner: what runs the workflows; default: ours. Where a machine stalls for two seconds,
            the SDK's may lose a step of a workflow, which then neither goes on nor lets its
            worker end.
    """
    fakes = FakeActivities(environment)
    runner = runner or ReplayableRunner()
    async with AsyncExitStack() as stack:
        for queue in TASK_QUEUES:
            worker = Worker(
                environment.client,
                task_queue=queue,
                workflows=_WORKFLOWS if queue == TASK_QUEUE else [],
                activities=fakes.activities,
                workflow_runner=runner,
            )
            if queue == TASK_QUEUE and isinstance(runner, ReplayableRunner):
                runner.serve(worker)
            await stack.enter_async_context(worker)
        yield FakedEnvironment(environment, fakes)
