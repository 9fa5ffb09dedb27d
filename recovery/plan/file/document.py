"""Parses the text of a plan file, YAML or JSON, into nodes with line numbers."""

import re

from recovery.plan.file.json_reader import is_json, read_json
from recovery.plan.file.nodes import Node, NodeBuilder
from recovery.plan.file.yaml_reader import read_yaml

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_document(text: str, file: str) -> Node:
    """Read YAML or JSON.

    A file named `.json` must be JSON. Any other is YAML, of which JSON is one spelling.

    Args:
        text: The file's text.
        file: What to call the file in problems.

    Raises:
        PlanError: The text cannot be read as a whole.
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
    if file.lower().endswith(".json"):
        return read_json(text, builder)
    if text.lstrip().startswith(("{", "[")) and is_json(text):
        return read_json(text, builder)
    return read_yaml(text, builder)
