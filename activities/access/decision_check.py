"""Verifies the decisions that a wave gets, so that a forged signal decides nothing."""

import time

from temporalio import activity

from activities.access.started_wave import StartedWave, started_wave
from activities.access.verifier import RequestVerifier
from contract.identifiers import plan_id_of
from contract.wave import WaveDecision
from recovery.access.audit import AuditAct, AuditEvent
from recovery.access.grants import AccessRefusedError
from recovery.access.step_binding import RequestedDecision, require_decision


class DecisionActivities:
    """The activity that verifies decisions of operators for the wave that applies them."""

    def __init__(self, verifier: RequestVerifier) -> None:
        self._verifier = verifier

    @activity.defn
    async def verify_decision(self, decision: WaveDecision) -> str:
        """Why a decision must have no effect on the wave that asks; "" if it may.

        Its plan's workflow took it in time; a wave may get it late, so its age does not matter.

        Raises:
            ApplicationError: retryable; Temporal did not answer.
        """
        if not self._verifier.is_required:
            return ""
        wave: StartedWave | None = None
        try:
            workflow_id = activity.info().workflow_id or ""
            wave = await started_wave(self._verifier, activity.client(), workflow_id)
            grant = self._verifier.verified(decision.signed)
            require_decision(grant, wave.start.subject, wave.start.plan, _asked(decision, wave))
        except AccessRefusedError as refused:
            self._verifier.report_refusal(_event(decision, wave), refused)
            return str(refused)
        return ""


def _asked(decision: WaveDecision, started: StartedWave) -> RequestedDecision:
    wave, answer = started.wave.wave, decision.answer
    if answer is None:
        return RequestedDecision(decision.name, wave.wave_id)
    step = next((s for _, s in wave.all_steps if s.step_id == answer.step_id), None)
    return RequestedDecision(
        decision.name,
        wave.wave_id,
        step_id=answer.step_id,
        manual=step.manual if step else None,
        author=(answer.actor, answer.reason),
        outputs=answer.outputs,
    )


def _event(decision: WaveDecision, wave: StartedWave | None) -> AuditEvent:
    """A decision that is refused, by whom it says."""
    event = AuditEvent(
        time=time.time(), act=AuditAct.MESSAGE, accepted=False, message=decision.name
    )
    if decision.answer is not None:
        event.step_id, event.actor = decision.answer.step_id, decision.answer.actor
    if wave is not None:
        event.execution_id, event.wave_id = wave.wave.execution_id, wave.wave.wave.wave_id
        event.plan_id = plan_id_of(wave.wave.execution_id)
    return event
