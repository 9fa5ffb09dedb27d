"""Verifies that a step belongs to a signed start and its plan."""

from temporalio import activity

from activities.access.started_wave import started_wave
from activities.access.verifier import RequestVerifier
from contract.identifiers import step_attempt_id, wave_workflow_id
from contract.steps import StepCall
from recovery.access.grants import AccessCode, AccessRefusedError, Grant
from recovery.access.session_identity import SessionIdentity
from recovery.access.step_binding import RequestedStep, require_step


class StepCheck:
    """Verifies steps before they begin."""

    def __init__(self, verifier: RequestVerifier) -> None:
        self._verifier = verifier

    async def allowed(self, call: StepCall) -> tuple[StepCall, Grant]:
        """The step for the actor who signed the start.

        Returns:
            The step, and the signed start.

        Raises:
            AccessRefusedError: it must not run.
            ApplicationError: retryable; Temporal did not answer.
        """
        info = activity.info()
        workflow_id = info.workflow_id or ""
        if info.workflow_type != "WaveWorkflow" or call.wave_workflow_id != workflow_id:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, "it was not requested by the workflow of its wave"
            )
        started = await started_wave(self._verifier, activity.client(), workflow_id)
        start, wave = started.start, started.wave
        if workflow_id != wave_workflow_id(call.execution_id, call.wave_id, wave.attempt):
            raise AccessRefusedError(AccessCode.OTHER_CALLER, f"it is not a step of {workflow_id}")
        takeover = start.subject.takeover
        _require_attempt_id(call, takeover.execution_id if takeover else None)
        earlier = wave.earlier_steps if takeover else []
        asked = RequestedStep(
            execution_id=call.execution_id,
            execution_type=call.execution_type,
            wave_id=call.wave_id,
            phase=call.phase,
            step=call.step,
            attempt=call.attempt,
            target=call.target,
            server_ids=call.server_ids,
            servers=[(each.source_server_id, each.target) for each in call.servers],
            earlier_attempts=max(
                (each.attempt for each in earlier if each.step_id == call.step.step_id), default=0
            ),
            messages=[self._verifier.verified(s) for s in (*wave.retried_by, *call.decided_by)],
            approvals=started.approvals(self._verifier),
            wave_started=started.time,
        )
        require_step(asked, start.grant, start.plan)
        identity = SessionIdentity.of(
            start.subject.plan_id, start.subject.execution_id, start.grant.actor
        )
        return call.model_copy(update={"acting_for": identity}), start.grant


def _require_attempt_id(call: StepCall, earlier_execution_id: str | None) -> None:
    """Refuse an attempt with another ID, because what was begun would begin again.

    Raises:
        AccessRefusedError: it is neither of this execution nor of the one that is taken over.
    """
    wave_id, step_id = call.wave_id, call.step.step_id
    if call.attempt_id == step_attempt_id(call.execution_id, wave_id, step_id, call.attempt):
        return
    # What an earlier execution left running is only looked up.
    is_earlier = earlier_execution_id is not None and call.attempt_id == step_attempt_id(
        earlier_execution_id, wave_id, step_id, call.attempt
    )
    if not (is_earlier and call.possibly_sent):
        raise AccessRefusedError(AccessCode.MALFORMED, "its step attempt ID is another one")
