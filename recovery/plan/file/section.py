"""The mappings of a plan file, read key by key; every problem is reported."""

import math
import re
from itertools import islice
from typing import Any

from pydantic import ValidationError

from recovery.plan.file.keys import KINDS, LEVELS, STEP, Key, Level, level_of, nearest, plain_key
from recovery.plan.file.problems import Report, printable, unusual_characters
from recovery.plan.file.text.nodes import Kind, Node
from recovery.text_format import length_note

_MAX_UNKNOWN_KEYS = 20
# What YAML 1.1, YAML 1.2, JSON and people read as the same number.
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WITH_BASE = re.compile(r"[-+]?0[xob].*", re.IGNORECASE)
# Control characters, and halves of surrogate pairs.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_NUMBER_LENGTH = 20
_MAX_JSON_NUMBER_LENGTH = 400
_INVALID: Any = object()


class Section:
    """One mapping of the file: the plan, a wave, a server, a step or its kind.

    A key without a value counts as missing. A misspelled key is reported and then read as the
    known key that it resembles, so that one typo does not cause a second problem.

    Attributes:
        line: Where the mapping begins.
        wave: The wave it belongs to, as problems name it.
        step: The step it belongs to, as problems name it.
        given: The keys that have a value.
        blank: The keys that have none.
        values: The valid values, by key; without those that are read apart.
    """

    read_apart: tuple[str, ...] = ()
    """Keys whose values subclasses read."""

    def __init__(
        self,
        node: Node,
        level: Level,
        report: Report,
        *,
        wave: str | None = None,
        step: str | None = None,
    ) -> None:
        self.line = node.line
        self.wave = wave
        self.step = step
        self.given: dict[str, Node] = {}
        self.blank: dict[str, Node] = {}
        self.values: dict[str, Any] = {}
        self.report = report
        self._level = level
        self._node = node
        self._unknown: list[tuple[str, str | None, Node]] = []
        keys = level.keys
        for key, value in node.entries.items():
            if key in keys:
                self._add(key, value)
        for key, value in node.entries.items():
            if key not in keys:
                # Comparing is slow, and more unknown keys are no typos.
                few = len(self._unknown) < _MAX_UNKNOWN_KEYS and report.may_hint()
                meant = nearest(key, tuple(keys)) if few and not self._level_of(key) else None
                self._unknown.append((key, meant, value))
                if meant is not None and meant not in node.entries:
                    self._add(meant, value)

    def read(self) -> None:
        """Read the values, and report every key and value that is not valid."""
        self._report_keys()
        for required in self._level.required:
            if required not in self.given:
                location = self.blank.get(required, self.line)
                expected = self._level.keys[required].expected
                self.problem(location, f"{required} is missing; write {expected}")
        for name, node in self.given.items():
            if name not in self.read_apart:
                value = self._value(name, self._level.keys[name], node)
                if value is not _INVALID:
                    self.values[name] = value

    def problem(self, location: Node | int, message: str, *, value: str | None = None) -> None:
        """Report a problem of this mapping."""
        line = location.line if isinstance(location, Node) else location
        self.report.problem(line, message, wave=self.wave, step=self.step, value=value)

    def _value(self, name: str, key: Key, node: Node) -> Any:
        if key.type == "":
            return self._json(name, node)
        if key.type == "array":
            if not key.choices or key.model:
                return self._list(name, key, node)
            return self._words(name, key, node)
        if key.items is not None:
            return self._mapping(name, key, key.items, node)
        if key.model is not None:
            return self._section(name, level_of(key.model), node)
        return self._scalar(name, key, node)

    def _section(self, name: str, level: Level, node: Node) -> Any:
        if node.is_scalar and level.shorthand:
            node = Node(Kind.MAPPING, node.line, entries={level.shorthand: node})
        if node.kind is not Kind.MAPPING:
            message = f"{name} is {node.kind}; write a mapping with {', '.join(level.keys)}"
            self.problem(node, message, value=node.text or None)
            return _INVALID
        section = Section(node, level, self.report, wave=self.wave, step=self.step)
        section.read()
        return section.values

    def _list(self, name: str, key: Key, node: Node) -> Any:
        assert key.items is not None
        if node.kind is not Kind.LIST:
            self.problem(node, f"{name} is {node.kind}; write {key.expected}", value=node.text)
            return _INVALID
        self._check_size(name, key, node, len(node.items))
        items = node.items[: key.most]
        return [self._value(f"an entry of {name}", key.items, each) for each in items]

    def _mapping(self, name: str, key: Key, item: Key, node: Node) -> Any:
        if node.kind is not Kind.MAPPING:
            self.problem(node, f"{name} is {node.kind}; write {key.expected}", value=node.text)
            return _INVALID
        self._report_repeated(node)
        self._check_size(name, key, node, len(node.entries))
        values = {}
        for entry, value in islice(node.entries.items(), key.most):
            if key.names is not None:
                named = Node(Kind.TEXT, value.line, entry, entry)
                self._scalar(f"a name in {name}", key.names, named)
            values[entry] = self._value(f"{name}.{printable(entry)}", item, value)
        return values

    def _check_size(self, name: str, key: Key, node: Node, size: int) -> None:
        if size < key.least:
            self.problem(node, f"{name} is empty; write {key.expected}")
        elif key.most is not None and size > key.most:
            message = f"{name} has {size:,} entries; at most {key.most} are allowed"
            self.problem(node, message, value=str(size))

    def _json(self, name: str, node: Node) -> Any:
        """Any JSON value; what YAML alone reads as something else than text is reported."""
        match node.kind:
            case Kind.MAPPING:
                self._report_repeated(node)
                return {
                    self._text(name, node, key): self._json(name, value)
                    for key, value in node.entries.items()
                }
            case Kind.LIST:
                return [self._json(name, each) for each in node.items]
            case Kind.TEXT | Kind.MERGE:
                return self._text(name, node, node.text)
            case Kind.DATE:
                message = f'{name} {node.text} is read as a date; quote it: "{node.text}"'
                self.problem(node, message, value=node.text)
            case Kind.NUMBER if not self._is_plain(name, node):
                pass
            case Kind.NUMBER if len(node.text) > _MAX_JSON_NUMBER_LENGTH:
                message = f"{name} has a number of {len(node.text):,} characters; quote it"
                self.problem(node, message, value=node.text)
            case Kind.NUMBER if node.value in (math.inf, -math.inf):
                message = f"{name} {printable(node.text)} is more than a number can be; quote it"
                self.problem(node, message, value=node.text)
        return node.value

    def _text(self, name: str, node: Node, text: str) -> str:
        if _UNREADABLE.search(text):
            message = f"{name} has a text with control characters, or half a character; correct it"
            self.problem(node, message)
        return text

    def _words(self, name: str, key: Key, node: Node) -> Any:
        if node.kind is not Kind.LIST or not node.items:
            self.problem(node, f"{name} must be a list of {', '.join(key.choices)}")
            return _INVALID
        words = [each.text for each in node.items]
        for word, item in zip(words, node.items, strict=True):
            if word not in key.choices:
                known = nearest(word, key.choices)
                hint = f"did you mean {known}?" if known else f"write {key.expected}"
                self.problem(item, f'{name} has no "{printable(word)}"; {hint}', value=word)
        return words if all(word in key.choices for word in words) else _INVALID

    def _add(self, key: str, node: Node) -> None:
        (self.blank if node.kind is Kind.NULL else self.given)[key] = node

    def _report_repeated(self, node: Node) -> None:
        for key in node.repeated:
            first = node.entries[key.text].line
            self.problem(
                key,
                f"key {printable(key.text)} is given twice, first in line {first}; "
                "remove one of them",
                value=key.text,
            )

    def _unknown_hint(self, node: Node) -> str:
        """What to do about an unknown key with this value that resembles no known one."""
        return "remove it"

    def _report_keys(self) -> None:
        self._report_repeated(self._node)
        for name, meant, node in self._unknown[:_MAX_UNKNOWN_KEYS]:
            if level := self._level_of(name):
                self.problem(node, level, value=name)
                continue
            hint = self._unknown_hint(node) if meant is None else f"did you mean {meant}?"
            named = unusual_characters(name)
            what = f"{printable(name)}, with {named}" if named else printable(name)
            self.problem(node, f"unknown key {what}; {hint}", value=name)
        if more := self._unknown[_MAX_UNKNOWN_KEYS:]:
            self.problem(more[0][2], f"{len(more)} more unknown keys; remove them")

    def _scalar(self, name: str, key: Key, node: Node) -> Any:
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
            key_before = "" if " " in name or "." in name else f"{name}: "
            message = f'{name} {shown} is read as {node.kind}; quote it: {key_before}"{shown}"'
        elif not is_text and not self._is_plain(name, node):
            return _INVALID
        else:
            return value
        self.problem(node, message, value=node.text or None)
        return _INVALID

    def _is_plain(self, name: str, node: Node) -> bool:
        """Whether a value is no number, or one that everyone reads alike; else report it."""
        if node.kind is not Kind.NUMBER or _PLAIN_NUMBER.fullmatch(node.text):
            return True
        # YAML 1.1 reads 0600 to the base 8.
        shown = printable(node.text)
        message = f"{name} {shown} is read as {node.value}; write {_plain_number(node.text)}"
        self.problem(node, message, value=node.text)
        return False

    def _level_of(self, key: str) -> str:
        """Return where a key belongs that is known on other levels; "" for any other key."""
        here = self._level
        plain = plain_key(key) if len(key) <= 40 else ""
        if any(plain == plain_key(each) for each in here.keys):
            return ""
        for kind, model in KINDS.items() if here is STEP else ():
            inside = [each for each in level_of(model).keys if plain == plain_key(each)]
            if inside and kind in self._node.entries:
                return f"{inside[0]} belongs to {kind}, not to {here.name}; move it into {kind}"
        found = [
            (level, each)
            for level in (LEVELS if here in LEVELS else (STEP,))
            if level is not here
            for each in level.keys
            if plain == plain_key(each)
        ]
        # A step's keys are named only where no other level has them.
        found = [each for each in found if each[0] is not STEP] or found
        if not found:
            return ""
        name = found[0][1]
        where = " or ".join(level.name for level, _ in found)
        firsts = [next(iter(level.keys)) for level, _ in found]
        # A key that this level has too says nothing about the other one.
        beside = " or ".join(first for first in firsts if first != name and first not in here.keys)
        move = f"move it beside {beside}" if beside else "move it there"
        return f"{name} belongs to {where}, not to {here.name}; {move}"


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
