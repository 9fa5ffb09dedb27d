"""Parses JSON into nodes with line numbers.

Python's own reader checks the syntax, but does not give the lines of values. Valid JSON
then only needs a pass over its tokens.
"""

import json
import re
from typing import NoReturn

from recovery.plan.file.nodes import MAX_DEPTH, Kind, Node, NodeBuilder

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|[^\s{}\[\]:,"]+|\n')


def is_json(text: str) -> bool:
    """Return whether the text is JSON."""
    try:
        _load_json(text)
    except (ValueError, RecursionError):
        return False
    return True


def _load_json(text: str) -> None:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a JSON number")

    # Numbers stay text here, because Python refuses to convert integers of thousands of digits.
    json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)


def _validate(text: str, builder: NodeBuilder) -> None:
    try:
        _load_json(text)
    except json.JSONDecodeError as error:
        what = f"{error.msg[:1].lower()}{error.msg[1:]}"
        builder.reject(error.lineno, f"this is not valid JSON: {what} (column {error.colno})")
    except ValueError as error:
        builder.reject(None, f"this is not valid JSON: {error}")
    except RecursionError:
        builder.reject(None, f"values are nested more than {MAX_DEPTH} deep; a plan never is")


def read_json(text: str, builder: NodeBuilder) -> Node:
    """Read one JSON value.

    Raises:
        PlanError: It is not JSON.
    """
    _validate(text, builder)
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
                builder.scalar(_json_scalar(token, line))
    return builder.finish()


def _json_scalar(token: str, line: int) -> Node:
    match token[0]:
        case '"':
            text = json.loads(token)
            return Node(Kind.TEXT, line, text, text)
        case "t" | "f":
            return Node(Kind.BOOLEAN, line, token, token == "true")
        case "n":
            return Node(Kind.NULL, line, token)
    try:
        return Node(Kind.NUMBER, line, token, json.loads(token))
    except ValueError:
        return Node(Kind.NUMBER, line, token, float("inf"))
