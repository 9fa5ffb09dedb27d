"""Runs one drill and checks it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.action_runner import ActionRunner
from bench.chaos.drill_record import DrillRecord, PlanLedger, StepEffect
from bench.chaos.invariants import check, check_cleaned_up
from bench.chaos.results import DrillResult, RunResults
from bench.chaos.script import Script
from bench.chaos.simulated_operator import SimulatedOperator
from bench.testbed import Testbed
from client.cleanup import start_cleanup
from client.errors import RefusedError, UnreachableError
from client.start import start_execution
from contract.cleanup import StartCleanup
from contract.identifiers import (
    cleanup_workflow_id,
    history_workflow_id,
    new_execution_id,
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
    """Runs a script and checks the result."""

    testbed: Testbed
    script: Script
    action_runner: ActionRunner
    results: RunResults

    @property
    def _plan_id(self) -> str:
        return self.script.plan.plan_id

    @property
    def _actions(self) -> list[str]:
        return self.action_runner.performed[self._plan_id]

    async def run(self) -> DrillResult:
        """Run the drill, check it, run the clean-up, check the clean-up."""
        operator = SimulatedOperator(self.testbed, self.script, self.results)
        operating = asyncio.create_task(operator.run())
        outcome, violations = "", list[str]()
        try:
            async with asyncio.timeout(_DRILL_TIMEOUT_SECONDS):
                drill = await self._drill(operator)
                outcome, violations = drill.state.status.value, check(drill)
                self.results.effects += len(drill.effects)
                violations += await self._clean_up(drill.state.execution_id)
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
        return DrillResult(self.script.drill, outcome, violations, self._actions)

    async def _drill(self, operator: SimulatedOperator) -> DrillRecord:
        script = self.script
        self.action_runner.schedule(script.actions, operator.perform)
        await self.testbed.aws.apply(**script.scenario, Faults=[*script.holds, *script.faults])
        execution_id = new_execution_id(self._plan_id)
        await self._start(
            partial(start_execution, self.testbed.client, script.plan, execution_id=execution_id)
        )
        closed = await self._wait_for_close(plan_workflow_id(self._plan_id))
        # Records that DynamoDB rejected until then are written after the end of the plan.
        await self._wait_for_close(history_workflow_id(execution_id))
        state = await self._recorded(execution_id)
        # Waves that are cancelled or timed out watch their jobs after the end of the plan.
        for wave in state.waves:
            for attempt in range(1, wave.attempt + 1):
                await self._wait_for_close(wave_workflow_id(execution_id, wave.wave_id, attempt))
        return DrillRecord(
            plan=script.plan,
            state=await self._recorded(execution_id),
            plan_ledger=await self._plan_ledger(),
            closed=closed,
            speed=self.testbed.stack.speed,
            sent=operator.sent,
            effects=StepEffect.read(await self.testbed.aws.effects(), script.plan),
        )

    async def _start(self, start: Callable[[], Awaitable[object]]) -> None:
        """Start a workflow exactly once, even if Temporal restarts meanwhile."""
        while True:
            try:
                # It is refused if an earlier start succeeded, but its response was lost.
                with suppress(RefusedError):
                    await start()
                return
            except UnreachableError:
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
                # For replay.
                history = await handle.fetch_history()
                await self._save(f"{workflow_id.replace('/', '_')}.history", history.to_json())
                raise StuckError(f"{workflow_id} has a non-determinism error: {problems}")

    async def _recorded(self, execution_id: str) -> ExecutionState:
        found = await self.testbed.table.execution(execution_id)
        assert found is not None, f"{execution_id} has ended but is not in the history"
        return found[0]

    async def _plan_ledger(self) -> PlanLedger:
        return PlanLedger.read(await self.testbed.aws.ledger(), self.script.plan)

    async def _clean_up(self, execution_id: str) -> list[str]:
        """Run the clean-up. Repeat it while it reports remaining instances."""
        start = StartCleanup(execution_id=execution_id, plan_id=self._plan_id, actor="bench")
        closed = ""
        for number in range(_MAX_CLEANUPS):
            self.results.cleanups_repeated += number > 0
            await self._start(partial(start_cleanup, self.testbed.client, start))
            closed = await self._wait_for_close(cleanup_workflow_id(execution_id))
            if closed == "COMPLETED":
                break
        remaining = check_cleaned_up(await self._plan_ledger())
        if closed != "COMPLETED":
            remaining.append(f"the clean-up closed as {closed}, {_MAX_CLEANUPS} times")
        return remaining

    async def _save_evidence(self, drill: DrillRecord, violations: list[str]) -> None:
        """Save the evidence of a drill with violations."""
        server_ids = {i for wave in drill.plan.waves for i in wave.server_ids}
        log = await self.testbed.aws.log()
        evidence: dict[str, Any] = {
            "Violations": violations,
            "Actions": self._actions,
            "Faults": self.script.faults,
            "Plan": drill.plan.model_dump(mode="json", exclude_none=True),
            "History": drill.state.model_dump(mode="json", exclude_none=True),
            "Launches": [vars(launch) for launch in drill.plan_ledger.launches],
            "Effects": [vars(effect) for effect in drill.effects],
            "Closed": drill.closed,
            "Sent": [vars(message) for message in drill.sent],
            "Calls": [call for call in log if server_ids.intersection(call["Subjects"])],
        }
        await self._save(self._plan_id, json.dumps(evidence, indent=1))

    async def _save(self, name: str, text: str) -> None:
        path = self.testbed.stack.folder / f"{name}.json"
        await asyncio.to_thread(path.write_text, text)
