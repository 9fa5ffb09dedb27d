"""Runs one drill and checks it."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from temporalio.service import RPCError

from bench.chaos.action_runner import ActionRunner
from bench.chaos.generation.script import Script
from bench.chaos.judge.drill_record import DrillRecord, EarlierExecution, PlanLedger
from bench.chaos.judge.effects import StepEffect, read_effects, with_outcomes
from bench.chaos.judge.invariants import check, check_cleaned_up
from bench.chaos.open_workflows import what_they_wait_for
from bench.chaos.plan_executions import RETRY_SECONDS, PlanExecutions, StuckError
from bench.chaos.results import DrillResult, RunResults
from bench.chaos.simulated_operator import SimulatedOperator
from bench.chaos.time_limit import time_limit
from bench.testbed import Testbed
from client.cleanup import start_cleanup
from contract.cleanup import StartCleanup
from contract.identifiers import (
    cleanup_workflow_id,
)
from recovery.execution.state import ExecutionState

_MAX_CLEANUPS = 3
_TERMINATED = "TERMINATED"
_SLOW_SECONDS = 360.0


@dataclass
class DrillRun:
    """Runs a script and checks the result."""

    testbed: Testbed
    script: Script
    action_runner: ActionRunner
    results: RunResults
    _executions: PlanExecutions = field(init=False)

    def __post_init__(self) -> None:
        self._executions = PlanExecutions(self.testbed, self.script, self.results)

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
                if drill is None:
                    return DrillResult(self.script.drill, _TERMINATED, [], self._actions)
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

    async def _drill(self, operator: SimulatedOperator) -> DrillRecord | None:
        """Run all executions; None if the last was terminated before its first record."""
        script = self.script
        self.action_runner.schedule(script.actions, operator.perform)
        await self.testbed.aws.apply(**script.scenario, Faults=[*script.holds, *script.faults])
        executions = self._executions
        await executions.run()
        is_cut_off = executions.ends[-1].status == _TERMINATED
        if is_cut_off and await self.testbed.table.execution(executions.ids[-1]) is None:
            return None
        return DrillRecord(
            plan=script.plan,
            state=await self._recorded(executions.ids[-1]),
            plan_ledger=await self._plan_ledger(),
            closed=executions.ends[-1].status,
            speed=self.testbed.stack.speed,
            sent=operator.sent,
            effects=await self._effects(),
            earlier=[
                EarlierExecution(await self._recorded(execution_id), end.status, end.time)
                for execution_id, end in zip(executions.ids[:-1], executions.ends, strict=False)
            ],
        )

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
                await asyncio.sleep(RETRY_SECONDS)
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
            await self._executions.start(partial(start_cleanup, self.testbed.client, start))
            closed = await self._executions.wait_for_close(cleanup_workflow_id(execution_id))
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
