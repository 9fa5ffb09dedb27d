"""Verifies operators' messages before they have an effect."""

import time

from temporalio import activity

from activities.access.verifier import RequestVerifier, report_refusal
from contract.execution import ReceivedMessage, ReceivedMessages
from recovery.access.binding import require_current, require_same
from recovery.access.grants import AccessRefusedError, MessageSubject, MessageVerdict


class MessageActivities:
    """The activity that verifies messages."""

    def __init__(self, verifier: RequestVerifier) -> None:
        self._verifier = verifier

    @activity.defn
    async def verify_messages(self, received: ReceivedMessages) -> list[MessageVerdict]:
        """Say of each message who signed it, or why it must have no effect."""
        return [self._verdict(received.execution_id, each) for each in received.messages]

    def _verdict(self, execution_id: str, message: ReceivedMessage) -> MessageVerdict:
        fields = message.fields
        asked = MessageSubject(execution_id=execution_id, name=message.name, fields=fields)
        try:
            grant = self._verifier.verified(message.signed)
            require_same(grant, asked, actor=str(fields.get("actor")))
            require_current(grant, now=time.time())
        except AccessRefusedError as refused:
            if not self._verifier.is_required:
                return MessageVerdict()
            report_refusal(f"the message {message.name[:100]}", refused, execution_id=execution_id)
            return MessageVerdict(refusal=refused.code, reason=str(refused))
        return MessageVerdict(
            verified_actor=grant.actor,
            nonce=grant.nonce,
            roles=grant.roles,
            break_glass=grant.break_glass,
        )
