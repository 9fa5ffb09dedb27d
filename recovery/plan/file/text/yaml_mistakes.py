"""Says in plain words why a text is not YAML, with the lines that show it."""

import re

from recovery.plan.file.problems import printable
from recovery.plan.file.text.nodes import MAX_DEPTH

_INDENT = re.compile(r"[ ]*(?:-[ ]+)*")
_TAB = re.compile(r"[ -]*\t")
_KEY = re.compile(r"[^#]*?:(\s|$)")
_COLUMN_PROBLEMS = ("did not find expected key", "did not find expected '-' indicator")
_NEVER_CLOSED = (
    "did not find expected ',' or",
    "did not find expected node content",
    "found unexpected end of stream",
)


def yaml_mistake(
    text: str, what: str, line: int, begun: int | None
) -> tuple[int, str, tuple[str, ...]]:
    """Explain an error of libyaml.

    Args:
        text: The text that is not YAML.
        what: The error, in libyaml's words.
        line: Its line, counted from 1.
        begun: The line where the value around it begins.

    Returns:
        The line of the mistake, what to do about it, and the two lines that show it.
    """
    lines = text.splitlines() or [""]
    line = min(line, len(lines))
    while line > 1 and not _is_content(lines[line - 1]):
        line -= 1
    above = next((n for n in range(line - 1, 0, -1) if _is_content(lines[n - 1])), line)
    tabs = [n for n in (line, above) if _TAB.match(lines[n - 1])]
    if tabs:
        line = tabs[0]
        message = f"line {line} is indented with a tab; indent with spaces"
    elif "maximum nesting depth" in what:
        message = f"values are nested more than {MAX_DEPTH} deep; a plan never is"
    elif any(each in what for each in _NEVER_CLOSED) and begun is not None:
        above = min(begun, line)
        message = f"a quote or bracket of line {above} is never closed, or a comma is wrong"
    elif "could not find expected ':'" in what:
        line, above = min(begun or line, line), line
        message = f'line {line} has no "key: value"; write a colon and a space after the key'
    else:
        message = _of_columns(lines, what, line, above)
    shown = sorted({above, line})
    return line, message, tuple(f"{n} | {printable(lines[n - 1])}" for n in shown)


def _of_columns(lines: list[str], what: str, line: int, above: int) -> str:
    here, there = _column(lines[line - 1]), _column(lines[above - 1])
    differ = (
        f"line {line} begins after {here} spaces, the key in line {above} after {there}; "
        "begin the keys of one mapping in the same column"
    )
    is_mapping = "mapping values are not allowed" in what
    is_columns = any(each in what for each in _COLUMN_PROBLEMS)
    if (is_mapping and here > there) or (is_columns and not is_mapping and here != there):
        return f"the indentation is wrong: {differ}"
    if is_mapping:
        if not _KEY.match(lines[above - 1]):
            return f'line {above} has no "key: value"; write a colon and a space after the key'
        return f"a value in line {line} has a colon in it; put the value in quotes"
    if is_columns:
        return f"line {line} does not fit below line {above}; check quotes, commas and brackets"
    if "cannot start any token" in what:
        return f"a value in line {line} begins with a character of YAML's own; put it in quotes"
    return what


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _column(line: str) -> int:
    found = _INDENT.match(line)
    return found.end() if found else 0
