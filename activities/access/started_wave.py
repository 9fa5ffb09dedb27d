"""How a wave's workflow was started, as its launches and steps must be."""

from dataclasses import dataclass

from temporalio.client import Client

from activities.access.verifier import RequestVerifier, VerifiedStart, first_event
from contract.wave import WaveInput
from recovery.access.approvals import Approval
from recovery.access.grants import AccessCode, AccessRefusedError


@dataclass(frozen=True)
class StartedWave:
    """The start of a wave's workflow.

    Attributes:
        start: the signed start of its plan.
        wave: what it was started with, which no message changes.
        time: when, by Temporal (epoch seconds).
    """

    start: VerifiedStart
    wave: WaveInput
    time: float

    def approvals(self, verifier: RequestVerifier) -> list[Approval]:
        """The approvals that it was started with; each was valid when its plan accepted it.

        Raises:
            AccessRefusedError: one is not signed by a key of this worker.
        """
        return [
            Approval(verifier.verified(each.signed), each.accepted_time)
            for each in self.wave.approved_by
        ]


async def started_wave(verifier: RequestVerifier, client: Client, workflow_id: str) -> StartedWave:
    """The start of a wave's workflow, and the signed start of the plan that started it.

    Launches and steps do not carry the approvals, because a thousand that wait would be more than a
    workflow may hold.

    Raises:
        AccessRefusedError: it was not started by the workflow of a signed plan.
        ApplicationError: retryable; Temporal did not answer.
    """
    event = await first_event(client, workflow_id)
    started = event.workflow_execution_started_event_attributes
    parent = started.parent_workflow_execution
    if not parent.workflow_id:
        raise AccessRefusedError(
            AccessCode.OTHER_CALLER, f"{workflow_id} was not started by the workflow of a plan"
        )
    start = await verifier.start_of(client, parent.workflow_id, parent.run_id)
    try:
        (wave,) = await client.data_converter.decode(started.input.payloads, [WaveInput])
    except (RuntimeError, TypeError, ValueError) as error:
        raise AccessRefusedError(
            AccessCode.OTHER_CALLER, f"{workflow_id} is not the workflow of a wave"
        ) from error
    return StartedWave(start, wave, event.event_time.seconds)
