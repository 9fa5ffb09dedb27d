"""Runs one drill and checks it."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.action_runner import ActionRunner
from bench.chaos.drill_record import DrillRecord, PlanLedger
from bench.chaos.invariants import check, check_cleaned_up
from bench.chaos.run_results import DrillResult, RunResults
from bench.chaos.script import Script
from bench.chaos.simulated_operator import SimulatedOperator
from bench.testbed import Testbed
from client.cleanup import start_cleanup
from client.errors import RefusedError, UnreachableError
from client.executions import find_running
from client.start import start_execution
from contract.cleanup import StartCleanup
from contract.identifiers import (
    cleanup_workflow_id,
    history_workflow_id,
    plan_workflow_id,
    wave_workflow_id,
)
from recovery.execution.state import ExecutionState

_DRILL_TIMEOUT_SECONDS = 900.0
_RETRY_SECONDS = 1.0
_POLL_INTERVAL_SECONDS = 20.0
_MAX_CLEANUPS = 3
# Temporal sets this attribute while workflow tasks fail repeatedly.
_PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")


class StuckError(Exception):
    """A workflow cannot continue. The message contains the workflow ID and the reason."""


@dataclass
class DrillRun:
    """Runs a script and checks the result.

    Attributes:
        folder: where the evidence of a drill with violations is saved.
    """

    testbed: Testbed
    script: Script
    number: int
    action_runner: ActionRunner
    results: RunResults
    folder: Path

    @property
    def _plan_id(self) -> str:
        return self.script.generated.plan.plan_id

    async def run(self) -> DrillResult:
        """Run the drill, check it, run the clean-up, check the clean-up."""
        started = time.monotonic()
        operator = SimulatedOperator(self.testbed, self.script, self.results)
        operating = asyncio.create_task(operator.run())
        outcome, violations = "", list[str]()
        try:
            async with asyncio.timeout(_DRILL_TIMEOUT_SECONDS):
                drill = await self._drill(operator)
                outcome, violations = drill.state.status.value, check(drill)
                violations += await self._clean_up(drill.state)
                if violations:
                    await self._save_evidence(drill, violations)
        except TimeoutError:
            violations.append(
                f"the drill and its clean-up did not end in {_DRILL_TIMEOUT_SECONDS:g} s"
            )
        except StuckError as stuck:
            violations.append(str(stuck))
        finally:
            operating.cancel()
            await asyncio.gather(operating, return_exceptions=True)
            self.action_runner.unschedule(self._plan_id)
            await self.testbed.aws.clear_faults(f"{self._plan_id}/")
        actions = self.action_runner.performed.get(self._plan_id, [])
        return DrillResult(self.number, outcome, violations, actions, time.monotonic() - started)

    async def _drill(self, operator: SimulatedOperator) -> DrillRecord:
        generated = self.script.generated
        self.action_runner.schedule(self.script.actions, operator.perform)
        await self.testbed.aws.apply(
            SourceServers=generated.source_servers, Faults=[*self.script.holds, *self.script.faults]
        )
        execution_id = await self._start()
        closed = await self._wait_for_close(plan_workflow_id(self._plan_id))
        # Records that DynamoDB rejected until then are written after the end of the plan.
        await self._wait_for_close(history_workflow_id(execution_id))
        state = await self._recorded(execution_id)
        # Waves that are cancelled or timed out watch their jobs after the end of the plan.
        for wave in state.waves:
            for attempt in range(1, wave.attempt + 1):
                await self._wait_for_close(wave_workflow_id(execution_id, wave.wave_id, attempt))
        return DrillRecord(
            plan=generated.plan,
            state=await self._recorded(execution_id),
            plan_ledger=PlanLedger.read(await self.testbed.aws.ledger(), generated.plan),
            closed=closed,
            speed=self.testbed.stack.speed,
            sent=operator.sent,
        )

    async def _start(self) -> str:
        """Start the drill exactly once, even if Temporal restarts meanwhile."""
        while True:
            try:
                return await start_execution(self.testbed.client, self.script.generated.plan)
            except RefusedError:
                # An earlier start succeeded, but its response was lost.
                running = await find_running(self.testbed.client, self._plan_id)
                if running is not None:
                    return running.execution_id
            except UnreachableError:
                pass
            await asyncio.sleep(_RETRY_SECONDS)

    async def _wait_for_close(self, workflow_id: str) -> str:
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
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            status = described.status
            if status is not None and status is not WorkflowExecutionStatus.RUNNING:
                return status.name
            problems = described.typed_search_attributes.get(_PROBLEMS) or []
            if any("NonDeterministic" in problem for problem in problems):
                await self._save_history(handle)
                raise StuckError(f"{workflow_id} has a non-determinism error: {problems}")

    async def _save_history(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Save the history of a stuck workflow for replay."""
        history = await handle.fetch_history()
        path = self.folder / f"{handle.id.replace('/', '_')}.history.json"
        await asyncio.to_thread(path.write_text, history.to_json())

    async def _recorded(self, execution_id: str) -> ExecutionState:
        found = await self.testbed.table.execution(execution_id)
        assert found is not None, f"{execution_id} has ended but is not in the history"
        return found[0]

    async def _clean_up(self, state: ExecutionState) -> list[str]:
        """Run the clean-up. Repeat it while it reports remaining instances."""
        closed = ""
        for number in range(_MAX_CLEANUPS):
            self.results.cleanups_repeated += number > 0
            await self._start_cleanup(state.execution_id)
            closed = await self._wait_for_close(cleanup_workflow_id(state.execution_id))
            if closed == "COMPLETED":
                break
        plan_ledger = PlanLedger.read(await self.testbed.aws.ledger(), self.script.generated.plan)
        remaining = check_cleaned_up(plan_ledger)
        if closed != "COMPLETED":
            remaining.append(f"the clean-up closed as {closed}, {_MAX_CLEANUPS} times")
        return remaining

    async def _start_cleanup(self, execution_id: str) -> None:
        start = StartCleanup(execution_id=execution_id, plan_id=self._plan_id, actor="bench")
        while True:
            try:
                await start_cleanup(self.testbed.client, start)
                return
            except RefusedError:
                return
            except UnreachableError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _save_evidence(self, drill: DrillRecord, violations: list[str]) -> None:
        """Save the evidence of a drill with violations."""
        server_ids = set(self.script.generated.server_ids)
        evidence: dict[str, Any] = {
            "Violations": violations,
            "Actions": self.action_runner.performed.get(self._plan_id, []),
            "Faults": self.script.faults,
            "Plan": drill.plan.model_dump(mode="json", exclude_none=True),
            "History": drill.state.model_dump(mode="json", exclude_none=True),
            "Launches": [vars(launch) for launch in drill.plan_ledger.launches],
            "Closed": drill.closed,
            "Sent": [vars(message) for message in drill.sent],
            "Calls": [
                call
                for call in await self.testbed.aws.log()
                if server_ids.intersection(call["Subjects"])
            ],
        }
        path = self.folder / f"{self._plan_id}.json"
        await asyncio.to_thread(path.write_text, json.dumps(evidence, indent=1))
