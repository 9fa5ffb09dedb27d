"""Operators' decisions about a wave: in a signed execution each is verified before it counts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.access.decision_check import DecisionActivities
    from activities.heartbeat import heartbeat_timeout
    from contract.steps import StepAnswer
    from contract.wave import AcceptLaunch, WaveDecision, WaveInput
    from recovery.operator.messages import MessageName
    from recovery.operator.step_rules import DECISIONS
    from workflows.activity_options import READ_RETRY

_NAMES = {decision: name for name, decision in DECISIONS.items()}


class WaveDecisions:
    """Applies decisions once they are verified: anyone can signal the wave's workflow.

    A copy of a signed decision decides nothing a second time, also in a later attempt of its wave.
    """

    def __init__(
        self,
        start: WaveInput,
        *,
        on_answer: Callable[[StepAnswer], None],
        on_accepted: Callable[[], None],
    ) -> None:
        self._is_signed = start.is_signed
        self._on_answer = on_answer
        self._on_accepted = on_accepted
        # What began this attempt, or an earlier one, had its effect then.
        self._used = [each.payload for each in start.retried_by]
        self._verifying: set[asyncio.Task[None]] = set()

    def answer_step(self, answer: StepAnswer) -> None:
        """Apply a decision about a step."""
        decision = WaveDecision(name=_NAMES[answer.decision], answer=answer, signed=answer.signed)
        self._apply(decision, lambda: self._on_answer(answer))

    def accept_launch(self, accepted: AcceptLaunch) -> None:
        """Apply the acceptance of what is up."""
        decision = WaveDecision(name=MessageName.ACCEPT_WAVE, signed=accepted.signed)
        self._apply(decision, self._on_accepted)

    def _apply(self, decision: WaveDecision, apply: Callable[[], None]) -> None:
        if not self._is_signed:
            apply()
            return
        task = asyncio.create_task(self._apply_verified(decision, apply))
        self._verifying.add(task)
        task.add_done_callback(self._verifying.discard)

    async def _apply_verified(self, decision: WaveDecision, apply: Callable[[], None]) -> None:
        refusal = await workflow.execute_activity_method(
            DecisionActivities.verify_decision,
            decision,
            summary=f"Verify who sent {decision.name}",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        payload = decision.signed.payload if decision.signed else ""
        if refusal or (payload and payload in self._used):
            workflow.logger.warning("%s is ignored: %s", decision.name, refusal or "a copy")
            return
        self._used.append(payload)
        apply()
