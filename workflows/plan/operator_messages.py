"""Operators' messages to the plan's workflow, as signals and as updates."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.access.message_activities import MessageActivities
    from activities.heartbeat import heartbeat_timeout
    from contract.execution import ReceivedMessage, ReceivedMessages, StartExecution
    from contract.failures import FailureType
    from contract.launch import LaunchAnswer
    from contract.steps import StepAnswer
    from contract.wave import AcceptLaunch
    from recovery.access.grants import MessageVerdict, SignedApproval, SignedRequest
    from recovery.execution.state import MessageRecord, RefusalCode
    from recovery.operator.message_handler import MessageHandler
    from recovery.operator.messages import MessageName, MessageRejected, guess_actor
    from workflows.activity_options import READ_RETRY
    from workflows.audit import audit_message
    from workflows.plan.inbox import Signal, SignalInbox
    from workflows.plan.wave_runs import WaveRuns

# What is longer was not signed by our clients; a flood of such must not exceed Temporal's 2 MB.
_MAX_CHARACTERS = 10_000
_MAX_NAME_CHARACTERS = 100


class OperatorMessages:
    """Hands operators' messages to the `MessageHandler`, and what follows to the waves.

    Each is accepted as a signal and as an update of the same name. Handlers accept any name and
    input: a malformed one must be rejected, not fail the workflow task. The SDK drops a signal with
    a handler of its name when it cannot decode the input, so all have the dynamic handler. An
    update is rejected before it is accepted: then it is none of the 2,000 that Temporal takes, and
    only the audit log has it.
    After a task without commands it is accepted and then fails (`runtime/workflow_runner.py`).

    An execution whose start is signed has each message verified by an activity, and records each.
    What is signed of a message is its second input.

    Attributes:
        signals_received: how many signals came.
    """

    def __init__(
        self,
        start: StartExecution,
        handler: MessageHandler,
        waves: WaveRuns,
        *,
        on_change: Callable[[], None],
    ) -> None:
        self._execution_id = start.execution_id
        self._is_signed = start.signed is not None
        self._handler = handler
        self._waves = waves
        self._on_change = on_change
        self._inbox = SignalInbox(self._handle_some)
        self.signals_received = 0

    def register(self) -> None:
        """Set the handlers of the workflow."""
        workflow.set_dynamic_signal_handler(self._on_signal)
        workflow.set_dynamic_update_handler(self._on_update, validator=self._check)

    async def handle_signals(self) -> None:
        """Handle signals until cancelled."""
        await self._inbox.run()

    def record_cancellation(self, reason: str) -> None:
        """Record the execution's cancellation, with the reason that Temporal has."""
        record = self._handler.record_cancellation(reason, now=workflow.time())
        audit_message(self._execution_id, ReceivedMessage(name=record.name), record)

    @property
    def all_handled(self) -> bool:
        """Whether every signal is handled."""
        return self._inbox.is_empty

    def _on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self.signals_received += 1
        self._inbox.put(name, _decoded(args))

    async def _on_update(self, name: str, args: Sequence[RawValue]) -> str:
        inputs = _decoded(args)
        (verdict,) = await self._verdicts([(name, inputs)])
        record = self._handle(name, inputs, verdict)
        if not record.accepted:
            raise _rejection(record.effect, record.refusal)
        return record.effect

    def _check(self, name: str, args: Sequence[RawValue]) -> None:
        if self._is_signed:
            return
        inputs = _decoded(args)
        try:
            self._handler.check(name, _split(inputs)[0])
        except MessageRejected as rejected:
            # Nothing of it is in Temporal's history, or in the execution's state.
            record = MessageRecord(
                name=name,
                actor=guess_actor(inputs),
                time=workflow.time(),
                accepted=False,
                refusal=rejected.code,
                effect=str(rejected),
            )
            audit_message(self._execution_id, _received(name, inputs), record)
            raise _rejection(str(rejected), rejected.code) from rejected

    async def _handle_some(self, messages: Sequence[Signal]) -> None:
        verdicts = await self._verdicts(messages)
        for (name, inputs), verdict in zip(messages, verdicts, strict=True):
            self._handle(name, inputs, verdict)

    async def _verdicts(self, messages: Sequence[Signal]) -> Sequence[MessageVerdict | None]:
        """A worker's verdict about each message; None where the start is not signed."""
        if not self._is_signed:
            return [None] * len(messages)
        received = [_received(name, inputs) for name, inputs in messages]
        return await workflow.execute_activity_method(
            MessageActivities.verify_messages,
            ReceivedMessages(execution_id=self._execution_id, messages=received),
            summary="Verify who sent messages",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )

    def _handle(
        self, name: str, inputs: tuple[Any, ...], verdict: MessageVerdict | None
    ) -> MessageRecord:
        received = _received(name, inputs)
        inputs, signed = _split(inputs)
        record = self._handler.handle(name, inputs, now=workflow.time(), verdict=verdict)
        audit_message(self._execution_id, received, record)
        if not self._is_signed:
            signed = None
        if record.accepted and signed:
            self._keep_signed(record, signed)
        for wave, reason in self._handler.cancellations:
            self._waves.stop(wave, reason)
        self._handler.cancellations.clear()
        for wave, launch_id, job_id in self._handler.launch_decisions:
            answer = LaunchAnswer(launch_id=launch_id, job_id=job_id, signed=signed)
            self._waves.signal(wave, "answer_launch", answer)
        self._handler.launch_decisions.clear()
        for wave in self._handler.accepted_launches:
            self._waves.signal(wave, "accept_launch", AcceptLaunch(signed=signed))
        self._handler.accepted_launches.clear()
        for wave, step_id, attempt, decision, message in self._handler.step_decisions:
            step_answer = StepAnswer(
                step_id=step_id,
                decision=decision,
                attempt=attempt,
                time=record.time,
                actor=message.actor,
                reason=message.reason,
                outputs=message.outputs or {},
                signed=signed,
            )
            self._waves.signal(wave, "answer_step", step_answer)
        self._handler.step_decisions.clear()
        for wave, step_id, outputs in self._handler.completed_steps:
            self._waves.inputs.keep_outputs(wave.wave_id, {step_id: outputs})
        self._handler.completed_steps.clear()
        self._on_change()
        return record

    def _keep_signed(self, record: MessageRecord, signed: SignedRequest) -> None:
        """Keep what the worker that launches, or runs steps, must see."""
        if MessageName(record.name).may_begin_attempt and record.wave_id:
            self._waves.inputs.signed_retries.setdefault(record.wave_id, []).append(signed)
        if record.name in (MessageName.APPROVE_WAVE, MessageName.APPROVE_RECOVERY):
            approval = SignedApproval(signed=signed, accepted_time=record.time)
            self._waves.inputs.signed_approvals.setdefault(record.wave_id, []).append(approval)


def _decoded(args: Sequence[RawValue]) -> tuple[Any, ...]:
    """The inputs of a message; of one that cannot be decoded its bytes, which are rejected."""
    try:
        return tuple(workflow.payload_converter().from_payloads([arg.payload for arg in args]))
    except Exception:
        return (args[0].payload.data[:_MAX_NAME_CHARACTERS],)


def _split(inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], SignedRequest | None]:
    """A message's own inputs, and what was signed of it."""
    if len(inputs) != 2:
        return inputs, None
    try:
        signed = SignedRequest.model_validate(inputs[1])
    except ValidationError:
        return inputs, None
    return inputs[:1], signed if len(signed.payload) <= _MAX_CHARACTERS else None


def _received(name: str, inputs: tuple[Any, ...]) -> ReceivedMessage:
    inputs, signed = _split(inputs)
    name = name[:_MAX_NAME_CHARACTERS]
    fields = inputs[0] if inputs and isinstance(inputs[0], dict) else {}
    if signed is None or len(repr(fields)) > _MAX_CHARACTERS:
        return ReceivedMessage(name=name)
    return ReceivedMessage(
        name=name, fields={str(key): value for key, value in fields.items()}, signed=signed
    )


def _rejection(text: str, code: RefusalCode | None) -> ApplicationError:
    return ApplicationError(text, code, type=FailureType.MESSAGE_REJECTED)
