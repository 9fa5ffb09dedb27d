"""Operators' messages: read in any usual form, rejected with the reason, never a crash."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, ValidationError

from recovery.execution.state import RefusalCode
from recovery.steps.state import MAX_OUTPUT_BYTES
from recovery.text_format import visible

# How the record of a cancelled execution is named; it is no message.
CANCEL_EXECUTION = "cancel"
MAX_CHARACTERS = 500
MAX_EXPIRY_SECONDS = 30 * 86_400.0


class MessageName(StrEnum):
    """The names of the messages, each a signal and an update."""

    SKIP_WAVE = "skip_wave"
    ACCEPT_WAVE = "accept_wave"
    CANCEL_WAVE = "cancel_wave"
    RETRY_WAVE = "retry_wave"
    APPROVE_WAVE = "approve_wave"
    APPROVE_RECOVERY = "approve_recovery"
    ACKNOWLEDGE = "acknowledge"
    PAUSE = "pause"
    RESUME = "resume"
    ADOPT_JOB = "adopt_job"
    LAUNCH_ANYWAY = "launch_anyway"
    SKIP_STEP = "skip_step"
    COMPLETE_STEP = "complete_step"
    FAIL_STEP = "fail_step"
    RERUN_STEP = "rerun_step"

    @property
    def command(self) -> str:
        """The command of `drs-waves` that sends it, which texts for people name."""
        return self.replace("_", "-")

    @property
    def is_about_a_wave(self) -> bool:
        """Whether the message is about one wave."""
        return self not in _ABOUT_EXECUTION

    @property
    def is_about_a_step(self) -> bool:
        """Whether the message is about one step of a wave."""
        return self in _ABOUT_STEPS

    @property
    def may_begin_attempt(self) -> bool:
        """Whether another attempt of a wave or step may follow it."""
        return self in _BEGIN_ATTEMPTS

    @property
    def is_launch_answer(self) -> bool:
        """Whether the message answers if DRS has the job of a launch in doubt."""
        return self in _LAUNCH_ANSWERS


class MessageRejected(Exception):
    """A rejected message; the text says why and what to do."""

    def __init__(self, text: str, code: RefusalCode = RefusalCode.MALFORMED) -> None:
        super().__init__(text)
        self.code = code


# Source: botocore's model of DRS, shape JobID.
JOB_ID_PATTERN = "drsjob-[0-9a-zA-Z]{17}"
# Execution ID, WaveId, attempt and number: our own launch IDs.
LAUNCH_ID_PATTERN = "[A-Za-z0-9._/-]{1,200}"


def _printable(value: Any) -> str:
    """Short text without control characters, for terminals."""
    text = value if isinstance(value, str) else repr(value)
    printable = visible(text[: MAX_CHARACTERS + 1])
    return printable if len(printable) <= MAX_CHARACTERS else printable[:MAX_CHARACTERS] + "…"


_Text = Annotated[str, AfterValidator(_printable)]
_Flag = Annotated[bool, Field(strict=True)]
_Expiry = Annotated[float, Field(strict=True, gt=0, le=MAX_EXPIRY_SECONDS)]


def _small_outputs(outputs: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Outputs that a state has room for, without control characters."""
    if len(json.dumps(outputs)) > MAX_OUTPUT_BYTES or len(outputs) > _MAX_OUTPUTS:
        raise ValueError("they are too many or too long")
    if not all(isinstance(value, str | bool | int | float) for value in outputs.values()):
        raise ValueError("they have lists or objects")
    shown = ((visible(n), visible(v) if isinstance(v, str) else v) for n, v in outputs.items())
    return dict(shown)


_MAX_OUTPUTS = 20
_Outputs = Annotated[dict[str, JsonValue], AfterValidator(_small_outputs)]
_JobId = Annotated[str, Field(pattern=f"^{JOB_ID_PATTERN}$")]


@dataclass(frozen=True)
class OperatorMessage:
    """An operator's message.

    Attributes:
        execution_id: the execution that it is for; None for the running one.
        client: our client that sent it, by its own word; None for the `temporal` CLI.
        expires_in_seconds: how long an approval is valid.
        job: the DRS job to adopt.
        launch: the launch ID that an answer about a launch in doubt is for.
        step: the StepId; None if only one step of the wave is concerned.
        outputs: of a completed step, by name.
    """

    name: MessageName
    wave: _Text | None = None
    reason: _Text = ""
    actor: _Text = "unknown"
    execution_id: Annotated[_Text | None, Field(serialization_alias="ExecutionId")] = None
    client: _Text | None = None
    cascade: _Flag = False
    approve: _Flag = True
    expires_in_seconds: _Expiry | None = None
    job: _JobId | None = None
    launch: _Text | None = None
    step: _Text | None = None
    outputs: _Outputs | None = None

    def as_input(self) -> dict[str, Any]:
        """The input that `read_message` reads back."""
        fields = _MESSAGE.dump_python(self, mode="json", by_alias=True, exclude_defaults=True)
        del fields["name"]
        return dict(fields)


# What is read is checked; what our own clients build is checked where it is read.
_MESSAGE = TypeAdapter(OperatorMessage)
_FIELDS = ("wave", "reason", "actor", "ExecutionId", "client", "cascade", "approve",
           "expires_in_seconds", "job", "launch", "step", "outputs")  # fmt: skip
_ABOUT_EXECUTION = (
    MessageName.APPROVE_RECOVERY,
    MessageName.ACKNOWLEDGE,
    MessageName.PAUSE,
    MessageName.RESUME,
)
_LAUNCH_ANSWERS = (MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY)
_ABOUT_STEPS = (
    MessageName.SKIP_STEP,
    MessageName.COMPLETE_STEP,
    MessageName.FAIL_STEP,
    MessageName.RERUN_STEP,
)
_BEGIN_ATTEMPTS = (
    MessageName.RETRY_WAVE,
    MessageName.ACCEPT_WAVE,
    MessageName.SKIP_STEP,
    MessageName.COMPLETE_STEP,
    MessageName.RERUN_STEP,
)
# The fields of some messages only, and of which; the other fields are text of any message.
_OWNERS = {
    "cascade": (MessageName.SKIP_WAVE,),
    "approve": (MessageName.APPROVE_WAVE, MessageName.APPROVE_RECOVERY),
    "expires_in_seconds": (MessageName.APPROVE_WAVE,),
    "job": (MessageName.ADOPT_JOB,),
    "launch": _LAUNCH_ANSWERS,
    "step": _ABOUT_STEPS,
    "outputs": (MessageName.COMPLETE_STEP,),
}
_EXPECTED = {
    "cascade": "true or false",
    "approve": "true or false",
    "expires_in_seconds": "seconds above 0",
    "job": "a DRS job ID, drsjob- and 17 letters or digits",
    "launch": "a launch ID",
    "outputs": "an object of at most 20 names, with texts, numbers, or true or false, 4 KB in all",
}
# A blank text counts as left out.
_NEVER_BLANK = ("cascade", "approve", "expires_in_seconds", "job")


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


# By key without case, "_" and "-", because operators type these under stress.
_NAMES = {_plain(field.name): field.name for field in fields(OperatorMessage)[1:]}
_NAMES |= {
    "stepid": "step",
    "waveid": "wave",
    "wavename": "wave",
    "jobid": "job",
    "launchid": "launch",
}


def read_message(name: MessageName, inputs: tuple[Any, ...]) -> OperatorMessage:
    """Read a message from the inputs of a signal or an update.

    Args:
        name: the message.
        inputs: nothing, one object, or a wave ID as text (a reason as text for a message about
            the execution).

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
    message = _read_fields(name, {str(key): value for key, value in given.items()})
    if name.is_about_a_wave and not message.wave:
        raise MessageRejected(f"{name} needs a wave: send {_example(name)}")
    if name is MessageName.ADOPT_JOB and not message.job:
        raise MessageRejected(f"{name} needs the job to adopt: send {_example(name)}")
    return message


_CANCELLED_BY = "Cancelled with drs-waves by "


def cancel_reason(actor: str, reason: str) -> str:
    """The reason that our own clients give Temporal with a cancellation."""
    return f"{_CANCELLED_BY}{actor}: {reason or 'no reason given'}"


def read_cancel_reason(text: str) -> tuple[str, str]:
    """The actor and the reason of a cancellation, which is not signed."""
    is_ours = text.startswith(_CANCELLED_BY)
    actor, colon, reason = text.removeprefix(_CANCELLED_BY).partition(": ")
    return (actor, reason) if is_ours and colon else ("unknown", text)


def guess_actor(inputs: tuple[Any, ...]) -> str:
    """The actor of a malformed message, if it names one."""
    given = inputs[0] if inputs else None
    actor = given.get("actor") or given.get("Actor") if isinstance(given, dict) else None
    return _printable(actor) if isinstance(actor, str) else "unknown"


def nearest(word: str, known: Sequence[str], *, listed: Sequence[str] | None = None) -> str:
    """A hint: the nearest known word, or the list of known words.

    Args:
        word: an unknown one.
        known: the known ones.
        listed: what is listed of them; default: each.
    """
    close = difflib.get_close_matches(word[:100], known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    listed = known if listed is None else listed
    shown = ", ".join(listed[:10])
    are = "is" if len(listed) == 1 else "are"
    return f"there {are} {shown}" + (" and more" if len(listed) > 10 else "")


def _read_fields(name: MessageName, given: dict[str, Any]) -> OperatorMessage:
    keys: dict[str, str] = {}
    for key, value in given.items():
        field = _NAMES.get(_plain(key))
        if field is None:
            raise MessageRejected(f"unknown field {_printable(key)}; {nearest(key, _FIELDS)}")
        owners = _OWNERS.get(field)
        if owners is not None and name not in owners:
            raise MessageRejected(f"{key} belongs to {' and '.join(owners)}, not to {name}")
        is_blank = value is None or value == ""
        if is_blank and field in _NEVER_BLANK:
            # It might mean the default, which approves or never expires.
            raise MessageRejected(_expectation(key, field, value))
        if field in keys and not is_blank:
            raise MessageRejected(f"{keys[field]} and {key} are the same field; send one of them")
        if not is_blank:
            keys[field] = key
    values = {field: given[key] for field, key in keys.items()}
    try:
        return _MESSAGE.validate_python({"name": name, **values})
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise MessageRejected(_expectation(keys[field], field, values[field])) from None


def _expectation(key: str, field: str, value: Any) -> str:
    return f"{key} must be {_EXPECTED.get(field, 'text')}, not {_printable(value)}"


def _example(name: MessageName) -> str:
    wave = '"wave": "…", ' if name.is_about_a_wave else ""
    wave += '"step": "…", ' if name.is_about_a_step else ""
    wave += '"launch": "…", ' if name.is_launch_answer else ""
    wave += '"job": "drsjob-…", ' if name is MessageName.ADOPT_JOB else ""
    return f'{{{wave}"reason": "…", "actor": "…"}}'
