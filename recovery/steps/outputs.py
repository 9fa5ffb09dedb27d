"""The outputs of a step, selected from its result."""

import json
from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import JsonValue

from recovery.steps.model import StepOutput
from recovery.steps.state import MAX_OUTPUT_BYTES


class OutputError(ValueError):
    """A result does not have the outputs of its step. The message says which, and why."""


def as_object(result: JsonValue) -> dict[str, JsonValue]:
    """A result that outputs are selected from: what is no object is its `Result`."""
    return result if isinstance(result, dict) else {"Result": result}


def selected_outputs(
    wanted: Mapping[str, StepOutput], result: Mapping[str, Any]
) -> dict[str, JsonValue]:
    """The outputs by name.

    Raises:
        OutputError: one is missing, or together they are too large.
    """
    found = {name: _selected(name, output.path, result) for name, output in wanted.items()}
    size = len(json.dumps(found, ensure_ascii=False).encode())
    if size > MAX_OUTPUT_BYTES:
        raise OutputError(
            f"its outputs have {size:,} bytes, and at most {MAX_OUTPUT_BYTES:,} are kept: select "
            "less of its result"
        )
    return found


def _selected(name: str, path: str, result: Mapping[str, Any]) -> JsonValue:
    try:
        value: JsonValue = jmespath.search(path, result)
    except JMESPathError as error:
        raise OutputError(f"its output {name} cannot be selected: {error}") from error
    if value is None:
        raise OutputError(f"its result has no value for output {name} ({path})")
    return value
