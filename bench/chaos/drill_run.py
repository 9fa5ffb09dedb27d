"""Runs one drill and checks it."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from bench.chaos.action_runner import ActionRunner
from bench.chaos.generation.script import Script
from bench.chaos.judge.drill_record import DrillRecord, EarlierExecution, PlanLedger
from bench.chaos.judge.effects import StepEffect, read_effects, with_outcomes
from bench.chaos.judge.invariants import check, check_cleaned_up
from bench.chaos.open_workflows import open_workflow_ids, what_they_wait_for
from bench.chaos.results import DrillResult, RunResults
from bench.chaos.simulated_operator import SimulatedOperator
from bench.chaos.time_limit import time_limit
from bench.testbed import Testbed
from client.cleanup import start_cleanup
from client.errors import RefusedError, UnreachableError
from client.start import start_execution
from client.takeover import PreviousExecution, previous_execution
from contract.cleanup import StartCleanup
from contract.execution import Takeover
from contract.identifiers import (
    EXECUTION_ID_KEY,
    cleanup_workflow_id,
    history_workflow_id,
    new_execution_id,
    plan_workflow_id,
)
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.plan.model import RecoveryPlan
from storage.history import HistoryError

_RETRY_SECONDS = 1.0
_POLL_INTERVAL_SECONDS = 20.0
_MAX_CLEANUPS = 3
_RECORD_SECONDS = 60.0
_SLOW_SECONDS = 360.0
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
        background = [
            asyncio.create_task(operator.run()),
            asyncio.create_task(self._report_slow()),
        ]
        outcome, violations = "", list[str]()
        limit = time_limit(self.script.plan, speed=self.testbed.stack.speed)
        try:
            async with asyncio.timeout(limit):
                drill = await self._drill(operator)
                outcome, violations = drill.state.status.value, check(drill)
                self._count_effects(drill)
                violations += await self._clean_up([s.execution_id for s in drill.states])
                if violations:
                    await self._save_evidence(drill, violations)
        except TimeoutError:
            violations.append(f"the drill and its clean-up did not end in {limit:.0f} s")
            violations += await what_they_wait_for(self.testbed.client, self._plan_id)
        except StuckError as stuck:
            violations.append(str(stuck))
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            self.action_runner.unschedule(self._plan_id)
            await self.testbed.aws.clear_faults(f"{self._plan_id}/")
        return DrillResult(self.script.drill, outcome, violations, self._actions)

    async def _drill(self, operator: SimulatedOperator) -> DrillRecord:
        script = self.script
        self.action_runner.schedule(script.actions, operator.perform)
        await self.testbed.aws.apply(**script.scenario, Faults=[*script.holds, *script.faults])
        earlier, takeover, plan = list[EarlierExecution](), None, script.plan
        while True:
            execution_id = new_execution_id(self._plan_id)
            await self._start_plan(plan, execution_id, takeover)
            closed, closed_time = await self._await_plan(execution_id)
            if not self._is_continued(closed, len(earlier)):
                break
            await asyncio.sleep(script.pauses[len(earlier)])
            previous = await self._previous(execution_id)
            if previous is None:
                self.results.not_continued += 1
                break
            earlier.append(EarlierExecution(previous.state, closed, closed_time))
            takeover, plan = previous.takeover, previous.plan
            self.results.continued += 1
        ids = [*(each.state.execution_id for each in earlier), execution_id]
        for each in ids:
            # Records that DynamoDB rejected until then are written after the end of the plan.
            await self._wait_for_close(history_workflow_id(each))
        # Waves that are cancelled or timed out watch their jobs after the end of the plan.
        while open_ids := await self._open_workflow_ids():
            for workflow_id in open_ids:
                await self._wait_for_close(workflow_id)
        return DrillRecord(
            plan=script.plan,
            state=await self._recorded(execution_id),
            plan_ledger=await self._plan_ledger(),
            closed=closed,
            speed=self.testbed.stack.speed,
            sent=operator.sent,
            effects=await self._effects(),
            earlier=[
                replace(each, state=await self._recorded(each.state.execution_id))
                for each in earlier
            ],
        )

    def _is_continued(self, closed: str, number: int) -> bool:
        """Whether the operator continues an execution after its end."""
        if number >= len(self.script.continues) or closed == "COMPLETED":
            return False
        return closed == "TERMINATED" or self.script.continues[number]

    async def _previous(self, execution_id: str) -> PreviousExecution | None:
        """What to continue; None if the history still has nothing of it after a while."""
        deadline = time.monotonic() + _RECORD_SECONDS
        while time.monotonic() < deadline:
            try:
                return await previous_execution(execution_id, None, ExecutionType.DRILL)
            except (RefusedError, UnreachableError, HistoryError):
                await asyncio.sleep(_RETRY_SECONDS)
        return None

    async def _start_plan(
        self, plan: RecoveryPlan, execution_id: str, takeover: Takeover | None
    ) -> None:
        """Start an execution, again until it has started."""
        client = self.testbed.client
        handle = client.get_workflow_handle(plan_workflow_id(self._plan_id))
        while True:
            await self._start(
                partial(start_execution, client, plan, execution_id=execution_id, takeover=takeover)
            )
            with suppress(RPCError):
                known = (await handle.describe()).typed_search_attributes
                if known.get(EXECUTION_ID_KEY) == execution_id:
                    return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _await_plan(self, execution_id: str) -> tuple[str, float]:
        """How and when (epoch seconds) the plan's workflow closed."""
        workflow_id = plan_workflow_id(self._plan_id)
        closed = await self._wait_for_close(workflow_id)
        while True:
            with suppress(RPCError):
                described = await self.testbed.client.get_workflow_handle(workflow_id).describe()
                assert described.close_time is not None, f"{execution_id} is closed"
                return closed, described.close_time.timestamp()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _open_workflow_ids(self) -> list[str]:
        while True:
            try:
                return await open_workflow_ids(self.testbed.client, self._plan_id)
            except RPCError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _effects(self) -> list[StepEffect]:
        """The effects of the steps, by the ledger and by the customer's workflows in Temporal."""
        script = self.script
        while True:
            try:
                query = f"WorkflowType STARTS_WITH '{self._plan_id}-'"
                started = [
                    StepEffect.named(
                        run.workflow_type,
                        run.id.removeprefix("drs-step/"),
                        run.start_time.timestamp(),
                    )
                    async for run in self.testbed.client.list_workflows(query)
                ]
                break
            except RPCError:
                await asyncio.sleep(_RETRY_SECONDS)
        found = read_effects(await self.testbed.aws.effects(), started, script.plan)
        return with_outcomes(found, script.scenario, script.plan)

    def _count_effects(self, drill: DrillRecord) -> None:
        for effect in drill.effects:
            kind = drill.plan.wave(effect.wave_id).step(effect.step_id).kind
            self.results.effects_by_kind[kind] += 1

    async def _report_slow(self) -> None:
        """Say once what a drill waits for that takes much longer than others."""
        await asyncio.sleep(_SLOW_SECONDS)
        lines = await what_they_wait_for(self.testbed.client, self._plan_id)
        print("\n  ".join([f"{self._plan_id} is slow", *lines]), file=sys.stderr)

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

    async def _clean_up(self, execution_ids: Sequence[str]) -> list[str]:
        """Clean up after each execution; what is left then."""
        problems = [each for i in reversed(execution_ids) if (each := await self._clean_up_one(i))]
        return [*problems, *check_cleaned_up(await self._plan_ledger())]

    async def _clean_up_one(self, execution_id: str) -> str:
        """Run the clean-up, again while it reports remaining instances; what is wrong, or ""."""
        start = StartCleanup(execution_id=execution_id, plan_id=self._plan_id, actor="bench")
        closed = ""
        for number in range(_MAX_CLEANUPS):
            self.results.cleanups_repeated += number > 0
            await self._start(partial(start_cleanup, self.testbed.client, start))
            closed = await self._wait_for_close(cleanup_workflow_id(execution_id))
            if closed == "COMPLETED":
                return ""
        return f"the clean-up of {execution_id} closed as {closed}, {_MAX_CLEANUPS} times"

    async def _save_evidence(self, drill: DrillRecord, violations: list[str]) -> None:
        """Save the evidence of a drill with violations."""
        server_ids = {i for wave in drill.plan.waves for i in wave.server_ids}
        log = await self.testbed.aws.log()
        evidence: dict[str, Any] = {
            "Violations": violations,
            "Actions": self._actions,
            "Faults": self.script.faults,
            "Plan": drill.plan.model_dump(mode="json", exclude_none=True),
            "Histories": [s.model_dump(mode="json", exclude_none=True) for s in drill.states],
            "Ended": [(each.closed, each.closed_time) for each in drill.earlier],
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
