"""References in the values of steps, such as `${Steps.db.promote.Endpoint}`.

A value is inserted as a value: whoever sends it encodes it. A text that is one reference alone
becomes the value itself, whatever its type; inside a longer text it becomes text. `$${` is a
literal `${`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from recovery.base_model import Model
from recovery.plan.fields import SERVER_ID_PATTERN
from recovery.steps.model import KindModel
from recovery.text_format import visible

_REFERENCE = re.compile(r"(?P<literal>\$\$\{)|\$\{(?P<name>[^{}]*)\}|(?P<open>\$\{)")

# Three IDs, which may have dots, and a dot after each of the first two.
_OUTPUT_PATH = re.compile(r"[A-Za-z0-9._-]{5,194}")


class ServerField(StrEnum):
    """What a reference may name of a server."""

    INSTANCE_ID = "InstanceId"
    PRIVATE_IP = "PrivateIp"
    NAME = "Name"


class OwnField(StrEnum):
    """What a reference may name of the execution and the wave."""

    EXECUTION_ID = "ExecutionId"
    EXECUTION_TYPE = "ExecutionType"
    PLAN_ID = "PlanId"
    WAVE_ID = "WaveId"


@dataclass(frozen=True)
class ServerReference:
    """`${Servers.ID.FIELD}`."""

    source_server_id: str
    field: ServerField

    def __str__(self) -> str:
        return f"${{Servers.{self.source_server_id}.{self.field}}}"


@dataclass(frozen=True)
class OutputReference:
    """`${Steps.WAVE.STEP.OUTPUT}`.

    Attributes:
        path: `WAVE.STEP.OUTPUT`; IDs may have dots themselves, so the plan says where each ends.
    """

    path: str

    def candidates(self) -> Iterator[tuple[str, str, str]]:
        """Each way to read it as a WaveId, a StepId and the name of an output."""
        parts = self.path.split(".")
        for first in range(1, len(parts) - 1):
            for second in range(first + 1, len(parts)):
                ids = parts[:first], parts[first:second], parts[second:]
                yield tuple(".".join(each) for each in ids)  # type: ignore[misc]

    def values_in(self, outputs: Mapping[str, Mapping[str, JsonValue]]) -> list[JsonValue]:
        """Its value among outputs by `WAVE.STEP` and name, or nothing if it is not known."""
        for wave_id, step_id, name in self.candidates():
            if name in (known := outputs.get(f"{wave_id}.{step_id}", {})):
                return [known[name]]
        return []

    def __str__(self) -> str:
        return f"${{Steps.{self.path}}}"


@dataclass(frozen=True)
class OwnReference:
    """`${ExecutionId}` and the like."""

    field: OwnField

    def __str__(self) -> str:
        return f"${{{self.field}}}"


Reference = ServerReference | OutputReference | OwnReference


class ReferenceSyntaxError(ValueError):
    """A text is not a reference. The message says what it must be."""


class UnknownValueError(ValueError):
    """What a reference names is not known. The message says which, and why."""


def read_reference(name: str) -> Reference:
    """Read what stands between `${` and `}`.

    Raises:
        ReferenceSyntaxError: it is none of the references.
    """
    if name in list(OwnField):
        return OwnReference(OwnField(name))
    head, _, rest = name.partition(".")
    if head == "Servers":
        server_id, _, field = rest.rpartition(".")
        if re.fullmatch(SERVER_ID_PATTERN, server_id) and field in list(ServerField):
            return ServerReference(server_id, ServerField(field))
    if head == "Steps" and _OUTPUT_PATH.fullmatch(rest):
        found = OutputReference(rest)
        if any(all(each) for each in found.candidates()):
            return found
    raise ReferenceSyntaxError(
        f"${{{visible(name[:80])}}} is not a reference; write {', '.join(OwnField)}, "
        f"Servers.<ID>.<{'|'.join(ServerField)}> or Steps.<WAVE>.<STEP>.<OUTPUT> in ${{ }}, "
        "or $${ for the characters themselves"
    )


def references_in(value: Any) -> Iterator[Reference]:
    """The references in all texts of a value, and of its keys none.

    Raises:
        ReferenceSyntaxError: a text is not a reference.
    """
    match value:
        case str():
            for found in _REFERENCE.finditer(value):
                if found["open"]:
                    raise ReferenceSyntaxError(
                        f'"{visible(value[:80])}" has ${{ without }}; write $${{ for the '
                        "characters themselves"
                    )
                if found["name"] is not None:
                    yield read_reference(found["name"])
        case Model():
            for name in type(value).model_fields:
                yield from references_in(getattr(value, name))
        case dict():
            for each in value.values():
                yield from references_in(each)
        case list():
            for each in value:
                yield from references_in(each)


def output_references_in(value: Any) -> list[OutputReference]:
    """The references in a value to what earlier steps returned."""
    return [each for each in references_in(value) if isinstance(each, OutputReference)]


def servers_named(spec: KindModel) -> set[str]:
    """The servers that a step names, by references or otherwise."""
    named = {r.source_server_id for r in references_in(spec) if isinstance(r, ServerReference)}
    named |= set(getattr(spec, "servers", None) or ())
    if from_server := getattr(spec, "from_", None):
        named.add(from_server)
    return named


def resolved(value: Any, value_of: Callable[[Reference], JsonValue]) -> Any:
    """A value with its references replaced; a model becomes one of the same type.

    Args:
        value: a model, or JSON.
        value_of: the value of a reference; raises `UnknownValueError`.

    Raises:
        UnknownValueError: what one names is not known.
    """
    match value:
        case str():
            return _resolved_text(value, value_of)
        case Model():
            names = type(value).model_fields
            update = {name: resolved(getattr(value, name), value_of) for name in names}
            return value.model_copy(update=update)
        case dict():
            return {key: resolved(each, value_of) for key, each in value.items()}
        case list():
            return [resolved(each, value_of) for each in value]
    return value


def _resolved_text(text: str, value_of: Callable[[Reference], JsonValue]) -> JsonValue:
    whole = _REFERENCE.fullmatch(text)
    if whole and whole["name"] is not None:
        return value_of(read_reference(whole["name"]))

    def replaced(found: re.Match[str]) -> str:
        if found["literal"]:
            return "${"
        if found["name"] is None:
            raise ReferenceSyntaxError(f'"{visible(text[:80])}" has ${{ without }}')
        value = value_of(read_reference(found["name"]))
        if isinstance(value, dict | list):
            raise UnknownValueError(
                f"${{{found['name']}}} is not one value, so it cannot stand inside a text"
            )
        return _as_text(value)

    return _REFERENCE.sub(replaced, text)


def _as_text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
