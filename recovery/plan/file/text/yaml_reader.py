"""Parses YAML into nodes with line numbers.

Read event by event: PyYAML's own composer recurses, and its constructors lose the lines.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from recovery.plan.file.problems import printable
from recovery.plan.file.text.nodes import Kind, Node, NodeBuilder
from recovery.plan.file.text.yaml_mistakes import yaml_mistake

# libyaml is about ten times faster; PyYAML's wheels include it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# PyYAML has no type hints for the parts that resolve and construct a single scalar.
_resolver: Any = Resolver()
_constructor: Any = SafeConstructor()

_KINDS = {
    "null": Kind.NULL,
    "bool": Kind.BOOLEAN,
    "int": Kind.NUMBER,
    "float": Kind.NUMBER,
    "timestamp": Kind.DATE,
    "merge": Kind.MERGE,
}


def read_yaml(text: str, builder: NodeBuilder) -> Node:
    """Read one YAML document.

    Raises:
        PlanError: It is not YAML, or uses YAML features that plans do not allow.
    """
    events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
    try:
        for event in events:
            line = event.start_mark.line + 1
            match event:
                case yaml.DocumentStartEvent() if builder.root is not None:
                    builder.reject(line, "a second document begins; write one plan to a file")
                case yaml.ScalarEvent():
                    builder.scalar(_yaml_scalar(event, line, builder), event.anchor)
                case yaml.AliasEvent():
                    builder.alias(event.anchor or "", line)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    if event.tag not in (None, "!"):
                        _reject_tag(event.tag, line, builder)
                    is_list = isinstance(event, yaml.SequenceStartEvent)
                    builder.open(Kind.LIST if is_list else Kind.MAPPING, line, event.anchor)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    builder.close()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        begun = error.context_mark.line + 1 if error.context_mark else None
        line, message, excerpt = yaml_mistake(text, what, mark.line + 1 if mark else 1, begun)
        builder.reject(line, f"this is not valid YAML: {message}", excerpt=excerpt)
    except yaml.YAMLError as error:
        builder.reject(None, f"this is not valid YAML: {printable(' '.join(str(error).split()))}")
    return builder.finish()


def _yaml_scalar(event: yaml.ScalarEvent, line: int, builder: NodeBuilder) -> Node:
    text = event.value
    if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
        _reject_tag(event.tag, line, builder)
    if event.tag is not None or not event.implicit[0]:
        return Node(Kind.TEXT, line, text, text)
    tag = _resolver.resolve(yaml.ScalarNode, text, event.implicit)
    kind = _KINDS.get(tag.rpartition(":")[2], Kind.TEXT)
    if kind is Kind.NUMBER and ":" in text:
        # YAML 1.1 reads 1:30 as 90, to the base 60, which no author of a plan means.
        kind = Kind.TEXT
    return Node(kind, line, text, _value(kind, text, tag))


def _value(kind: Kind, text: str, tag: str) -> str | int | float | bool | None:
    if kind in (Kind.BOOLEAN, Kind.NUMBER):
        construct: Any = SafeConstructor.yaml_constructors[tag]
        try:
            value: int | float | bool = construct(_constructor, yaml.ScalarNode(tag, text))
        except ValueError:
            # Python refuses to convert integers of thousands of digits.
            return float("inf")
        return value
    return text if kind is Kind.TEXT else None


def _reject_tag(tag: str, line: int, builder: NodeBuilder) -> NoReturn:
    builder.reject(line, f"the YAML tag {printable(tag)} is not supported; leave it out", tag)
