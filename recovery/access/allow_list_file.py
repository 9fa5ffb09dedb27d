"""Reads an allow-list, YAML or JSON, or raises all its problems."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recovery.access.allow_list import AllowedTargets, AllowList, AllowListFile
from recovery.plan.file.nodes import Kind, Node
from recovery.plan.file.problems import PlanError, printable
from recovery.plan.file.reader import read_document

_KEYS = {
    0: [field.alias for field in AllowListFile.model_fields.values()],
    2: [field.alias for field in AllowedTargets.model_fields.values()],
}


class AllowListError(ValueError):
    """An allow-list is not valid, so no worker may start with it; a line for each problem."""


def read_allow_list(file: Path) -> AllowList:
    """Read the file of an allow-list.

    Raises:
        AllowListError: it cannot be read, or is not valid; with all problems.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise AllowListError(f"{file}: this is not UTF-8 text; save the file as UTF-8") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AllowListError(f"{file}: the allow-list cannot be read: {reason}") from None
    return parse_allow_list(text, source=str(file))


def parse_allow_list(text: str, *, source: str) -> AllowList:
    """Check the text of an allow-list.

    Args:
        text: YAML or JSON.
        source: the file or setting that it is from.

    Raises:
        AllowListError: it is not valid; with all problems.
    """
    if not text.strip():
        raise AllowListError(f"{source}: the allow-list is empty; it needs Targets")
    try:
        root = read_document(text, source)
    except PlanError as error:
        hint = '; quote a glob that begins with *, as in ["*"]' if "*" in text else ""
        raise AllowListError(f"{error}{hint}") from None
    if root.kind is not Kind.MAPPING:
        raise AllowListError(f"{source}: the allow-list is {root.kind}; it needs the key Targets")
    problems = [
        f"{source}:{key.line}: key {printable(key.text)} is given twice; remove one of them"
        for key in _repeated(root)
    ]
    try:
        file = AllowListFile.model_validate(_plain(root))
    except ValidationError as error:
        problems += [_problem(root, detail, source) for detail in error.errors()]
    if problems:
        raise AllowListError("\n".join(problems))
    return AllowList(file.targets, source)


def _plain(node: Node) -> Any:
    """The node's value; each scalar is text as it is written, also an account without quotes."""
    match node.kind:
        case Kind.MAPPING:
            return {key: _plain(value) for key, value in node.entries.items()}
        case Kind.LIST:
            return [_plain(each) for each in node.items]
        case Kind.NULL:
            return None
        case _:
            return node.text


def _repeated(node: Node) -> list[Node]:
    below = [*node.entries.values(), *node.items]
    return [*node.repeated, *(key for each in below for key in _repeated(each))]


def _problem(root: Node, detail: Any, source: str) -> str:
    """A problem that pydantic found: its line, its place and what to do."""
    place: Sequence[str | int] = detail["loc"]
    line = _line_of(root, place)
    message = str(detail["msg"]).removeprefix("Value error, ")
    match detail["type"]:
        case "extra_forbidden":
            known = ", ".join(str(each) for each in _KEYS.get(len(place) - 1, []))
            message = f"unknown key, or one that has no effect yet; the keys here are {known}"
        case "missing":
            message = "it is missing"
        case "model_type":
            message = f"write a mapping with {', '.join(str(each) for each in _KEYS[2])}"
        case "tuple_type":
            message = "write a list, such as [us-west-2]"
        case "string_pattern_mismatch":
            message = "write 2 to 1,224 letters, digits or characters of _+=,.@:/-"
    where = "".join(f" entry {each + 1}" if isinstance(each, int) else f" {each}" for each in place)
    return f"{source}:{line}:{printable(where)}: {message}"


def _line_of(root: Node, place: Sequence[str | int]) -> int:
    """The line of a value, or of the last one around it."""
    node = root
    for step in place:
        if isinstance(step, int):
            below = node.items[step] if step < len(node.items) else None
        else:
            below = node.entries.get(step)
        if below is None:
            break
        node = below
    return node.line
