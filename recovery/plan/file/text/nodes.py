"""Values of a plan file with their line numbers.

Built without recursion, so that deep nesting is an ordinary problem of the file. An aliased value
is shared, not copied, and counted each time, so that a few lines of aliases cannot expand to
millions of values.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn

from recovery.plan.file.problems import PlanError, Problem

MAX_DEPTH = 50
MAX_VALUES = 500_000


class Kind(StrEnum):
    """The type of a value, as shown in messages."""

    TEXT = "text"
    NUMBER = "a number"
    BOOLEAN = "a yes or no"
    DATE = "a date"
    NULL = "nothing"
    LIST = "a list"
    MAPPING = "a mapping"
    MERGE = "a merge key"


@dataclass(slots=True)
class Node:
    """A value and its line.

    Attributes:
        kind: Its type.
        line: Its line, counted from 1; for a mapping's value the line of its key.
        text: A scalar as it is written; "" for lists and mappings.
        value: A scalar's value; None for lists and mappings.
        items: A list's items.
        entries: A mapping's values by key.
        repeated: A mapping's repeated keys; the first ones count.
        size: The number of values in it when all aliases are expanded, itself included.
    """

    kind: Kind
    line: int
    text: str = ""
    value: str | int | float | bool | None = None
    items: list["Node"] = field(default_factory=list)
    entries: dict[str, "Node"] = field(default_factory=dict)
    repeated: list["Node"] = field(default_factory=list)
    size: int = 1

    @property
    def is_scalar(self) -> bool:
        """Whether it is a single value that is not null."""
        return self.kind not in (Kind.LIST, Kind.MAPPING, Kind.NULL)


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is not closed yet."""

    node: Node
    anchor: str | None
    key: Node | None = None
    merged: list[Node] = field(default_factory=list)


class NodeBuilder:
    """Builds the tree of nodes without recursion."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self._file = file
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node] = {}

    def finish(self) -> Node:
        """Return the whole document."""
        if self.root is None:
            self.reject(None, "the file is empty; a plan needs PlanId and Waves")
        return self.root

    def reject(
        self,
        line: int | None,
        message: str,
        value: str | None = None,
        *,
        excerpt: tuple[str, ...] = (),
    ) -> NoReturn:
        """Raise a problem that ends the reading."""
        raise PlanError((Problem(message, self._file, line, value=value, excerpt=excerpt),))

    def open(self, kind: Kind, line: int, anchor: str | None = None) -> None:
        """Begin a list or a mapping."""
        if len(self._frames) == MAX_DEPTH:
            self.reject(line, f"values are nested more than {MAX_DEPTH} deep; a plan never is")
        self._frames.append(_Frame(Node(kind, self._line(line)), anchor))

    def close(self) -> None:
        """End the innermost list or mapping."""
        frame = self._frames.pop()
        for merged in frame.merged:
            for name, node in merged.entries.items():
                frame.node.entries.setdefault(name, node)
        self._add(frame.node, frame.anchor)

    def scalar(self, node: Node, anchor: str | None = None) -> None:
        """Add a single value."""
        node.line = self._line(node.line)
        self._add(node, anchor)

    def alias(self, anchor: str, line: int) -> None:
        """Add the value of an anchor again."""
        if any(frame.anchor == anchor for frame in self._frames):
            self.reject(line, f"*{anchor} is inside the value it stands for", anchor)
        if anchor not in self._anchors:
            self.reject(line, f"*{anchor} has no &{anchor} before it", anchor)
        self._add(replace(self._anchors[anchor], line=self._line(line)), None)

    def _line(self, line: int) -> int:
        key = self._frames[-1].key if self._frames else None
        return line if key is None else key.line

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.node.size += node.size
        if frame.node.size > MAX_VALUES:
            self.reject(node.line, f"the file stands for more than {MAX_VALUES:,} values")
        if frame.node.kind is Kind.LIST:
            frame.node.items.append(node)
        elif frame.key is None:
            if node.kind in (Kind.LIST, Kind.MAPPING):
                self.reject(node.line, f"a key must be text, not {node.kind}")
            frame.key = node
        else:
            self._add_entry(frame, frame.key, node)
            frame.key = None

    def _add_entry(self, frame: _Frame, key: Node, node: Node) -> None:
        if key.kind is Kind.MERGE:
            merged = node.items if node.kind is Kind.LIST else [node]
            if any(each.kind is not Kind.MAPPING for each in merged):
                self.reject(key.line, "<< merges mappings only")
            frame.merged += merged
        elif key.text in frame.node.entries:
            frame.node.repeated.append(key)
        else:
            frame.node.entries[key.text] = node
