"""The executions of a drill's plan, one after another, and the ends of their workflows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.generation.script import Script
from bench.chaos.open_workflows import open_workflow_ids
from bench.chaos.results import RunResults
from bench.testbed import Testbed
from client.errors import RefusedError, UnreachableError
from client.start import start_execution
from client.takeover import PreviousExecution, previous_execution
from contract.execution import Takeover
from contract.identifiers import (
    EXECUTION_ID_KEY,
    history_workflow_id,
    new_execution_id,
    plan_workflow_id,
)
from recovery.execution.state import ExecutionType
from recovery.plan.model import RecoveryPlan
from storage.history import HistoryError

RETRY_SECONDS = 1.0
_POLL_INTERVAL_SECONDS = 20.0
_RECORD_SECONDS = 60.0
# Temporal sets this attribute while workflow tasks fail repeatedly.
_PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
_TERMINATED = "TERMINATED"


class StuckError(Exception):
    """A workflow cannot continue. The message contains the workflow ID and the reason."""


@dataclass(frozen=True)
class WorkflowEnd:
    """How a workflow was closed, and when (epoch seconds)."""

    status: str
    time: float


@dataclass
class PlanExecutions:
    """Runs the plan of a script, and continues executions as the script says.

    Attributes:
        ids: of the executions, oldest first.
        ends: of their plan's workflows.
    """

    testbed: Testbed
    script: Script
    results: RunResults
    ids: list[str] = field(default_factory=list)
    ends: list[WorkflowEnd] = field(default_factory=list)

    @property
    def _plan_id(self) -> str:
        return self.script.plan.plan_id

    async def run(self) -> None:
        """Run the executions, until all of their workflows have ended.

        Raises:
            StuckError: a workflow cannot continue.
        """
        takeover, plan = None, self.script.plan
        while True:
            self.ids.append(new_execution_id(self._plan_id))
            await self._start_plan(plan, self.ids[-1], takeover)
            self.ends.append(await self._await_plan())
            if not self._is_continued:
                break
            await asyncio.sleep(self.script.pauses[len(self.ids) - 1])
            previous = await self._previous(self.ids[-1])
            if previous is None:
                self.results.not_continued += 1
                break
            takeover, plan = previous.takeover, previous.plan
            self.results.continued += 1
        for each in self.ids:
            # Records that DynamoDB rejected until then are written after the end of the plan.
            await self.wait_for_close(history_workflow_id(each))
        # Waves that are cancelled or timed out watch their jobs after the end of the plan.
        while open_ids := await self._open_workflow_ids():
            for workflow_id in open_ids:
                await self.wait_for_close(workflow_id)

    @property
    def _is_continued(self) -> bool:
        """Whether the operator continues the last execution after its end."""
        number, status = len(self.ids) - 1, self.ends[-1].status
        if number >= len(self.script.continues) or status == "COMPLETED":
            return False
        return status == _TERMINATED or self.script.continues[number]

    async def _previous(self, execution_id: str) -> PreviousExecution | None:
        """What to continue; None if the history still has nothing of it after a while."""
        deadline = time.monotonic() + _RECORD_SECONDS
        while time.monotonic() < deadline:
            try:
                return await previous_execution(execution_id, None, ExecutionType.DRILL)
            except (RefusedError, UnreachableError, HistoryError):
                await asyncio.sleep(RETRY_SECONDS)
        return None

    async def _start_plan(
        self, plan: RecoveryPlan, execution_id: str, takeover: Takeover | None
    ) -> None:
        """Start an execution, again until it has started."""
        client = self.testbed.client
        handle = client.get_workflow_handle(plan_workflow_id(self._plan_id))
        while True:
            await self.start(
                partial(start_execution, client, plan, execution_id=execution_id, takeover=takeover)
            )
            with suppress(RPCError):
                known = (await handle.describe()).typed_search_attributes
                if known.get(EXECUTION_ID_KEY) == execution_id:
                    return
            await asyncio.sleep(RETRY_SECONDS)

    async def _await_plan(self) -> WorkflowEnd:
        """The end of the plan's workflow."""
        workflow_id = plan_workflow_id(self._plan_id)
        closed = await self.wait_for_close(workflow_id)
        while True:
            with suppress(RPCError):
                described = await self.testbed.client.get_workflow_handle(workflow_id).describe()
                assert described.close_time is not None, f"{workflow_id} is closed"
                return WorkflowEnd(closed, described.close_time.timestamp())
            await asyncio.sleep(RETRY_SECONDS)

    async def _open_workflow_ids(self) -> list[str]:
        while True:
            try:
                return await open_workflow_ids(self.testbed.client, self._plan_id)
            except RPCError:
                await asyncio.sleep(RETRY_SECONDS)

    async def start(self, start: Callable[[], Awaitable[object]]) -> None:
        """Start a workflow exactly once, even if Temporal restarts meanwhile."""
        while True:
            try:
                # It is refused if an earlier start succeeded, but its response was lost.
                with suppress(RefusedError):
                    await start()
                return
            except UnreachableError:
                await asyncio.sleep(RETRY_SECONDS)

    async def wait_for_close(self, workflow_id: str) -> str:
        """Wait until a workflow closes. Returns its status, or UNKNOWN if it does not exist.

        Raises:
            StuckError: the workflow has a non-determinism error and cannot continue.
        """
        handle = self.testbed.client.get_workflow_handle(workflow_id)
        while True:
            try:
                with suppress(WorkflowFailureError, TimeoutError):
                    async with asyncio.timeout(_POLL_INTERVAL_SECONDS):
                        await handle.result()
                described = await handle.describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return "UNKNOWN"
                await asyncio.sleep(RETRY_SECONDS)
                continue
            status = described.status
            if status is not None and status is not WorkflowExecutionStatus.RUNNING:
                return status.name
            problems = described.typed_search_attributes.get(_PROBLEMS) or []
            if any("NonDeterministic" in problem for problem in problems):
                # For replay.
                history = (await handle.fetch_history()).to_json()
                name = f"{workflow_id.replace('/', '_')}.history.json"
                await asyncio.to_thread((self.testbed.stack.folder / name).write_text, history)
                raise StuckError(f"{workflow_id} has a non-determinism error: {problems}")
