"""The operator of a drill: sends messages, and answers what the execution asks for."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from temporalio.service import RPCError

from bench.chaos.facts import SentMessage, Truth
from bench.chaos.script import Act, ActKind, Reaction, Script
from bench.chaos.tally import Tally
from bench.testbed import Testbed
from client.errors import RefusedError, RejectedError, UnreachableError
from client.executions import execution_state, the_running
from client.steering import cancel, send
from recovery.execution.state import ExecutionState, PlanStatus, RefusalCode
from recovery.execution.wave import WaitingFor, WaveState, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage

_LOOK_SECONDS = 3.0
_ACTOR = "bench"
_BROKEN = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)


@dataclass
class Operator:
    """Steers one drill, as its script says."""

    bed: Testbed
    script: Script
    tally: Tally
    sent: list[SentMessage] = field(default_factory=list)
    _reacted: Counter[str] = field(default_factory=Counter)
    _settled: dict[str, int] = field(default_factory=dict)

    async def act(self, act: Act) -> str:
        """Send what an act of the script says; returns how it was answered."""
        if act.kind is ActKind.CANCEL:
            return await self._cancel()
        assert act.message is not None, "a message has a name"
        return await self.tell(act.message, act.wave_id, cascade=act.cascade)

    async def attend(self) -> None:
        """Answer approvals, pauses, doubts and broken waves until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                state = await execution_state(self.bed.client, self.script.drawn.plan.plan_id)
            except (RefusedError, UnreachableError):
                continue
            if state.end_time is None:
                await self._answer(state)

    async def tell(
        self,
        name: MessageName,
        wave_id: str | None = None,
        *,
        cascade: bool = False,
        job: str | None = None,
        launch: str | None = None,
    ) -> str:
        """Send one message.

        Returns:
            accepted, rejected or unanswered.
        """
        plan_id = self.script.drawn.plan.plan_id
        reason = f"{plan_id} message {len(self.sent) + 1}"
        message = OperatorMessage(
            name=name, wave=wave_id, reason=reason, cascade=cascade, job=job, launch=launch
        )
        answer: bool | None = None
        place = len(self.sent)
        self.sent.append(SentMessage(name, reason, None))
        try:
            running = await the_running(self.bed.client, plan_id)
            if await send(self.bed.client, running, message, actor=_ACTOR) is not None:
                answer = True
        except RejectedError as rejected:
            # One that comes after the end leaves no record.
            answer = None if rejected.code is RefusalCode.EXECUTION_ENDED else False
        except (RefusedError, RPCError, UnreachableError):
            answer = None
        self.sent[place] = SentMessage(name, reason, answer)
        told = {True: "accepted", False: "rejected", None: "unanswered"}[answer]
        self.tally.answers[told] += 1
        return told

    async def _cancel(self) -> str:
        plan_id = self.script.drawn.plan.plan_id
        try:
            running = await the_running(self.bed.client, plan_id)
            await cancel(self.bed.client, running, actor=_ACTOR, reason="drawn by the script")
        except (RefusedError, RPCError, UnreachableError):
            return "unanswered"
        return "accepted"

    async def _answer(self, state: ExecutionState) -> None:
        if state.status is PlanStatus.PAUSED:
            await self.tell(MessageName.RESUME)
        for wave in state.waves:
            if wave.launch_in_doubt:
                await self._settle_doubt(wave)
            elif wave.waiting_for is WaitingFor.APPROVAL:
                await self.tell(MessageName.APPROVE_WAVE, wave.wave_id)
            elif wave.status in _BROKEN and self._settled.get(wave.wave_id) != wave.attempt:
                await self._react(wave)

    async def _react(self, wave: WaveState) -> None:
        """Do about a broken wave what the script says; once an attempt."""
        self._settled[wave.wave_id] = wave.attempt
        drawn = self.script.reactions[wave.wave_id]
        place = self._reacted[wave.wave_id]
        self._reacted[wave.wave_id] += 1
        reaction = drawn[place] if place < len(drawn) else Reaction.NOTHING
        if reaction is not Reaction.NOTHING:
            await self.tell(MessageName(reaction.value), wave.wave_id)

    async def _settle_doubt(self, wave: WaveState) -> None:
        """Look in the console, which is the ledger here, and say whether there is a job."""
        ledger = await self.bed.aws.ledger()
        truth = Truth.read(ledger, self.script.drawn.plan)
        for launch_id in wave.launches_in_doubt:
            launches = truth.of_wave(wave.wave_id)
            jobs = [x.job_id for x in launches if x.launch_id == launch_id]
            if jobs:
                answer, job = MessageName.ADOPT_JOB, jobs[-1]
            else:
                answer, job = MessageName.LAUNCH_ANYWAY, None
            await self.tell(answer, wave.wave_id, job=job, launch=launch_id)
