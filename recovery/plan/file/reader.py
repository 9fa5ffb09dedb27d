"""Reads a plan file, YAML or JSON, into the frozen plan, or raises all its problems."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from recovery.plan.file.checks import check_plan
from recovery.plan.file.draft import PlanDraft
from recovery.plan.file.keys import plain_key
from recovery.plan.file.problems import (
    PlanError,
    Problem,
    Report,
    in_line_order,
    unusual_characters,
)
from recovery.plan.file.regions import KnownRegions
from recovery.plan.file.text.json_reader import json_mistake, read_json
from recovery.plan.file.text.nodes import Kind, Node, NodeBuilder
from recovery.plan.file.text.yaml_reader import read_yaml
from recovery.plan.limits import MAX_START_BYTES, start_bytes
from recovery.plan.model import RecoveryPlan

__all__ = ["PlanError", "Problem", "ReadPlan", "parse_plan", "read_plan"]

_OWN_KEYS = ("planid", "waves")
MAX_BYTES = 5_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Where only spaces may be: in the indentation, before a key, or beside its colon.
_NO_WORD = r"[^\w\x00-\x7f]"
_MAY_BE_SPACE = re.compile(rf"(?m)^[ \t\-{{\[]*({_NO_WORD})|:({_NO_WORD})|({_NO_WORD}):")


@dataclass(frozen=True)
class ReadPlan:
    """A valid plan.

    Attributes:
        plan: The frozen plan.
        warnings: What the author of the file should know, in the order of its lines.
        file: The file, as the user named it.
    """

    plan: RecoveryPlan
    warnings: tuple[Problem, ...]
    file: str


def read_plan(path: Path, *, regions: KnownRegions) -> ReadPlan:
    """Read and check a plan file.

    Args:
        path: A YAML or JSON file; it is JSON if its name ends in `.json`.
        regions: The Regions that AWS's SDK knows.

    Raises:
        PlanError: The file cannot be read, or is no valid plan; with all problems.
    """
    return parse_plan(_text_of(path), file=str(path), regions=regions)


def parse_plan(text: str, *, file: str, regions: KnownRegions) -> ReadPlan:
    """Check the text of a plan file.

    Args:
        text: YAML or JSON.
        file: The file's name in problems; its extension says whether it must be JSON.
        regions: The Regions that AWS's SDK knows.

    Raises:
        PlanError: The text is no valid plan; with all problems.
    """
    report = Report(file)
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise _unreadable(file, f"the text is larger than {MAX_BYTES // 1_000_000} MB; split it")
    try:
        root = read_document(text, file)
    except PlanError as error:
        raise _with_invisible_characters(error, text) from None
    if root.kind is not Kind.MAPPING:
        what = "the file is empty" if root.kind is Kind.NULL else f"the file holds {root.kind}"
        raise _unreadable(file, f"{what}; a plan is a mapping with PlanId and Waves", root.line)
    draft = PlanDraft(root, report)
    check_plan(draft, regions)
    report.raise_if_any()
    plan = RecoveryPlan.model_validate(draft.content())
    if (size := start_bytes(plan)) > MAX_START_BYTES:
        given, taken = (each / 1024**2 for each in (size, MAX_START_BYTES))
        message = f"the start of the plan has {given:.1f} MB, but Temporal takes {taken:g} MB"
        raise _unreadable(file, f"{message}; shorten its texts, or split it")
    return ReadPlan(plan, in_line_order(report.warnings), file)


def is_plan_file(path: Path) -> bool:
    """Whether a file has a plan's keys; also if it cannot be read, of which `read_plan` says why.

    A portfolio, a scenario of the sandbox or another file beside plans has none of them.
    """
    try:
        root = read_document(_text_of(path), str(path))
    except PlanError:
        return True
    return any(plain_key(key) in _OWN_KEYS for key in root.entries)


def read_document(text: str, file: str) -> Node:
    """Read a file named `.json` as JSON, any other as YAML, of which JSON is one spelling.

    Raises:
        PlanError: The text is neither.
    """
    text = text.removeprefix("\ufeff")
    builder = NodeBuilder(file)
    if not text.strip():
        builder.reject(None, "the file is empty; a plan needs PlanId and Waves")
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        code = f"U+{ord(found.group()):04X}"
        builder.reject(line, f"there is a control character ({code}); save the file as plain text")
    try:
        text.encode()
    except UnicodeEncodeError:
        builder.reject(None, "the text is not valid Unicode; save the file as UTF-8")
    must_be_json = file.lower().endswith(".json")
    if must_be_json or text.lstrip().startswith(("{", "[")):
        mistake = json_mistake(text)
        if mistake is None:
            return read_json(text, builder)
        if must_be_json:
            builder.reject(*mistake)
    return read_yaml(text, builder)


def _text_of(path: Path) -> str:
    file = str(path)
    try:
        with path.open("rb") as opened:
            # One byte more than allowed: the size of a pipe is not known beforehand.
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(file, "there is no such file; check the path") from None
    except IsADirectoryError:
        raise _unreadable(file, "this is a directory; name a plan file in it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _unreadable(file, f"the file cannot be read: {reason}") from None
    except ValueError:
        raise _unreadable(file, "this is not a file name; check the path") from None
    if len(content) > MAX_BYTES:
        size = f"{MAX_BYTES // 1_000_000} MB"
        raise _unreadable(file, f"the file is larger than {size}; is it a plan?")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(file, "the file is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(file, "this is not UTF-8 text; save the file as UTF-8", line) from None


def _with_invisible_characters(error: PlanError, text: str) -> PlanError:
    """Name the last character up to a mistake that looks like a space and is none."""
    (problem,) = error.problems
    until = "\n".join(text.split("\n")[: problem.line])
    found = [each for each in _MAY_BE_SPACE.finditer(until) if not _is_visible(each)]
    if not found:
        return error
    line = until.count("\n", 0, found[-1].end()) + 1
    named = unusual_characters(found[-1].group())
    message = f"{problem.message}; line {line} has {named} in place of a space"
    return PlanError((replace(problem, message=message, line=problem.line or line),))


def _is_visible(found: re.Match[str]) -> bool:
    return "".join(filter(None, found.groups())).isprintable()


def _unreadable(file: str, message: str, line: int | None = None) -> PlanError:
    return PlanError((Problem(message, file, line),))
