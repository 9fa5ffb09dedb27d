"""Values that know their place in a file.

Built without recursion, so that no nesting is too deep to be refused politely. A value that
is aliased is shared, never copied, and counted each time, so that a few lines of aliases
cannot stand for millions of values.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn

from recovery.plan.file.problems import PlanError, Problem

MAX_DEPTH = 50
MAX_VALUES = 500_000


class Kind(StrEnum):
    """What a value is, in the words of the messages."""

    TEXT = "text"
    NUMBER = "a number"
    YES_NO = "a yes or no"
    DATE = "a date"
    NOTHING = "nothing"
    LIST = "a list"
    MAPPING = "a mapping"
    MERGE = "a merge key"


@dataclass(slots=True)
class Item:
    """A value and its place.

    Attributes:
        kind: What it is.
        line: Its line, counted from 1; for a mapping's value the line of its key.
        text: A scalar as it is written; "" for lists and mappings.
        value: A scalar's value; None for lists and mappings.
        items: A list's items.
        entries: A mapping's values by key.
        repeated: A mapping's keys that were there before; the first ones count.
        size: The number of values in it when all aliases are expanded, itself included.
    """

    kind: Kind
    line: int
    text: str = ""
    value: str | int | float | bool | None = None
    items: list["Item"] = field(default_factory=list)
    entries: dict[str, "Item"] = field(default_factory=dict)
    repeated: list["Item"] = field(default_factory=list)
    size: int = 1

    @property
    def is_scalar(self) -> bool:
        """Whether it is a single value, and there is one."""
        return self.kind not in (Kind.LIST, Kind.MAPPING, Kind.NOTHING)


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is not closed yet."""

    item: Item
    anchor: str | None
    key: Item | None = None
    merged: list[Item] = field(default_factory=list)


class ItemBuilder:
    """Puts values together without recursion."""

    def __init__(self, file: str) -> None:
        self.root: Item | None = None
        self._file = file
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Item] = {}

    def finish(self) -> Item:
        """Return the whole document."""
        if self.root is None:
            self.refuse(None, "the file is empty; a plan needs PlanId and Waves")
        return self.root

    def refuse(self, line: int | None, message: str, value: str | None = None) -> NoReturn:
        """Give up reading."""
        raise PlanError((Problem(message, self._file, line, value=value),))

    def open(self, kind: Kind, line: int, anchor: str | None = None) -> None:
        """Begin a list or a mapping."""
        if len(self._frames) == MAX_DEPTH:
            self.refuse(line, f"values are nested more than {MAX_DEPTH} deep; a plan never is")
        self._frames.append(_Frame(Item(kind, self._line(line)), anchor))

    def close(self) -> None:
        """End the innermost list or mapping."""
        frame = self._frames.pop()
        for merged in frame.merged:
            for name, item in merged.entries.items():
                frame.item.entries.setdefault(name, item)
        self._add(frame.item, frame.anchor)

    def scalar(self, item: Item, anchor: str | None = None) -> None:
        """Add a single value."""
        item.line = self._line(item.line)
        self._add(item, anchor)

    def alias(self, anchor: str, line: int) -> None:
        """Add the value of an anchor once more."""
        if any(frame.anchor == anchor for frame in self._frames):
            self.refuse(line, f"*{anchor} is inside the value it stands for", anchor)
        if anchor not in self._anchors:
            self.refuse(line, f"*{anchor} has no &{anchor} before it", anchor)
        self._add(replace(self._anchors[anchor], line=self._line(line)), None)

    def _line(self, line: int) -> int:
        key = self._frames[-1].key if self._frames else None
        return line if key is None else key.line

    def _add(self, item: Item, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = item
        if not self._frames:
            self.root = item
            return
        frame = self._frames[-1]
        frame.item.size += item.size
        if frame.item.size > MAX_VALUES:
            self.refuse(item.line, f"the file stands for more than {MAX_VALUES:,} values")
        if frame.item.kind is Kind.LIST:
            frame.item.items.append(item)
        elif frame.key is None:
            if item.kind in (Kind.LIST, Kind.MAPPING):
                self.refuse(item.line, f"a key must be text, not {item.kind}")
            frame.key = item
        else:
            self._add_entry(frame, frame.key, item)
            frame.key = None

    def _add_entry(self, frame: _Frame, key: Item, item: Item) -> None:
        if key.kind is Kind.MERGE:
            merged = item.items if item.kind is Kind.LIST else [item]
            if any(each.kind is not Kind.MAPPING for each in merged):
                self.refuse(key.line, "<< merges mappings only")
            frame.merged += merged
        elif key.text in frame.item.entries:
            frame.item.repeated.append(key)
        else:
            frame.item.entries[key.text] = item
