"""Verifies that changes of launch settings belong to a signed request and its plan."""

import time
from collections.abc import Sequence

from temporalio import activity

from activities.access.verifier import RequestVerifier, first_event
from contract.launch_settings.apply import ApplyRequest, PrepareRequest, StartApply
from recovery.access.binding import require_current, require_same
from recovery.access.grants import AccessCode, AccessRefusedError, Grant
from recovery.launch_settings.report import WantedServer, wanted_servers


class SettingsCheck:
    """Verifies changes of launch settings before they are made."""

    def __init__(self, verifier: RequestVerifier) -> None:
        self._verifier = verifier

    async def allowed(
        self, request: PrepareRequest | ApplyRequest, servers: Sequence[WantedServer]
    ) -> Grant:
        """The signed request that a change belongs to, as the start of its workflow has it.

        Raises:
            AccessRefusedError: it is not signed, or is not what was signed.
            ApplicationError: retryable; Temporal did not answer.
        """
        info, client = activity.info(), activity.client()
        if info.workflow_type != "LaunchSettingsWorkflow" or info.workflow_id is None:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, "it was not requested by the workflow that applies them"
            )
        first = await first_event(client, info.workflow_id, info.workflow_run_id)
        event = first.workflow_execution_started_event_attributes
        try:
            (start,) = await client.data_converter.decode(event.input.payloads, [StartApply])
        except (RuntimeError, TypeError, ValueError) as error:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, f"the start of {info.workflow_id} cannot be read"
            ) from error
        grant = self._verifier.verified(start.signed)
        require_same(grant, start.subject, actor=start.actor)
        require_current(grant, now=time.time())
        if (request.apply_id, request.actor) != (start.apply_id, grant.actor):
            raise AccessRefusedError(
                AccessCode.OTHER_CONTENT, f"it is not the request that {grant.actor} signed"
            )
        named = wanted_servers(start.plan).get(request.target, [])
        if any(each not in named for each in servers):
            raise AccessRefusedError(
                AccessCode.OTHER_SERVERS, f"the plan that {grant.actor} signed wants other settings"
            )
        return grant
