"""Operators' messages to a portfolio's workflow, as signals and as updates."""

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
    from contract.execution import ReceivedMessage, ReceivedMessages
    from contract.failures import FailureType
    from contract.portfolio.start import StartPortfolio
    from recovery.access.grants import MessageVerdict, SignedRequest
    from recovery.execution.state import RefusalCode
    from recovery.operator.messages import MessageRejected
    from recovery.portfolio.messages import PortfolioMessageHandler
    from recovery.portfolio.state import PortfolioMessageRecord
    from workflows.activity_options import READ_RETRY
    from workflows.audit import audit_message
    from workflows.plan.inbox import Signal, SignalInbox

_MAX_CHARACTERS = 10_000


class PortfolioMessages:
    """Hands operators' messages to the `PortfolioMessageHandler`.

    Handlers accept any name and input: a malformed message is rejected and fails no task. Where
    the starts are signed, a worker verifies each message; what is signed is its second input.
    """

    def __init__(
        self,
        start: StartPortfolio,
        handler: PortfolioMessageHandler,
        *,
        on_change: Callable[[], None],
    ) -> None:
        self._execution_id = start.execution_id
        self._is_signed = start.is_signed
        self._handler = handler
        self._on_change = on_change
        self._inbox = SignalInbox(self._handle_some)

    def register(self) -> None:
        """Set the handlers of the workflow."""
        workflow.set_dynamic_signal_handler(self._on_signal)
        workflow.set_dynamic_update_handler(self._on_update, validator=self._check)

    async def handle_signals(self) -> None:
        """Handle signals until cancelled."""
        await self._inbox.run()

    @property
    def all_handled(self) -> bool:
        """Whether every signal is handled."""
        return self._inbox.is_empty

    def record_cancellation(self, reason: str) -> None:
        """Record the cancellation, with the reason that Temporal has."""
        record = self._handler.record_cancellation(reason, now=workflow.time())
        audit_message(self._execution_id, ReceivedMessage(name=record.name), record)

    def _on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self._inbox.put(name, _decoded(args))

    def _check(self, name: str, args: Sequence[RawValue]) -> None:
        if self._is_signed:
            return
        try:
            self._handler.check(name, _received(name, _decoded(args)).fields)
        except MessageRejected as rejected:
            raise _rejection(str(rejected), rejected.code) from rejected

    async def _on_update(self, name: str, args: Sequence[RawValue]) -> str:
        received = _received(name, _decoded(args))
        (verdict,) = await self._verdicts([received])
        record = self._handle(received, verdict)
        if not record.accepted:
            raise _rejection(record.effect, record.refusal)
        return record.effect

    async def _handle_some(self, messages: Sequence[Signal]) -> None:
        received = [_received(name, inputs) for name, inputs in messages]
        verdicts = await self._verdicts(received)
        for message, verdict in zip(received, verdicts, strict=True):
            self._handle(message, verdict)

    async def _verdicts(
        self, received: Sequence[ReceivedMessage]
    ) -> Sequence[MessageVerdict | None]:
        """A worker's verdict about each message; None where the starts are not signed."""
        if not self._is_signed:
            return [None] * len(received)
        return await workflow.execute_activity_method(
            MessageActivities.verify_messages,
            ReceivedMessages(execution_id=self._execution_id, messages=list(received)),
            summary="Verify who sent messages",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )

    def _handle(
        self, received: ReceivedMessage, verdict: MessageVerdict | None
    ) -> PortfolioMessageRecord:
        record = self._handler.handle(
            received.name, received.fields, now=workflow.time(), verdict=verdict
        )
        audit_message(self._execution_id, received, record)
        self._on_change()
        return record


def _decoded(args: Sequence[RawValue]) -> tuple[Any, ...]:
    """The inputs of a message; nothing of one that cannot be decoded."""
    try:
        return tuple(workflow.payload_converter().from_payloads([arg.payload for arg in args]))
    except Exception:
        return ()


def _received(name: str, inputs: tuple[Any, ...]) -> ReceivedMessage:
    given = inputs[0] if inputs else {}
    # A PlanId alone may stand for the object.
    fields = {"plan": given} if isinstance(given, str) else given
    if not isinstance(fields, dict) or len(repr(fields)) > _MAX_CHARACTERS:
        fields = {"malformed": True}
    try:
        signed = SignedRequest.model_validate(inputs[1]) if len(inputs) > 1 else None
    except ValidationError:
        signed = None
    if signed is not None and len(signed.payload) > _MAX_CHARACTERS:
        signed = None
    return ReceivedMessage(
        name=name[:100], fields={str(key): value for key, value in fields.items()}, signed=signed
    )


def _rejection(text: str, code: RefusalCode | None) -> ApplicationError:
    return ApplicationError(text, code, type=FailureType.MESSAGE_REJECTED)
