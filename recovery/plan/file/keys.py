"""The keys of a plan file, and the mappings that have them."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recovery.base_model import Model
from recovery.plan.file.nodes import Kind, Node
from recovery.plan.file.problems import Report, printable, unusual_characters
from recovery.plan.model import Dependency, PlanChannel, RecoveryPlan, RecoveryRules, Server, Wave
from recovery.text_format import length_note

_MAX_UNKNOWN_KEYS = 20
# What YAML 1.1, YAML 1.2, JSON and people read as the same number.
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WITH_BASE = re.compile(r"[-+]?0[xob].*", re.IGNORECASE)
_MAX_NUMBER_LENGTH = 20


@dataclass(frozen=True)
class Key:
    """What the models say about a key.

    Attributes:
        check: Validates its value.
        type: Its type in JSON Schema; "array" for a list of mappings, "object" for a mapping.
        expected: What to write.
        pattern: The pattern of a text; "" if it has none.
        choices: What a list of words may have; none for any other value.
    """

    check: TypeAdapter[Any]
    type: str
    expected: str
    pattern: str = ""
    choices: tuple[str, ...] = ()


def _keys(model: type[Model]) -> dict[str, Key]:
    schema = model.model_json_schema()
    keys = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        value = schema["properties"][key]
        # A value that may be left out is any of its own type and null.
        value = value.get("anyOf", [value])[0]
        if "$ref" in value:
            value = schema["$defs"][value["$ref"].rpartition("/")[2]]
        choices = value.get("enum")
        expected = f"one of {', '.join(choices)}" if choices else value.get("description", "")
        listed = schema.get("$defs", {}).get(_item_of(value), {}).get("enum", ())
        expected = f"a list of {', '.join(listed)}" if listed else expected
        check = TypeAdapter(field.rebuild_annotation())
        pattern = value.get("pattern", "")
        keys[key] = Key(check, value["type"], expected, pattern, tuple(listed))
    return keys


def _item_of(value: Mapping[str, Any]) -> str:
    """The name of the definition that a list's items have; "" for any other value."""
    return str(value.get("items", {}).get("$ref", "")).rpartition("/")[2]


# The first key of each, except of Recovery, identifies the mapping, and is required.
PLAN_KEYS = _keys(RecoveryPlan)
WAVE_KEYS = _keys(Wave)
WAVE_KEYS["ServerIds"] = WAVE_KEYS["Servers"]
WAVE_KEYS["PauseBeforeWave"] = WAVE_KEYS["ApprovalRequired"]
SERVER_KEYS = _keys(Server)
RECOVERY_KEYS = _keys(RecoveryRules)
# Any text, because a wave whose WaveId is malformed is reported there.
_depends_on = _keys(Dependency)["DependsOnWaveId"]
DEPENDENCY_KEYS = {"DependsOnWaveId": replace(_depends_on, check=TypeAdapter(str))}
CHANNEL_KEYS = _keys(PlanChannel)
# The levels of a file, each with the name that problems have for it.
LEVELS = {
    "the plan": PLAN_KEYS,
    "Recovery": RECOVERY_KEYS,
    "a wave": WAVE_KEYS,
    "an entry of Servers": SERVER_KEYS,
    "an entry of Dependencies": DEPENDENCY_KEYS,
    "an entry of Notify": CHANNEL_KEYS,
}


def required_key(keys: Mapping[str, Key]) -> str | None:
    """The key that a mapping with these keys must have; None if it may be empty."""
    return None if keys is RECOVERY_KEYS else next(iter(keys))


class Section:
    """One mapping of the file: the plan, a wave, a server or a dependency.

    A key without a value counts as missing. A misspelled key is reported and then read as the
    known key that it resembles, so that one typo does not cause a second problem.

    Attributes:
        line: Where the mapping begins.
        wave: The wave it belongs to, as problems name it.
        given: The keys that have a value.
        blank: The keys that have none.
        values: The valid values, by key; without lists of mappings.
    """

    def __init__(
        self, node: Node, keys: Mapping[str, Key], report: Report, *, wave: str | None = None
    ) -> None:
        self.line = node.line
        self.wave = wave
        self.given: dict[str, Node] = {}
        self.blank: dict[str, Node] = {}
        self.values: dict[str, Any] = {}
        self.report = report
        self._keys = keys
        self._node = node
        self._unknown: list[tuple[str, str | None, Node]] = []
        for key, value in node.entries.items():
            if key in keys:
                self._add(key, value)
        for key, value in node.entries.items():
            if key not in keys:
                # Comparing is slow, and more unknown keys are no typos.
                few = len(self._unknown) < _MAX_UNKNOWN_KEYS and not _level_of(key, keys)
                meant = nearest(key, tuple(keys)) if few else None
                self._unknown.append((key, meant, value))
                if meant is not None and meant not in node.entries:
                    self._add(meant, value)

    def read(self) -> None:
        """Read the values, and report every key and value that is not valid."""
        self._report_keys()
        required = required_key(self._keys)
        if required is not None and required not in self.given:
            location = self.blank.get(required, self.line)
            self.problem(location, f"{required} is missing; write {self._keys[required].expected}")
        for key, node in self.given.items():
            if self._keys[key].type not in ("array", "object"):
                self._read_value(key, self._keys[key], node)
            elif self._keys[key].choices:
                self._read_words(key, self._keys[key], node)

    def problem(self, location: Node | int, message: str, *, value: str | None = None) -> None:
        """Report a problem of this mapping."""
        line = location.line if isinstance(location, Node) else location
        self.report.problem(line, message, wave=self.wave, value=value)

    def _read_words(self, name: str, key: Key, node: Node) -> None:
        if node.kind is not Kind.LIST or not node.items:
            self.problem(node, f"{name} must be a list of {', '.join(key.choices)}")
            return
        words = [each.text for each in node.items]
        for word, item in zip(words, node.items, strict=True):
            if word not in key.choices:
                known = nearest(word, key.choices)
                hint = f"did you mean {known}?" if known else f"write {key.expected}"
                self.problem(item, f'{name} has no "{printable(word)}"; {hint}', value=word)
        if all(word in key.choices for word in words):
            self.values[name] = words

    def _add(self, key: str, node: Node) -> None:
        (self.blank if node.kind is Kind.NULL else self.given)[key] = node

    def _report_keys(self) -> None:
        for key in self._node.repeated:
            first = self._node.entries[key.text].line
            self.problem(
                key,
                f"key {printable(key.text)} is given twice, first in line {first}; "
                "remove one of them",
                value=key.text,
            )
        for name, meant, node in self._unknown[:_MAX_UNKNOWN_KEYS]:
            if level := _level_of(name, self._keys):
                self.problem(node, level, value=name)
                continue
            hint = "remove it" if meant is None else f"did you mean {meant}?"
            named = unusual_characters(name)
            what = f"{printable(name)}, with {named}" if named else printable(name)
            self.problem(node, f"unknown key {what}; {hint}", value=name)
        if more := self._unknown[_MAX_UNKNOWN_KEYS:]:
            self.problem(more[0][2], f"{len(more)} more unknown keys; remove them")

    def _read_value(self, name: str, key: Key, node: Node) -> None:
        is_text, shown = key.type == "string", printable(node.text)
        try:
            value = key.check.validate_python(node.text if is_text else node.value)
        except ValidationError:
            value = None
        if not node.is_scalar:
            message = f"{name} is {node.kind}; write {key.expected}"
        elif value is None:
            message = f'{name} "{shown}" is not valid; write {key.expected}'
            if is_text and (note := length_note(key.pattern, node.text)):
                message += f" ({note})"
            if not is_text and node.kind is Kind.TEXT:
                message += ", without quotes" + (" and in digits" * (key.type != "boolean"))
                if plain := _plain_number(node.text):
                    message += f": {plain}"
        elif is_text and node.kind not in (Kind.TEXT, Kind.MERGE):
            message = f'{name} {shown} is read as {node.kind}; quote it: {name}: "{shown}"'
        elif node.kind is Kind.NUMBER and not is_text and not _PLAIN_NUMBER.fullmatch(node.text):
            # YAML 1.1 reads 0600 to the base 8.
            message = f"{name} {shown} is read as {node.value}; write {_plain_number(node.text)}"
        else:
            self.values[name] = value
            return
        self.problem(node, message, value=node.text or None)


def _plain_number(text: str) -> str:
    """Return what a number looks like, in plain digits; "" if it does not look like a number."""
    digits = text.replace("_", "")
    if len(digits) > _MAX_NUMBER_LENGTH:
        return ""
    try:
        if _WITH_BASE.fullmatch(digits):
            return str(int(digits, 0))
        number = float(digits)
    except ValueError:
        return ""
    return f"{number:.15g}" if math.isfinite(number) else ""


def _level_of(key: str, keys: Mapping[str, Key]) -> str:
    """Return where a key belongs that is known on other levels than this; "" for any other key."""
    plain = _plain(key) if len(key) <= 40 else ""
    if any(plain == _plain(each) for each in keys):
        return ""
    here = next(level for level, own in LEVELS.items() if own is keys)
    found = [
        (level, each, next(iter(own)))
        for level, own in LEVELS.items()
        for each in own
        if plain == _plain(each)
    ]
    if not found:
        return ""
    name = found[0][1]
    levels = " or ".join(level for level, _, _ in found)
    beside = " or ".join(first for _, _, first in found if first != name)
    move = f"move it beside {beside}" if beside else "move it there"
    return f"{name} belongs to {levels}, not to {here}; {move}"


@cache
def nearest(key: str, known: tuple[str, ...]) -> str | None:
    """The known name that one resembles, if any."""
    plain = {_plain(each): each for each in known}
    # Longer keys are no typos, and comparing them is slow.
    matches = difflib.get_close_matches(_plain(key), plain, n=1) if len(key) <= 40 else []
    return plain[matches[0]] if matches else None


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").replace(" ", "").lower()
