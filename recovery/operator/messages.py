"""Operators' messages: read in any usual form, rejected with the reason, never a crash."""

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from recovery.execution.state import RefusalCode

MAX_CHARACTERS = 500
MAX_EXPIRY_SECONDS = 30 * 86_400.0


class MessageName(StrEnum):
    """The names of the messages, each a signal and an update."""

    SKIP_WAVE = "skip_wave"
    ACCEPT_WAVE = "accept_wave"
    CANCEL_WAVE = "cancel_wave"
    RETRY_WAVE = "retry_wave"
    APPROVE_WAVE = "approve_wave"
    PAUSE = "pause"
    RESUME = "resume"
    ADOPT_JOB = "adopt_job"
    LAUNCH_ANYWAY = "launch_anyway"

    @property
    def is_about_a_wave(self) -> bool:
        """Whether the message is about one wave."""
        return self not in (MessageName.PAUSE, MessageName.RESUME)

    @property
    def is_launch_answer(self) -> bool:
        """Whether the message answers if DRS has the job of a launch in doubt."""
        return self in (MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY)


class MessageRejected(Exception):
    """A rejected message; the text says why and what to do."""

    def __init__(self, text: str, code: RefusalCode = RefusalCode.MALFORMED) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class OperatorMessage:
    """An operator's message.

    Attributes:
        execution_id: the execution that it is for; None for the running one.
        client: our client that sent it and verified the actor; None for the
            `temporal` CLI.
        expires_in_seconds: how long an approval is valid.
        job: the DRS job to adopt.
        launch: the launch ID that an answer about a launch in doubt is for; None if only one
            of the wave's is.
    """

    name: MessageName
    wave: str | None = None
    reason: str = ""
    actor: str = "unknown"
    execution_id: str | None = None
    client: str | None = None
    cascade: bool = False
    approve: bool = True
    expires_in_seconds: float | None = None
    job: str | None = None
    launch: str | None = None

    def as_input(self) -> dict[str, Any]:
        """The input that `read_message` reads back."""
        fields = {
            "wave": self.wave,
            "reason": self.reason,
            "actor": self.actor,
            "ExecutionId": self.execution_id,
            "client": self.client,
            "cascade": self.cascade or None,
            "approve": None if self.approve else False,
            "expires_in_seconds": self.expires_in_seconds,
            "job": self.job,
            "launch": self.launch,
        }
        return {key: value for key, value in fields.items() if value is not None}


# By key without case, "_" and "-", because operators type these under stress.
_TEXTS = {
    "wave": "wave",
    "waveid": "wave",
    "reason": "reason",
    "actor": "actor",
    "executionid": "execution_id",
    "client": "client",
}
_FLAGS = {"cascade": MessageName.SKIP_WAVE, "approve": MessageName.APPROVE_WAVE}
_KEYS = ("wave", "reason", "actor", "ExecutionId", "client", "cascade", "approve",
         "expires_in_seconds", "job", "launch")  # fmt: skip
# Source: botocore's model of DRS, shape JobID.
JOB_ID_PATTERN = "drsjob-[0-9a-zA-Z]{17}"
# Execution ID, WaveId, attempt and number: our own launch IDs.
LAUNCH_ID_PATTERN = "[A-Za-z0-9._/-]{1,200}"
_JOB_ID = re.compile(JOB_ID_PATTERN)


def read_message(name: MessageName, inputs: tuple[Any, ...]) -> OperatorMessage:
    """Read a message from the inputs of a signal or an update.

    Args:
        name: the message.
        inputs: nothing, one object, or a wave ID as text (a reason as text for pause and
            resume).

    Raises:
        MessageRejected: it is malformed.
    """
    if len(inputs) > 1:
        raise MessageRejected(f"{name} takes one input, an object; {len(inputs)} were given")
    given = inputs[0] if inputs else None
    if isinstance(given, str):
        given = {"wave": given} if name.is_about_a_wave else {"reason": given}
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise MessageRejected(
            f"the input of {name} must be an object such as {_example(name)}, "
            f"not {_printable(given)}"
        )
    fields = dict(_read(name, str(key), value) for key, value in given.items())
    message = OperatorMessage(name=name, **fields)
    if name.is_about_a_wave and not message.wave:
        raise MessageRejected(f"{name} needs a wave: send {_example(name)}")
    if name is MessageName.ADOPT_JOB and not message.job:
        raise MessageRejected(f"{name} needs the job to adopt: send {_example(name)}")
    return message


_CANCELLED_BY = "Cancelled with drs-waves by "


def cancel_reason(actor: str, reason: str) -> str:
    """The reason that our own clients give Temporal with a cancellation."""
    return f"{_CANCELLED_BY}{actor}: {reason or 'no reason given'}"


def read_cancel_reason(text: str) -> tuple[str, str, bool]:
    """The actor and the reason of a cancellation, and whether our own client verified them."""
    is_ours = text.startswith(_CANCELLED_BY)
    actor, colon, reason = text.removeprefix(_CANCELLED_BY).partition(": ")
    return (actor, reason, True) if is_ours and colon else ("unknown", text, False)


def guess_actor(inputs: tuple[Any, ...]) -> str:
    """The actor of a malformed message, if it names one."""
    given = inputs[0] if inputs else None
    actor = given.get("actor") or given.get("Actor") if isinstance(given, dict) else None
    return _printable(actor) if isinstance(actor, str) else "unknown"


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint: the nearest known word, or the list of known words."""
    close = difflib.get_close_matches(word[:100], known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    shown = ", ".join(known[:10])
    return f"there are {shown}" + (" and more" if len(known) > 10 else "")


def _read(name: MessageName, key: str, value: Any) -> tuple[str, Any]:
    plain = key.lower().replace("_", "").replace("-", "")
    if plain in _TEXTS:
        if value is None:
            return _TEXTS[plain], {"reason": "", "actor": "unknown"}.get(plain)
        if not isinstance(value, str):
            raise MessageRejected(f"{key} must be text, not {_printable(value)}")
        text = _printable(value)
        return _TEXTS[plain], text or ("unknown" if plain == "actor" else text)
    if plain in _FLAGS:
        if _FLAGS[plain] is not name:
            raise MessageRejected(f"{key} belongs to {_FLAGS[plain]}, not to {name}")
        if not isinstance(value, bool):
            raise MessageRejected(f"{key} must be true or false, not {_printable(value)}")
        return plain, value
    if plain in ("job", "jobid"):
        return "job", _job(name, key, value)
    if plain in ("launch", "launchid"):
        return "launch", _launch(name, key, value)
    if plain == "expiresinseconds":
        return "expires_in_seconds", _expiry(name, key, value)
    raise MessageRejected(f"unknown field {_printable(key)}; {nearest(key, _KEYS)}")


def _expiry(name: MessageName, key: str, value: Any) -> float:
    if name is not MessageName.APPROVE_WAVE:
        raise MessageRejected(f"{key} belongs to {MessageName.APPROVE_WAVE}, not to {name}")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= MAX_EXPIRY_SECONDS:
        raise MessageRejected(f"{key} must be seconds above 0, not {_printable(value)}")
    return float(value)


def _job(name: MessageName, key: str, value: Any) -> str:
    if name is not MessageName.ADOPT_JOB:
        raise MessageRejected(f"{key} belongs to {MessageName.ADOPT_JOB}, not to {name}")
    if not isinstance(value, str) or not _JOB_ID.fullmatch(value):
        raise MessageRejected(
            f"{key} must be a DRS job ID, drsjob- and 17 letters or digits, not {_printable(value)}"
        )
    return value


def _launch(name: MessageName, key: str, value: Any) -> str | None:
    if not name.is_launch_answer:
        owners = " and ".join(each for each in MessageName if each.is_launch_answer)
        raise MessageRejected(f"{key} belongs to {owners}, not to {name}")
    if value is not None and not isinstance(value, str):
        raise MessageRejected(f"{key} must be a launch ID, not {_printable(value)}")
    return _printable(value) if value else None


def _example(name: MessageName) -> str:
    wave = '"wave": "…", ' if name.is_about_a_wave else ""
    wave += '"job": "drsjob-…", ' if name is MessageName.ADOPT_JOB else ""
    return f'{{{wave}"reason": "…", "actor": "…"}}'


def _printable(value: Any) -> str:
    """Short text without control characters, for terminals."""
    text = value if isinstance(value, str) else repr(value)
    printable = "".join(c if c.isprintable() else " " for c in text[: MAX_CHARACTERS + 1])
    return printable if len(printable) <= MAX_CHARACTERS else printable[:MAX_CHARACTERS] + "…"
