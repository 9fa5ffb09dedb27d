"""Audit events: who did, or was refused, what; of a flood of equal refusals only how many.

Times are epoch seconds.
"""

from collections.abc import Iterator
from enum import StrEnum

from recovery.access.grants import Grant
from recovery.base_model import Model
from recovery.text_format import shortened

# Of equal refusals within a window, so many are events of their own.
EACH_REFUSAL = 10
WINDOW_SECONDS = 60.0
# Refusals of more groups at a time, such as from many addresses, are one group.
_MAX_GROUPS = 1000
_MAX_BYTES = 1000


class AuditAct(StrEnum):
    """What was done, or refused."""

    START = "START"
    MESSAGE = "MESSAGE"
    CANCEL = "CANCEL"
    CLEANUP = "CLEANUP"
    REGISTER = "REGISTER"
    SIGN_IN = "SIGN_IN"
    """On a page; and each token of a request that is refused."""
    SIGN_OUT = "SIGN_OUT"
    LAUNCH = "LAUNCH"
    RELAUNCH = "RELAUNCH"
    """A launch that may destroy a live recovery instance."""
    TERMINATE = "TERMINATE"
    STEP = "STEP"
    """The start of a step that acts, or its stop."""
    REVERT = "REVERT"
    """What a step replaced, put back."""
    LAUNCH_SETTINGS = "LAUNCH_SETTINGS"
    """A plan's launch settings, applied to DRS and EC2."""
    DECLARE = "DECLARE"
    """When the disaster or the exercise was declared, recorded after the start."""
    ACTION_ITEM = "ACTION_ITEM"
    """What is to be done after an execution, added or closed."""
    LOG_OPENED = "LOG_OPENED"
    LOG_CLOSED = "LOG_CLOSED"
    EVENTS_LOST = "EVENTS_LOST"
    """So many events could not be written."""


class Proof(StrEnum):
    """What proves who the actor is."""

    STATIC_TOKEN = "STATIC_TOKEN"
    OIDC = "OIDC"
    SIGNATURE = "SIGNATURE"
    BREAK_GLASS = "BREAK_GLASS"
    """The signature of an offline key."""
    NONE = "NONE"
    """The actor is as somebody named it."""


class AuditPlace(StrEnum):
    """What writes events."""

    API = "api"
    WORKER = "worker"


class AuditWriter(Model):
    """The process that wrote an event.

    Attributes:
        id: unique, because process IDs are used again.
    """

    place: AuditPlace
    host: str
    pid: int
    id: str


class AuditEvent(Model):
    """An act that was accepted or refused.

    Attributes:
        text: its effect, or why it was refused.
        actor: who acted; "unknown" where nobody is named.
        actor_verified: whether the signature or the token of the actor was checked here.
        kid: the ID of the key of the signature.
        break_glass: the reason for signing with an offline key.
        address: of the API's client.
        message: the name of an operator's message.
        request_id: the nonce of the signed request.
        attempt_id: the step attempt ID, by which a step's effect is found.
        subject_ids: the servers that are launched, the instances that are terminated or that a
            step is for.
        count: how many equal refusals the event stands for, instead of an event each.
        first_time: of these.
        last_time: of these.
        writer: set, with the sequence, when the event is written.
        sequence: counts the events of a writer, so that a missing one shows.
    """

    time: float
    act: AuditAct
    accepted: bool
    refusal: str | None = None
    text: str | None = None
    actor: str = "unknown"
    actor_verified: bool = False
    proof: Proof = Proof.NONE
    kid: str | None = None
    break_glass: str | None = None
    address: str | None = None
    plan_id: str | None = None
    execution_id: str | None = None
    wave_id: str | None = None
    message: str | None = None
    launch_id: str | None = None
    step_id: str | None = None
    attempt_id: str | None = None
    request_id: str | None = None
    subject_ids: list[str] | None = None
    count: int | None = None
    first_time: float | None = None
    last_time: float | None = None
    writer: AuditWriter | None = None
    sequence: int | None = None

    def signed_by(self, grant: Grant | None) -> "AuditEvent":
        """The event, with the actor of a verified signature; unchanged without one."""
        if grant is None:
            return self
        return self.model_copy(
            update={
                "actor": grant.actor,
                "actor_verified": True,
                "proof": Proof.SIGNATURE if grant.break_glass is None else Proof.BREAK_GLASS,
                "kid": grant.kid,
                "break_glass": grant.break_glass,
                "request_id": grant.nonce,
            }
        )

    @property
    def line(self) -> str:
        """Its JSON, in one line; texts, which others chose, are shortened."""
        short = {
            name: shortened(value, max_bytes=_MAX_BYTES)
            for name, value in self
            if isinstance(value, str) and not isinstance(value, StrEnum)
        }
        return self.model_copy(update=short).model_dump_json(exclude_none=True)


_Key = tuple[str, ...]


class RefusalGroups:
    """Groups equal refusals, so that a flood of them is a few events with a count.

    Equal are refusals of one act for one reason to one verified actor, or else from one address
    or to one execution: whom a request names without proof does not count.
    """

    def __init__(self) -> None:
        # By group: the end of its window, how many came in it, and what stands for the rest.
        self._groups: dict[_Key, tuple[float, int, AuditEvent | None]] = {}

    def take(self, event: AuditEvent) -> Iterator[AuditEvent]:
        """The events to write now that this one came."""
        yield from self.ended(event.time)
        if event.accepted:
            yield event
            return
        key = _key(event)
        if key not in self._groups and len(self._groups) >= _MAX_GROUPS:
            key = (event.act, "others")
        end, seen, rest = self._groups.get(key, (event.time + WINDOW_SECONDS, 0, None))
        if seen < EACH_REFUSAL:
            yield event
        else:
            first = event.time if rest is None or rest.first_time is None else rest.first_time
            rest = event.model_copy(
                update={
                    "count": seen + 1 - EACH_REFUSAL,
                    "first_time": first,
                    "last_time": event.time,
                }
            )
        self._groups[key] = (end, seen + 1, rest)

    def ended(self, now: float) -> Iterator[AuditEvent]:
        """The summaries of the windows that have ended."""
        # They are in the order of their ends; a clock that was set back ends them too.
        while self._groups:
            key, (end, _, rest) = next(iter(self._groups.items()))
            if end - WINDOW_SECONDS <= now < end:
                return
            del self._groups[key]
            if rest is not None:
                yield rest.model_copy(update={"time": now})

    @property
    def next_end(self) -> float | None:
        """When the next window ends; None if there is none."""
        return next((end for end, _, _ in self._groups.values()), None)


def _key(event: AuditEvent) -> _Key:
    who = event.actor if event.actor_verified else event.address or event.execution_id or ""
    return event.act, str(event.actor_verified), who, event.refusal or ""
