"""Verifies operators' messages before they have an effect, and writes each to the audit log."""

import time

from temporalio import activity

from activities.access.audit_events import message_event
from activities.access.verifier import RequestVerifier
from contract.execution import ReceivedMessage, ReceivedMessages
from recovery.access.binding import require_current, require_same
from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    Grant,
    MessageSubject,
    MessageVerdict,
)
from recovery.execution.state import MessageRecord, RefusalCode
from recovery.operator.messages import MessageName


class MessageActivities:
    """The activity that verifies messages, and what the workflow tells the audit log of them."""

    def __init__(self, verifier: RequestVerifier) -> None:
        self._verifier = verifier

    @activity.defn
    async def verify_messages(self, received: ReceivedMessages) -> list[MessageVerdict]:
        """Say of each message who signed it, or why it must have no effect."""
        return [self._verdict(received.execution_id, each) for each in received.messages]

    def audit(self, execution_id: str, message: ReceivedMessage, record: MessageRecord) -> None:
        """Write a message that a workflow of this worker has recorded to the audit log.

        Who sent it is verified here again: anyone who writes to the namespace may answer for
        `verify_messages`, or send a copy of a message.
        """
        grant: Grant | None = None
        refusal: AccessCode | RefusalCode | None = record.refusal
        try:
            grant = self._grant(execution_id, message)
        except AccessRefusedError as refused:
            refusal = refused.code if refusal is RefusalCode.NOT_AUTHORIZED else refusal
        if not record.actor_verified:
            # It has expired, or is a copy, or the execution verifies no messages.
            grant = None
        self._verifier.audit.write(message_event(execution_id, record, grant, refusal))

    def _grant(self, execution_id: str, message: ReceivedMessage) -> Grant:
        fields = message.fields
        asked = MessageSubject(execution_id=execution_id, name=message.name, fields=fields)
        grant = self._verifier.verified(message.signed)
        require_same(grant, asked, actor=str(fields.get("actor")))
        is_known = message.name in list(MessageName)
        if is_known and MessageName(message.name).is_about_a_step and fields.get("step") is None:
            raise AccessRefusedError(
                AccessCode.OTHER_CONTENT,
                "it names no step, so its signature would fit any step of the wave; name it",
            )
        return grant

    def _verdict(self, execution_id: str, message: ReceivedMessage) -> MessageVerdict:
        try:
            grant = self._grant(execution_id, message)
            require_current(grant, now=time.time())
        except AccessRefusedError as refused:
            if not self._verifier.is_required:
                return MessageVerdict()
            return MessageVerdict(refusal=refused.code, reason=str(refused))
        return MessageVerdict(
            verified_actor=grant.actor,
            nonce=grant.nonce,
            roles=grant.roles,
            break_glass=grant.break_glass,
        )
