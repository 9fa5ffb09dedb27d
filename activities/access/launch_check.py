"""Verifies that a launch belongs to a signed start and its plan."""

import time
from dataclasses import replace

from temporalio import activity

from activities.access.started_wave import started_wave
from activities.access.verifier import RequestVerifier, VerifiedStart
from contract.identifiers import launch_id_parts, wave_workflow_id
from contract.launch import LaunchAnswer, LaunchRequest
from recovery.access.binding import (
    RequestedLaunch,
    is_answer,
    require_current,
    require_launch,
)
from recovery.access.grants import AccessCode, AccessRefusedError, Grant
from recovery.access.session_identity import SessionIdentity
from recovery.launch_settings.resolve import drill_settings_in, drill_subnets
from recovery.plan.model import RecoveryPlan


def _isolation(request: LaunchRequest, plan: RecoveryPlan, wave_id: str) -> dict[str, object]:
    """How the signed plan isolates the servers of a launch, whatever the launch says."""
    if not request.is_drill:
        return {"drill_settings": {}, "drill_subnets": sorted(drill_subnets(plan))}
    isolated = drill_settings_in(plan.drill_launch_settings, plan.wave(wave_id))
    own = {i: isolated[i] for i in request.server_ids if i in isolated}
    return {"drill_settings": own, "drill_subnets": []}


class LaunchCheck:
    """Verifies launches before they are sent."""

    def __init__(self, verifier: RequestVerifier) -> None:
        self._verifier = verifier

    async def allowed(self, request: LaunchRequest) -> tuple[LaunchRequest, Grant]:
        """The launch as far as it is signed: for its actor, without an answer that nobody signed.

        Returns:
            The launch, and the signed start.

        Raises:
            AccessRefusedError: it must not be launched.
            ApplicationError: retryable; Temporal did not answer.
        """
        if activity.info().workflow_type != "LauncherWorkflow":
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, "it was not requested by the launcher of its account"
            )
        parts = launch_id_parts(request.launch_id)
        if parts is None:
            raise AccessRefusedError(AccessCode.MALFORMED, "its launch ID is not one of ours")
        workflow_id = wave_workflow_id(parts.execution_id, parts.wave_id, parts.attempt)
        if request.wave_workflow_id != workflow_id:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER,
                f"launch {request.launch_id} is not one of {request.wave_workflow_id}",
            )
        started = await started_wave(self._verifier, activity.client(), workflow_id)
        start, wave = started.start, started.wave
        launch = RequestedLaunch(
            execution_id=parts.execution_id,
            wave_id=parts.wave_id,
            attempt=parts.attempt,
            number=parts.number,
            target=request.target,
            servers=request.servers,
            is_drill=request.is_drill,
            since=request.since,
            relaunch=request.relaunch,
        )
        # Each was valid when the plan's workflow accepted it.
        signed = replace(
            launch,
            wave_started=started.time,
            retries=[self._verifier.verified(s) for s in wave.retried_by],
            approvals=started.approvals(self._verifier),
        )
        require_launch(signed, start.grant, start.plan)
        identity = SessionIdentity.of(
            start.subject.plan_id, start.subject.execution_id, start.grant.actor
        )
        request = request.model_copy(
            update={"acting_for": identity, **_isolation(request, start.plan, parts.wave_id)}
        )
        answer = request.answer
        if answer is None or self._is_signed(answer, launch, start):
            return request, start.grant
        # The launch stays in doubt, and an operator is asked again.
        request = request.model_copy(update={"answer": None, "possibly_sent": True})
        return request, start.grant

    def _is_signed(
        self, answer: LaunchAnswer, launch: RequestedLaunch, start: VerifiedStart
    ) -> bool:
        try:
            grant = self._verifier.verified(answer.signed)
            require_current(grant, now=time.time())
        except AccessRefusedError:
            return False
        return is_answer(grant, launch, start.plan, answer.job_id)
