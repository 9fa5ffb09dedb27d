"""Reads a model that people write as a file, YAML or JSON, or raises all its problems."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from recovery.base_model import Model
from recovery.plan.file.keys import nearest
from recovery.plan.file.problems import PlanError, printable
from recovery.plan.file.reader import read_document
from recovery.plan.file.text.nodes import Kind, Node

M = TypeVar("M", bound=Model)


class ModelFileError(ValueError):
    """A file of an installation is not valid, so no worker may start; a line for each problem."""


def read_model(file: Path, model: type[M], *, what: str) -> M:
    """Read a file.

    Args:
        file: YAML or JSON.
        model: what it must hold.
        what: the file, as problems name it.

    Raises:
        ModelFileError: it cannot be read, or is not valid; with all problems.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ModelFileError(f"{file}: this is not UTF-8 text; save the file as UTF-8") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelFileError(f"{file}: {what} cannot be read: {reason}") from None
    return parse_model(text, model, source=str(file), what=what)


def parse_model(text: str, model: type[M], *, source: str, what: str) -> M:
    """Check the text of such a file.

    Args:
        text: YAML or JSON.
        model: what it must hold.
        source: the file or setting that it is from.
        what: the file, as problems name it.

    Raises:
        ModelFileError: it is not valid; with all problems.
    """
    needed = ", ".join(_keys(model))
    if not text.strip():
        raise ModelFileError(f"{source}: {what} is empty; it needs {needed}")
    try:
        root = read_document(text, source)
    except PlanError as error:
        hint = '; quote a text that begins with *, as in ["*"]' if "*" in text else ""
        raise ModelFileError(f"{error}{hint}") from None
    if root.kind is not Kind.MAPPING:
        raise ModelFileError(f"{source}: {what} is {root.kind}; it needs the key {needed}")
    problems = [
        f"{source}:{key.line}: key {printable(key.text)} is given twice; remove one of them"
        for key in _repeated(root)
    ]
    try:
        value = model.model_validate(_plain(root))
    except ValidationError as error:
        problems += [_problem(root, model, detail, source) for detail in error.errors()]
    if problems:
        raise ModelFileError("\n".join(problems))
    return value


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


class _Place:
    """The place of a problem.

    Attributes:
        names: how it is named, step by step.
        node: the value, or the last one around it.
        model: the model of the value, or the last one around it.
        key: its key, if it has one.
        expected: what its field says that it should be.
    """

    def __init__(self, root: Node, model: type[BaseModel], steps: Sequence[str | int]) -> None:
        self.names: list[str] = []
        self.node, self.model = root, model
        self.key = self.expected = ""
        for step in steps:
            if isinstance(step, int):
                self.names.append(f"entry {step + 1}")
                if step < len(self.node.items):
                    self.node = self.node.items[step]
                continue
            field = next((f for f in self.model.model_fields.values() if f.alias == step), None)
            if field is None and step not in self.node.entries:
                # It names a member of a union.
                continue
            self.names.append(step)
            self.key, self.expected = step, (field and field.description) or ""
            self.node = self.node.entries.get(step, self.node)
            if field is not None:
                self.model = _model_in(field.annotation) or self.model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in the type of a field, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _keys(model: type[BaseModel]) -> list[str]:
    return [str(field.alias) for field in model.model_fields.values()]


def _problem(root: Node, model: type[Model], detail: Any, source: str) -> str:
    """A problem that pydantic found: its line, its place and what to do.

    Without the value: it may be a secret in the wrong place.
    """
    place = _Place(root, model, detail["loc"])
    keys = _keys(place.model)
    message = str(detail["msg"]).removeprefix("Value error, ")
    match detail["type"]:
        case "extra_forbidden":
            message = "unknown key, or one that has no effect yet; the keys here are "
            message += f"{', '.join(keys)}{_did_you_mean(place.key, keys)}"
        case "missing":
            message = "it is missing"
        case "model_type":
            message = f"write a mapping with {_listed(keys)}"
        case "tuple_type" | "list_type":
            message = "write a list, such as [one, two]"
        case "too_short":
            message = "the list is empty; name at least one"
        case "bool_parsing":
            message = "write true or false"
        case "string_pattern_mismatch" if place.expected:
            message = f"write {place.expected}"
        case "enum":
            choices = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
            message = f"write {_listed(choices)}{_did_you_mean(place.node.text, choices)}"
    where = "".join(f" {printable(name)}" for name in place.names)
    return f"{source}:{place.node.line}:{where}: {message}"


def _listed(names: Sequence[str]) -> str:
    """`A, B or C`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _did_you_mean(text: str, known: Sequence[str]) -> str:
    found = nearest(text, tuple(known))
    return "" if found is None else f"; did you mean {found}?"
