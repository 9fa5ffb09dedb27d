"""The simulated operator of a drill: sends messages and responds to the execution."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from temporalio.service import RPCError

from bench.chaos.generation.script import ChaosAction, ChaosActionKind, Script
from bench.chaos.judge.drill_record import PlanLedger, SentMessage
from bench.chaos.results import RunResults
from bench.testbed import Testbed
from client.errors import RefusedError, RejectedError, UnreachableError
from client.executions import RunningExecution, execution_state, require_running
from client.steering import cancel, send
from contract.identifiers import plan_workflow_id
from recovery.execution.state import ExecutionState, PlanStatus, RefusalCode
from recovery.execution.wave import WaitingFor, WaveState
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.steps.model import StepKind
from recovery.steps.state import StepState

_POLL_INTERVAL_SECONDS = 3.0
_ACTOR = "bench"


@dataclass
class SimulatedOperator:
    """Operates one drill according to its script."""

    testbed: Testbed
    script: Script
    results: RunResults
    sent: list[SentMessage] = field(default_factory=list)
    _reaction_counts: Counter[str] = field(default_factory=Counter)
    # By WaveId: the execution and the attempt.
    _handled_attempts: dict[str, tuple[str, int]] = field(default_factory=dict)
    # Execution, WaveId, StepId, attempt.
    _answered_steps: set[tuple[str, str, str, int]] = field(default_factory=set)

    async def perform(self, action: ChaosAction) -> str:
        """Send the message or the cancellation of an action, or terminate the plan's workflow.

        Returns:
            accepted, rejected or unanswered.
        """
        if action.kind is ChaosActionKind.CANCEL:
            return await self._cancel()
        if action.kind is ChaosActionKind.TERMINATE_PLAN:
            return await self._terminate_plan()
        assert action.message is not None, "a message has a name"
        return await self._send(
            action.message, action.wave_id, step=action.step_id, cascade=action.cascade
        )

    async def run(self) -> None:
        """Respond to approvals, pauses, launches in doubt and broken waves, until cancelled."""
        while True:
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)
            try:
                state = await execution_state(self.testbed.client, self.script.plan.plan_id)
            except (RefusedError, UnreachableError):
                continue
            if state.end_time is None:
                await self._respond(state)

    async def _send(
        self,
        name: MessageName,
        wave_id: str | None = None,
        *,
        step: str | None = None,
        cascade: bool = False,
        job: str | None = None,
        launch: str | None = None,
    ) -> str:
        plan_id = self.script.plan.plan_id
        reason = f"{plan_id} message {len(self.sent) + 1}"
        message = OperatorMessage(
            name, wave_id, reason, step=step, cascade=cascade, job=job, launch=launch
        )
        sent = SentMessage(name, reason, wave_id, step, time.time())
        self.sent.append(sent)
        try:
            running = await require_running(self.testbed.client, plan_id)
            sent.execution_id = running.execution_id
            if await send(self.testbed.client, running, message, actor=_ACTOR) is not None:
                sent.accepted = True
        except RejectedError as rejected:
            # One that comes after the end leaves no record.
            sent.accepted = None if rejected.code is RefusalCode.EXECUTION_ENDED else False
            sent.problem = str(rejected)
        except (RefusedError, RPCError, UnreachableError) as error:
            sent.problem = str(error)
        outcome = {True: "accepted", False: "rejected", None: "unanswered"}[sent.accepted]
        self.results.message_outcomes[outcome] += 1
        return outcome

    async def _cancel(self) -> str:
        reason = "cancelled by the script"
        sent = SentMessage("cancel", reason, time=time.time())
        self.sent.append(sent)

        async def act(running: RunningExecution) -> None:
            sent.execution_id = running.execution_id
            await cancel(self.testbed.client, running, actor=_ACTOR, reason=reason)

        return await self._act(act)

    async def _terminate_plan(self) -> str:
        async def act(running: RunningExecution) -> None:
            workflow_id = plan_workflow_id(running.plan_id)
            handle = self.testbed.client.get_workflow_handle(workflow_id, run_id=running.run_id)
            await handle.terminate(reason="terminated by the script")

        return await self._act(act)

    async def _act(self, act: Callable[[RunningExecution], Awaitable[None]]) -> str:
        """Act on the running execution in Temporal, without a worker."""
        try:
            await act(await require_running(self.testbed.client, self.script.plan.plan_id))
        except (RefusedError, RPCError, UnreachableError):
            return "unanswered"
        return "accepted"

    async def _respond(self, state: ExecutionState) -> None:
        if state.status is PlanStatus.PAUSED:
            await self._send(MessageName.RESUME)
        for wave in state.waves:
            if wave.launch_in_doubt:
                await self._resolve_launch_in_doubt(wave)
            elif wave.waiting_for is WaitingFor.APPROVAL:
                await self._send(MessageName.APPROVE_WAVE, wave.wave_id)
            elif wave.status.has_failed:
                await self._handle_broken_wave(state.execution_id, wave)
            for step in wave.steps:
                if step.awaits_operator:
                    await self._answer(state.execution_id, wave, step)

    async def _answer(self, execution_id: str, wave: WaveState, step: StepState) -> None:
        """Decide about a step that waits, according to the script, once per attempt."""
        key = (execution_id, wave.wave_id, step.step_id, step.attempt)
        if key in self._answered_steps or len(self._answered_steps) >= len(self.script.answers):
            return
        answer = self.script.answers[len(self._answered_steps)]
        self._answered_steps.add(key)
        if answer is MessageName.RERUN_STEP and step.kind is StepKind.MANUAL:
            answer = MessageName.COMPLETE_STEP
        await self._send(answer, wave.wave_id, step=step.step_id)

    async def _handle_broken_wave(self, execution_id: str, wave: WaveState) -> None:
        """React to a broken wave according to the script, once per attempt."""
        handled = execution_id, wave.attempt
        if self._handled_attempts.get(wave.wave_id) == handled:
            return
        self._handled_attempts[wave.wave_id] = handled
        generated = self.script.reactions[wave.wave_id]
        index = self._reaction_counts[wave.wave_id]
        self._reaction_counts[wave.wave_id] += 1
        if index < len(generated) and (reaction := generated[index]):
            failed = [s.step_id for s in wave.steps if s.status.has_failed]
            if reaction.is_about_a_step and not failed:
                reaction = MessageName.RETRY_WAVE
            step = failed[0] if reaction.is_about_a_step else None
            await self._send(reaction, wave.wave_id, step=step)

    async def _resolve_launch_in_doubt(self, wave: WaveState) -> None:
        """Look up the job in the ledger, as an operator does in the console, and report it."""
        plan_ledger = PlanLedger.read(await self.testbed.aws.ledger(), self.script.plan)
        launches = plan_ledger.of_wave(wave.wave_id)
        for launch_id in wave.launches_in_doubt:
            jobs = [x.job_id for x in launches if x.launch_id.startswith(launch_id)]
            response = MessageName.ADOPT_JOB if jobs else MessageName.LAUNCH_ANYWAY
            job = jobs[-1] if jobs else None
            await self._send(response, wave.wave_id, job=job, launch=launch_id)
