"""What a worker says of a message's signature, required or not."""

import json
from pathlib import Path

import pytest

from activities.access.message_activities import MessageActivities
from activities.access.verifier import RequestVerifier
from contract.execution import ReceivedMessage, ReceivedMessages
from recovery.access.audit import AuditPlace
from recovery.access.grants import AccessCode, MessageSubject, MessageVerdict
from recovery.execution.state import MessageRecord, RefusalCode
from security.audit_log import AuditFile, AuditLog
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


async def test_the_audit_log_names_a_sender_only_by_a_signature_that_this_worker_verifies(
    tmp_path: Path,
) -> None:
    """Anyone who writes to the namespace may answer for the activity, and send copies."""
    path, file = private_key(tmp_path), tmp_path / "audit.jsonl"
    settings = Settings(request_keys=str(key_file(tmp_path, trusted(path))))
    log = AuditLog(AuditPlace.WORKER, AuditFile(str(file)))
    activities = MessageActivities(RequestVerifier(settings, log))
    subject = MessageSubject(execution_id="crm-1", name="pause", fields=FIELDS)
    request = await RequestSigner(KeyFile(path)).sign(subject, actor="ops", valid_seconds=60)
    signed = ReceivedMessage(name="pause", fields=FIELDS, signed=request)
    claimed = MessageRecord(
        name="pause", actor="ops", actor_verified=True, time=0, accepted=True, effect="paused"
    )
    copy = claimed.model_copy(update={"actor_verified": False})
    unsigned = claimed.model_copy(update={"accepted": False, "refusal": RefusalCode.NOT_AUTHORIZED})
    activities.audit("crm-1", signed, claimed)
    activities.audit("crm-1", ReceivedMessage(name="pause", fields=FIELDS), claimed)
    activities.audit("crm-1", signed, copy)
    activities.audit("crm-2", signed, unsigned)
    log.close()
    _, *found, _ = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(e["Accepted"], e["ActorVerified"], e.get("Refusal")) for e in found] == [
        (True, True, None),
        (True, False, None),
        (True, False, None),
        (False, False, "OTHER_EXECUTION"),
    ]
    assert [e["Proof"] for e in found] == ["SIGNATURE", "NONE", "NONE", "NONE"]
