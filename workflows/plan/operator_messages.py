"""Operators' messages to the plan's workflow, as signals and as updates."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from contract.failures import FailureType
    from contract.launch import LaunchAnswer
    from recovery.execution.state import MessageRecord, RefusalCode
    from recovery.operator.message_handler import MessageHandler
    from recovery.operator.messages import MessageName, MessageRejected
    from workflows.plan.inbox import SignalInbox
    from workflows.plan.wave_runs import WaveRuns

T = TypeVar("T")


class OperatorMessages:
    """Hands operators' messages to the `MessageHandler`, and what follows to the waves.

    Each is accepted as a signal and as an update of the same name. Handlers accept any input: a
    missing or malformed one must be rejected, not fail the workflow task. An update is rejected
    before it is accepted: then it is none of the 2,000 that Temporal takes, and leaves no record.
    After a task without commands it is accepted and then fails (`runtime/workflow_runner.py`).

    Attributes:
        signals_received: how many signals came.
    """

    def __init__(
        self, handler: MessageHandler, waves: WaveRuns, *, on_change: Callable[[], None]
    ) -> None:
        self._handler = handler
        self._waves = waves
        self._on_change = on_change
        self._inbox = SignalInbox(self._handle)
        self.signals_received = 0

    def register(self) -> None:
        """Set the handlers of the workflow."""
        for name in MessageName:
            workflow.set_signal_handler(name, self._on_signal(name))
            check = self._on_update(name, self._check)
            workflow.set_update_handler(
                name, self._on_update(name, self._handle_update), validator=check
            )
        workflow.set_dynamic_signal_handler(self._on_unknown_signal)
        workflow.set_dynamic_update_handler(
            self._on_unknown_update, validator=self._check_unknown_update
        )

    async def handle_signals(self) -> None:
        """Handle signals until cancelled."""
        await self._inbox.run()

    @property
    def all_handled(self) -> bool:
        """Whether every signal is handled."""
        return self._inbox.is_empty

    def _on_signal(self, name: str) -> Callable[..., None]:
        def handle(*inputs: Any) -> None:
            self.signals_received += 1
            self._inbox.put(name, inputs)

        return handle

    @staticmethod
    def _on_update(name: str, handle: Callable[[str, tuple[Any, ...]], T]) -> Callable[..., T]:
        def handle_any(*inputs: Any) -> T:
            return handle(name, inputs)

        return handle_any

    async def _on_unknown_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self.signals_received += 1
        self._inbox.put(name, ())

    async def _on_unknown_update(self, name: str, args: Sequence[RawValue]) -> str:
        return self._handle_update(name, ())

    def _check_unknown_update(self, name: str, args: Sequence[RawValue]) -> None:
        self._check(name, ())

    def _check(self, name: str, inputs: tuple[Any, ...]) -> None:
        try:
            self._handler.check(name, inputs)
        except MessageRejected as rejected:
            raise _rejection(str(rejected), rejected.code) from rejected

    def _handle_update(self, name: str, inputs: tuple[Any, ...]) -> str:
        record = self._handle(name, inputs)
        if not record.accepted:
            raise _rejection(record.effect, record.refusal)
        return record.effect

    def _handle(self, name: str, inputs: tuple[Any, ...]) -> MessageRecord:
        record = self._handler.handle(name, inputs, now=workflow.time())
        for wave, reason in self._handler.cancellations:
            self._waves.stop(wave, reason)
        self._handler.cancellations.clear()
        for wave, launch_id, job_id in self._handler.launch_decisions:
            answer = LaunchAnswer(launch_id=launch_id, job_id=job_id)
            self._waves.signal(wave, "answer_launch", answer)
        self._handler.launch_decisions.clear()
        self._on_change()
        return record


def _rejection(text: str, code: RefusalCode | None) -> ApplicationError:
    return ApplicationError(text, code, type=FailureType.MESSAGE_REJECTED)
