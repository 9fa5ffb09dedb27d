"""Parses JSON into nodes with line numbers.

Python's own reader checks the syntax, but does not give the lines of values. Valid JSON
then only needs a pass over its tokens.
"""

import json
import re
from typing import NoReturn

from recovery.plan.file.text.nodes import MAX_DEPTH, Kind, Node, NodeBuilder

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|[^\s{}\[\]:,"]+|\n')


def json_mistake(text: str) -> tuple[int | None, str] | None:
    """Return the line of what is not JSON, and the reason; None if the text is JSON."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a JSON number")

    try:
        # Numbers stay text, because Python refuses to convert integers of thousands of digits.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)
    except json.JSONDecodeError as error:
        what = f"{error.msg[:1].lower()}{error.msg[1:]}"
        return error.lineno, f"this is not valid JSON: {what} (column {error.colno})"
    except ValueError as error:
        return None, f"this is not valid JSON: {error}"
    except RecursionError:
        return None, f"values are nested more than {MAX_DEPTH} deep; a plan never is"
    return None


def read_json(text: str, builder: NodeBuilder) -> Node:
    """Read one JSON value; the text is valid JSON."""
    line = 1
    for token in _TOKEN.findall(text):
        match token[0]:
            case "\n":
                line += 1
            case "{":
                builder.open(Kind.MAPPING, line)
            case "[":
                builder.open(Kind.LIST, line)
            case "}" | "]":
                builder.close()
            case _:
                builder.scalar(_scalar(token, line))
    return builder.finish()


def _scalar(token: str, line: int) -> Node:
    try:
        value = json.loads(token)
    except ValueError:
        value = float("inf")
    match value:
        case None:
            return Node(Kind.NULL, line, token)
        case bool():
            return Node(Kind.BOOLEAN, line, token, value)
        case str():
            return Node(Kind.TEXT, line, value, value)
        case _:
            return Node(Kind.NUMBER, line, token, value)
