"""What a worker says of a message's signature, required or not."""

from pathlib import Path

import pytest

from activities.access.message_activities import MessageActivities
from activities.access.verifier import RequestVerifier
from contract.execution import ReceivedMessage, ReceivedMessages
from recovery.access.grants import AccessCode, MessageSubject, MessageVerdict
from security.signers import KeyFile, RequestSigner
from settings import Settings
from tests.security.keys import key_file, private_key, trusted

FIELDS = {"actor": "ops", "reason": "wait"}


async def verdict(settings: Settings, message: ReceivedMessage) -> MessageVerdict:
    """The verdict about one message of an execution."""
    activities = MessageActivities(RequestVerifier(settings))
    received = ReceivedMessages(execution_id="crm-1", messages=[message])
    (found,) = await activities.verify_messages(received)
    return found


@pytest.mark.parametrize("is_required", [False, True])
async def test_a_signature_names_the_actor_and_without_one_nothing_is_verified(
    tmp_path: Path, is_required: bool
) -> None:
    path = private_key(tmp_path)
    settings = Settings().model_copy(
        update={
            "require_signed_requests": is_required,
            "request_keys": str(key_file(tmp_path, trusted(path))),
        }
    )
    subject = MessageSubject(execution_id="crm-1", name="pause", fields=FIELDS)
    request = await RequestSigner(KeyFile(path)).sign(subject, actor="ops", valid_seconds=60)
    signed = ReceivedMessage(name="pause", fields=FIELDS, signed=request)
    found = await verdict(settings, signed)
    assert (found.verified_actor, found.refusal) == ("ops", None)
    expired = await RequestSigner(KeyFile(path)).sign(subject, actor="ops", valid_seconds=-1)
    for forged, code in (
        ({"signed": None}, AccessCode.NOT_SIGNED),
        ({"signed": expired}, AccessCode.EXPIRED),
        ({"name": "resume"}, AccessCode.OTHER_CONTENT),
        ({"fields": FIELDS | {"actor": "boss"}}, AccessCode.OTHER_CONTENT),
    ):
        found = await verdict(settings, signed.model_copy(update=forged))
        assert (found.verified_actor, found.nonce) == (None, None)
        assert found.refusal == (code if is_required else None)


async def test_without_keys_a_signed_message_has_its_effect_and_is_not_verified() -> None:
    message = ReceivedMessage(name="pause", fields=FIELDS)
    assert await verdict(Settings(), message) == MessageVerdict()
