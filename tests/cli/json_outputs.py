"""Checks what commands print with `--json` against its documented schema."""

import json
from collections.abc import Sequence

from jsonschema_rs import validate

from cli.json_schemas import OUTPUTS, schema_document

_DOCUMENT = schema_document()


def check(command: str, printed: str) -> None:
    """Check an output against the schema of its command."""
    schema = _DOCUMENT["properties"][command] | {"$defs": _DOCUMENT["$defs"]}
    validate(schema, json.loads(printed))


def check_result(words: Sequence[str], printed: str) -> None:
    """Check what a command with these words printed, if it was to print JSON and did."""
    if "--json" in words and printed.strip():
        plain = [word.replace("_", "-") for word in words]
        found = (name for name in OUTPUTS if plain[: len(name.split())] == name.split())
        check(max(found, key=len), printed)
