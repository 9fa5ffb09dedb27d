"""Verifies that a launch belongs to a signed start and its plan."""

import time
from dataclasses import replace

from temporalio import activity
from temporalio.client import Client

from activities.access.verifier import RequestVerifier, VerifiedStart, first_event
from contract.identifiers import LaunchIdParts, launch_id_parts, wave_workflow_id
from contract.launch import LaunchAnswer, LaunchRequest
from contract.wave import WaveInput
from recovery.access.approvals import Approval
from recovery.access.binding import (
    RequestedLaunch,
    is_answer,
    require_current,
    require_launch,
)
from recovery.access.grants import AccessCode, AccessRefusedError, Grant
from recovery.access.session_identity import SessionIdentity


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
        start, wave, wave_started = await self._start_of_wave(activity.client(), request, parts)
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
            wave_started=wave_started,
            retries=[self._verifier.verified(s) for s in wave.retried_by],
            approvals=[
                Approval(self._verifier.verified(each.signed), each.accepted_time)
                for each in wave.approved_by
            ],
        )
        require_launch(signed, start.grant, start.plan)
        identity = SessionIdentity.of(
            start.subject.plan_id, start.subject.execution_id, start.grant.actor
        )
        request = request.model_copy(update={"acting_for": identity})
        answer = request.answer
        if answer is None or self._is_signed(answer, launch, start):
            return request, start.grant
        # The launch stays in doubt, and an operator is asked again.
        request = request.model_copy(update={"answer": None, "possibly_sent": True})
        return request, start.grant

    async def _start_of_wave(
        self, client: Client, request: LaunchRequest, parts: LaunchIdParts
    ) -> tuple[VerifiedStart, WaveInput, float]:
        """The signed start of the plan whose workflow started this attempt of the wave.

        Returns:
            The start, with what the wave was started, and when (Temporal's time, in epoch seconds).
            Launches do not carry the approvals, because a thousand that wait for quota would be
            more than a launcher may hold.
        """
        workflow_id = wave_workflow_id(parts.execution_id, parts.wave_id, parts.attempt)
        if request.wave_workflow_id != workflow_id:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER,
                f"launch {request.launch_id} is not one of {request.wave_workflow_id}",
            )
        event = await first_event(client, workflow_id)
        started = event.workflow_execution_started_event_attributes
        parent = started.parent_workflow_execution
        if not parent.workflow_id:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, f"{workflow_id} was not started by the workflow of a plan"
            )
        start = await self._verifier.start_of(client, parent.workflow_id, parent.run_id)
        try:
            (wave,) = await client.data_converter.decode(started.input.payloads, [WaveInput])
        except (RuntimeError, TypeError, ValueError) as error:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, f"{workflow_id} is not the workflow of a wave"
            ) from error
        return start, wave, event.event_time.seconds

    def _is_signed(
        self, answer: LaunchAnswer, launch: RequestedLaunch, start: VerifiedStart
    ) -> bool:
        try:
            grant = self._verifier.verified(answer.signed)
            require_current(grant, now=time.time())
        except AccessRefusedError:
            return False
        return is_answer(grant, launch, start.plan, answer.job_id)
