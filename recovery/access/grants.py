"""Grants: what a signature allows, who asked for it, and until when.

A signature covers the text of a grant exactly as it is sent. Times are epoch seconds.
"""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from recovery.base_model import Model, StrictModel
from recovery.execution.state import ExecutionType
from recovery.schedule.model import SkipIf

DAY_SECONDS = 86_400.0
# From a message's signature until a worker verifies it: a worker may be away for a while.
MESSAGE_SECONDS = 3600.0


class AccessCode(StrEnum):
    """Why a request is refused."""

    NOT_SIGNED = "NOT_SIGNED"
    MALFORMED = "MALFORMED"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    WRONG_SIGNATURE = "WRONG_SIGNATURE"
    WRONG_KEY_USE = "WRONG_KEY_USE"
    """A break-glass key without a reason, or another key with one."""
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    REPLAYED = "REPLAYED"
    REVOKED = "REVOKED"
    """The signature of a schedule that somebody revoked."""
    NOT_SCHEDULED = "NOT_SCHEDULED"
    """A drill that its registered plan, or a freeze window, forbade when it began."""
    OTHER_KIND = "OTHER_KIND"
    OTHER_EXECUTION = "OTHER_EXECUTION"
    OTHER_PLAN = "OTHER_PLAN"
    OTHER_ACTOR = "OTHER_ACTOR"
    OTHER_CONTENT = "OTHER_CONTENT"
    OTHER_CALLER = "OTHER_CALLER"
    """It does not come from the workflow that makes such requests."""
    OTHER_WAVE = "OTHER_WAVE"
    OTHER_TARGET = "OTHER_TARGET"
    OTHER_SERVERS = "OTHER_SERVERS"
    RELAUNCH_NOT_SIGNED = "RELAUNCH_NOT_SIGNED"
    ATTEMPT_NOT_SIGNED = "ATTEMPT_NOT_SIGNED"
    APPROVAL_NOT_SIGNED = "APPROVAL_NOT_SIGNED"
    DECISION_NOT_SIGNED = "DECISION_NOT_SIGNED"
    """A manual step before it was not completed by a signed message."""
    OTHER_INSTANCE = "OTHER_INSTANCE"
    """DRS does not have the instance as the server's, of this kind of execution."""
    NOT_ALLOWED = "NOT_ALLOWED"
    """The worker's allow-list does not have what a step uses."""


class AccessRefusedError(Exception):
    """A request is refused; the text says why and what to do."""

    def __init__(self, code: AccessCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class Algorithm(StrEnum):
    """How a grant is signed."""

    ED25519 = "Ed25519"
    ECDSA_P256 = "ECDSA_P256_SHA256"


class SignedTakeover(Model):
    """An earlier execution that a start takes over, and its start."""

    execution_id: str
    since: float


class StartSubject(Model):
    """The start of an execution.

    Attributes:
        declared_time: when the disaster or the exercise was declared; None if that is not said.
        points_hash: of the snapshots that were chosen for a point in time; None without one.
        relaunch: servers that may be launched although this destroys a live recovery instance.
    """

    kind: Literal["START"] = "START"
    execution_id: str
    plan_id: str
    plan_hash: str
    points_hash: str | None = None
    execution_type: ExecutionType
    start_time: float
    declared_time: float | None = None
    relaunch: list[str] = []
    takeover: SignedTakeover | None = None


class MessageSubject(Model):
    """An operator's message.

    Attributes:
        fields: its whole input, as it is sent.
    """

    kind: Literal["MESSAGE"] = "MESSAGE"
    execution_id: str
    name: str
    fields: dict[str, Any]


class CleanupSubject(Model):
    """The clean-up after an execution.

    Attributes:
        after_seconds: how long after the execution's end.
        confirmation: the PlanId; without it only a drill's instances are terminated.
    """

    kind: Literal["CLEANUP"] = "CLEANUP"
    execution_id: str
    plan_id: str
    after_seconds: float = 0.0
    confirmation: str | None = None


class RevertSubject(Model):
    """Putting back what a step replaced.

    Attributes:
        step: `WAVE/STEP`.
        place: where it is.
        now: what was there when it was confirmed.
        was: what is put back.
        is_forced: also if `now` is not what the step set.
    """

    kind: Literal["REVERT"] = "REVERT"
    execution_id: str
    plan_id: str
    step: str
    place: str
    now: JsonValue
    was: JsonValue
    is_forced: bool


class LaunchSettingsSubject(Model):
    """Applying a plan's launch settings.

    Attributes:
        apply_id: of this one act.
        confirmation: the PlanId, typed.
    """

    kind: Literal["LAUNCH_SETTINGS"] = "LAUNCH_SETTINGS"
    apply_id: str
    plan_id: str
    plan_hash: str
    confirmation: str | None = None

    @property
    def execution_id(self) -> str:
        """It belongs to no execution; where one is named, its own ID is."""
        return self.apply_id


class ScheduleSubject(Model):
    """The drills that a plan's schedule starts, each with its clean-up.

    Attributes:
        cron: when one may start, in its time zone.
        skip_if: what skips one.
        announce_seconds: from that time until it starts.
        cleanup_seconds: from the end of a drill until its clean-up.
    """

    kind: Literal["SCHEDULE"] = "SCHEDULE"
    plan_id: str
    plan_hash: str
    cron: str
    time_zone: str
    skip_if: SkipIf | None = None
    announce_seconds: float
    cleanup_seconds: float

    @property
    def execution_id(self) -> str:
        """It belongs to no execution; where one is named, its plan is."""
        return self.plan_id


AnySubject = (
    StartSubject
    | MessageSubject
    | CleanupSubject
    | RevertSubject
    | LaunchSettingsSubject
    | ScheduleSubject
)
Subject = Annotated[AnySubject, Field(discriminator="kind")]


class Grant(StrictModel):
    """What is signed: a subject, and who asked for it.

    Attributes:
        kid: the ID of the key.
        nonce: unique; a message has its effect once.
        roles: of the actor, when it was signed.
        break_glass: the reason for signing with an offline key; None for any other key.
    """

    kid: str
    algorithm: Algorithm
    issued_time: float
    expires_time: float
    nonce: str
    actor: str
    roles: list[str] = []
    break_glass: str | None = None
    subject: Subject

    @property
    def signed_text(self) -> str:
        """The text that is signed: its JSON, with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


class SignedRequest(Model):
    """A signed grant, as it is sent.

    Attributes:
        payload: the grant's text.
        signature: of `signed_bytes`, in base64.
    """

    payload: str
    signature: str

    @property
    def signed_bytes(self) -> bytes:
        """What is signed: the SHA-256 of the text, for KMS takes no message above 4 KB."""
        return signed_bytes(self.payload)

    def grant(self) -> Grant:
        """The grant, whose signature is not verified here.

        Raises:
            AccessRefusedError: it is malformed.
        """
        try:
            return Grant.model_validate_json(self.payload)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise AccessRefusedError(
                AccessCode.MALFORMED, f"the signed request cannot be read: {place}: {first['msg']}"
            ) from None


class SignedApproval(Model):
    """A signed approval, and when the plan's workflow accepted it (epoch seconds)."""

    signed: SignedRequest
    accepted_time: float


class MessageVerdict(Model):
    """What a worker says of a message's signature.

    Attributes:
        verified_actor: who signed it; None if that is not verified.
        refusal: why it must have no effect; None if it may have one.
        reason: the refusal's text.
        nonce: of its signature.
        roles: of the actor, by its signature.
        break_glass: the reason for signing it with an offline key.
    """

    verified_actor: str | None = None
    refusal: AccessCode | None = None
    reason: str = ""
    nonce: str | None = None
    roles: list[str] = []
    break_glass: str | None = None


def signed_bytes(text: str) -> bytes:
    """The bytes to sign for a grant's text."""
    return hashlib.sha256(text.encode()).digest()
