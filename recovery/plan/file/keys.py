"""The keys of a plan file: which there are, what their values must be, which are built."""

import difflib
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recovery.base_model import Model
from recovery.plan.file.nodes import Item, Kind
from recovery.plan.file.problems import Report, printable
from recovery.plan.model import Dependency, Impact, OnFailure, RecoveryPlan, Server, Wave

_ID = '1 to 64 letters, digits, ".", "_" or "-"'
_NAME = "1 to 256 characters on one line"
_TEXT = "text without control characters"
_SECONDS = "a number of seconds above 0 and at most 604800 (7 days)"
_MINUTES = "a whole number of minutes, 1 or more (at most a year)"
_YES_NO = "true or false"
_SERVER_ID = '"s-" and 17 of the characters 0-9 and a-f'

# What to write, by key: the words for what the models check.
_WANTED = {
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
    "ApprovalRequired": _YES_NO,
    "PauseBeforeWave": _YES_NO,
    "SourceServerId": _SERVER_ID,
    "Impact": f"one of {', '.join(Impact)}",
    "RecoverySnapshotId": '"pit-" and 17 of the characters 0-9 and a-f',
    "DependsOnWaveId": "the WaveId of the wave to wait for",
}
_NUMBERS = ("RTO", "RPO", "Priority", "DeadlineSeconds", "TimeoutSeconds", "Retries")
_YES_NOS = ("ApprovalRequired", "PauseBeforeWave")
_MOST_UNKNOWN_KEYS = 20


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

    A key without a value counts as left out. A misspelled key is reported and then read as the
    known key that it resembles, so that one slip does not bring a second problem with it.

    Attributes:
        line: Where the mapping begins.
        wave: The wave it belongs to, as problems name it.
        given: The keys that have a value.
        blank: The keys that have none.
    """

    def __init__(
        self, item: Item, known: tuple[str, ...], report: Report, *, wave: str | None = None
    ) -> None:
        self.line = item.line
        self.wave = wave
        self.given: dict[str, Item] = {}
        self.blank: dict[str, Item] = {}
        self._report = report
        self._first, self._repeated = item.entries, item.repeated
        self._unknown: list[tuple[str, str | None, Item]] = []
        for key, value in item.entries.items():
            if key in known:
                self._take(key, value)
        for key, value in item.entries.items():
            if key not in known:
                # Comparing takes long, and a mapping with more unknown keys is no slip.
                few = len(self._unknown) < _MOST_UNKNOWN_KEYS
                nearest = _nearest(key, known) if few else None
                self._unknown.append((key, nearest, value))
                if nearest is not None and nearest not in item.entries:
                    self._take(nearest, value)

    def report_keys(self) -> None:
        """Report the keys that this mapping cannot have, or has twice."""
        for key in self._repeated:
            first = self._first[key.text].line
            self.problem(
                key,
                f"key {printable(key.text)} is given twice, first in line {first}; "
                "remove one of them",
                value=key.text,
            )
        for name, nearest, item in self._unknown[:_MOST_UNKNOWN_KEYS]:
            hint = "remove it" if nearest is None else f"did you mean {nearest}?"
            self.problem(item, f"unknown key {printable(name)}; {hint}", value=name)
        if more := self._unknown[_MOST_UNKNOWN_KEYS:]:
            self.problem(more[0][2], f"{len(more)} more unknown keys; remove them")

    def values(self, keys: Iterable[str], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the valid ones of these keys' values, and report the others.

        Args:
            keys: Keys of single values.
            required: Those among them that must be there.
        """
        values = {}
        for key in keys:
            if key not in self.given:
                if key in required:
                    place = self.blank.get(key, self.line)
                    self.problem(place, f"{key} is missing; write {_WANTED[key]}")
                continue
            value = self._value(key, self.given[key])
            if value is not None:
                values[key] = value
        return values

    def problem(self, place: Item | int, message: str, *, value: str | None = None) -> None:
        """Report a problem of this mapping."""
        line = place.line if isinstance(place, Item) else place
        self._report.problem(line, message, wave=self.wave, value=value)

    def _take(self, key: str, item: Item) -> None:
        (self.blank if item.kind is Kind.NOTHING else self.given)[key] = item

    def _value(self, key: str, item: Item) -> Any:
        value = check_value(key, item)
        if isinstance(value, Refused):
            self.problem(item, value.message, value=item.text or None)
            return None
        return value


class Refused:
    """Why a value is not one that its key can have."""

    def __init__(self, message: str) -> None:
        self.message = message


def check_value(key: str, item: Item) -> Any:
    """Return the value as the models take it, or Refused."""
    if not item.is_scalar:
        return Refused(f"{key} is {item.kind}; write {_WANTED[key]}")
    is_text = key not in _NUMBERS and key not in _YES_NOS
    shown = printable(item.text)
    try:
        value = _TYPES[key].validate_python(item.text if is_text else item.value)
    except ValidationError:
        hint = ""
        if not is_text and item.kind is Kind.TEXT:
            hint = ", without quotes and in digits" if key in _NUMBERS else ", without quotes"
        return Refused(f'{key} "{shown}" is not valid; write {_WANTED[key]}{hint}')
    if is_text and item.kind not in (Kind.TEXT, Kind.MERGE):
        return Refused(f'{key} {shown} is read as {item.kind}; quote it: {key}: "{shown}"')
    return value


@cache
def _nearest(key: str, known: tuple[str, ...]) -> str | None:
    plain = {_plain(each): each for each in known}
    # Longer ones are no slips of the hand, and comparing them takes long.
    matches = difflib.get_close_matches(_plain(key), plain, n=1) if len(key) <= 40 else []
    return plain[matches[0]] if matches else None


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").replace(" ", "").lower()
