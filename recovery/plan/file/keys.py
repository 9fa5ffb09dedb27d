"""The keys of a plan file, and the values that they take."""

import difflib
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recovery.base_model import Model
from recovery.plan.file.nodes import Kind, Node
from recovery.plan.file.problems import Report, printable
from recovery.plan.model import Dependency, Impact, OnFailure, RecoveryPlan, Server, Wave

_ID = '1 to 64 letters, digits, ".", "_" or "-"'
_NAME = "1 to 256 characters on one line"
_TEXT = "text without control characters"
_SECONDS = "a number of seconds above 0 and at most 604800 (7 days)"
_MINUTES = "a whole number of minutes, 1 or more (at most a year)"
_BOOLEAN = "true or false"
_SERVER_ID = '"s-" and 17 of the characters 0-9 and a-f'

# By key, what to write: the models' checks as text.
_EXPECTED = {
    "PlanId": _ID,
    "PlanName": _NAME,
    "Description": _TEXT,
    "Owner": _TEXT,
    "Region": "an AWS Region such as us-west-2",
    "RoleArn": "the ARN of an IAM role such as arn:aws:iam::123456789012:role/Recovery",
    "AccountId": "the 12 digits of an AWS account, in quotes",
    "RTO": _MINUTES,
    "RPO": _MINUTES,
    "Priority": "a whole number from 1 to 5",
    "OnFailure": f"one of {', '.join(OnFailure)}",
    "DeadlineSeconds": _SECONDS,
    "WaveId": _ID,
    "WaveName": _NAME,
    "WaveDescription": _TEXT,
    "TimeoutSeconds": _SECONDS,
    "Retries": "a whole number from 0 to 100",
    "ApprovalRequired": _BOOLEAN,
    "PauseBeforeWave": _BOOLEAN,
    "SourceServerId": _SERVER_ID,
    "Impact": f"one of {', '.join(Impact)}",
    "RecoverySnapshotId": '"pit-" and 17 of the characters 0-9 and a-f',
    "DependsOnWaveId": "the WaveId of the wave to wait for",
}
_NUMBER_KEYS = ("RTO", "RPO", "Priority", "DeadlineSeconds", "TimeoutSeconds", "Retries")
_BOOLEAN_KEYS = ("ApprovalRequired", "PauseBeforeWave")
_MAX_UNKNOWN_KEYS = 20


def _keys(model: type[Model]) -> dict[str, TypeAdapter[Any]]:
    return {
        field.alias or name: TypeAdapter(field.rebuild_annotation())
        for name, field in model.model_fields.items()
    }


# A key has the same type in every model that has it.
_TYPES = {
    key: check
    for model in (RecoveryPlan, Wave, Server, Dependency)
    for key, check in _keys(model).items()
}
_TYPES["PauseBeforeWave"] = _TYPES["ApprovalRequired"]

PLAN_KEYS = tuple(_keys(RecoveryPlan))
WAVE_KEYS = (*_keys(Wave), "ServerIds", "PauseBeforeWave")
SERVER_KEYS = tuple(_keys(Server))
DEPENDENCY_KEYS = tuple(_keys(Dependency))


class Section:
    """One mapping of the file: the plan, a wave, a server or a dependency.

    A key without a value counts as missing. A misspelled key is reported and then read as the
    known key that it resembles, so that one typo does not cause a second problem.

    Attributes:
        line: Where the mapping begins.
        wave: The wave it belongs to, as problems name it.
        given: The keys that have a value.
        blank: The keys that have none.
    """

    def __init__(
        self, node: Node, known: tuple[str, ...], report: Report, *, wave: str | None = None
    ) -> None:
        self.line = node.line
        self.wave = wave
        self.given: dict[str, Node] = {}
        self.blank: dict[str, Node] = {}
        self._report = report
        self._first, self._repeated = node.entries, node.repeated
        self._unknown: list[tuple[str, str | None, Node]] = []
        for key, value in node.entries.items():
            if key in known:
                self._add(key, value)
        for key, value in node.entries.items():
            if key not in known:
                # Comparing is slow, and more unknown keys are no typos.
                few = len(self._unknown) < _MAX_UNKNOWN_KEYS
                nearest = _nearest(key, known) if few else None
                self._unknown.append((key, nearest, value))
                if nearest is not None and nearest not in node.entries:
                    self._add(nearest, value)

    def report_keys(self) -> None:
        """Report unknown and repeated keys."""
        for key in self._repeated:
            first = self._first[key.text].line
            self.problem(
                key,
                f"key {printable(key.text)} is given twice, first in line {first}; "
                "remove one of them",
                value=key.text,
            )
        for name, nearest, node in self._unknown[:_MAX_UNKNOWN_KEYS]:
            hint = "remove it" if nearest is None else f"did you mean {nearest}?"
            self.problem(node, f"unknown key {printable(name)}; {hint}", value=name)
        if more := self._unknown[_MAX_UNKNOWN_KEYS:]:
            self.problem(more[0][2], f"{len(more)} more unknown keys; remove them")

    def values(self, keys: Iterable[str], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the valid values of these keys, and report the others.

        Args:
            keys: Keys of single values.
            required: The keys that must be present.
        """
        values = {}
        for key in keys:
            if key not in self.given:
                if key in required:
                    location = self.blank.get(key, self.line)
                    self.problem(location, f"{key} is missing; write {_EXPECTED[key]}")
                continue
            value = self._value(key, self.given[key])
            if value is not None:
                values[key] = value
        return values

    def problem(self, location: Node | int, message: str, *, value: str | None = None) -> None:
        """Report a problem of this mapping."""
        line = location.line if isinstance(location, Node) else location
        self._report.problem(line, message, wave=self.wave, value=value)

    def _add(self, key: str, node: Node) -> None:
        (self.blank if node.kind is Kind.NULL else self.given)[key] = node

    def _value(self, key: str, node: Node) -> Any:
        value = check_value(key, node)
        if isinstance(value, InvalidValue):
            self.problem(node, value.message, value=node.text or None)
            return None
        return value


class InvalidValue:
    """Why a value is not valid for its key."""

    def __init__(self, message: str) -> None:
        self.message = message


def check_value(key: str, node: Node) -> Any:
    """Return the value as the models take it, or InvalidValue."""
    if not node.is_scalar:
        return InvalidValue(f"{key} is {node.kind}; write {_EXPECTED[key]}")
    is_text = key not in _NUMBER_KEYS and key not in _BOOLEAN_KEYS
    shown = printable(node.text)
    try:
        value = _TYPES[key].validate_python(node.text if is_text else node.value)
    except ValidationError:
        hint = ""
        if not is_text and node.kind is Kind.TEXT:
            hint = ", without quotes and in digits" if key in _NUMBER_KEYS else ", without quotes"
        return InvalidValue(f'{key} "{shown}" is not valid; write {_EXPECTED[key]}{hint}')
    if is_text and node.kind not in (Kind.TEXT, Kind.MERGE):
        return InvalidValue(f'{key} {shown} is read as {node.kind}; quote it: {key}: "{shown}"')
    return value


@cache
def _nearest(key: str, known: tuple[str, ...]) -> str | None:
    plain = {_plain(each): each for each in known}
    # Longer keys are no typos, and comparing them is slow.
    matches = difflib.get_close_matches(_plain(key), plain, n=1) if len(key) <= 40 else []
    return plain[matches[0]] if matches else None


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").replace(" ", "").lower()
