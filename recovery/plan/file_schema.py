"""The JSON Schema of a plan file, for editors: completion, and errors while typing.

It is made from what the reader reads by, and takes every file that the reader takes. The reader
also refuses what no schema can say, such as a reference to a step that runs later.
"""

from typing import Any

from pydantic_core import PydanticUndefined

from recovery.base_model import Model
from recovery.plan.file.draft import MOST_ENTRIES
from recovery.plan.file.keys import KINDS, LEVELS, SERVER, Key, Level, fields_of, level_of
from recovery.plan.file.meanings import about, meanings_of
from recovery.plan.file.reference import MODELS
from recovery.steps.model import StepKind

_KINDS_THAT_NEED_WHEN = (
    *(kind for kind in StepKind if kind.acts),
    StepKind.DNS,
    StepKind.ALARM,
    StepKind.TARGET_HEALTH,
)


def plan_file_schema() -> dict[str, Any]:
    """Return the schema of a plan file."""
    definitions: dict[str, Any] = {}
    levels = dict(zip(LEVELS, MODELS, strict=True))
    for level, model in levels.items():
        definitions[model.__name__] = _mapping(level, model, definitions)
    definitions["Wave"]["anyOf"] = [
        {"required": [key], "properties": {key: {"type": "array", "minItems": 1}}}
        for key in ("Servers", "ServerIds", "Steps")
    ]
    definitions["Wave"]["anyOf"].append(
        {"required": ["ServersByTag"], "properties": {"ServersByTag": {"type": "object"}}}
    )
    definitions["Step"]["oneOf"] = [
        {
            "required": [kind, "When"] if kind in _KINDS_THAT_NEED_WHEN else [kind],
            "properties": {kind: {"type": "object"}},
        }
        for kind in KINDS
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:drs-waves:plan",
        "title": "A recovery plan of drs-waves",
        **definitions.pop("RecoveryPlan"),
        "$defs": definitions,
    }


def _mapping(level: Level, model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    meanings = meanings_of(model)
    properties = {}
    for name, key in level.keys.items():
        value = _value(key, definitions)
        if name == "ServerIds":
            value = {"type": "array", "items": _value(SERVER.keys["SourceServerId"], definitions)}
        if name in MOST_ENTRIES:
            value["maxItems"] = MOST_ENTRIES[name]
        if name not in level.required:
            value = _or_blank(value)
        to_write = f" Write {key.expected}." if key.expected and not key.model else ""
        value["description"] = f"{meanings[name]}{to_write}"
        properties[name] = value | _default(model, name)
    return {
        "type": "object",
        "description": about(model),
        "properties": properties,
        "required": list(level.required),
        "additionalProperties": False,
    }


def _value(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of what the reader takes for a key."""
    if key.type == "array" and key.items:
        items = _value(key.items, definitions)
        least = max(key.least, 1) if key.choices else key.least
        return _sized({"type": "array", "items": items}, "Items", least, key.most)
    if key.items and key.names:
        values = _value(key.items, definitions)
        names = _value(key.names, definitions)
        mapping = {"type": "object", "additionalProperties": values, "propertyNames": names}
        return _sized(mapping, "Properties", key.least, key.most)
    if key.model is not None:
        return _reference(key.model, definitions)
    schema = key.check.json_schema()
    found: dict[str, Any] = schema.get("anyOf", [schema])[0]
    if "$ref" in found:
        found = schema["$defs"][found["$ref"].rpartition("/")[2]]
    return {name: each for name, each in found.items() if name not in ("title", "description")}


def _reference(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    level, name = level_of(model), model.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _mapping(level, model, definitions)
    reference = {"$ref": f"#/$defs/{name}"}
    if level.shorthand is None:
        return reference
    return {"anyOf": [_value(level.keys[level.shorthand], definitions), reference]}


def _sized(schema: dict[str, Any], what: str, least: int, most: int | None) -> dict[str, Any]:
    sizes = {f"min{what}": least or None, f"max{what}": most}
    return schema | {name: size for name, size in sizes.items() if size is not None}


def _or_blank(schema: dict[str, Any]) -> dict[str, Any]:
    """A key without a value counts as left out."""
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    match schema.get("type"):
        case str(given):
            return schema | {"type": [given, "null"]}
        case None if schema:
            return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _default(model: type[Model], name: str) -> dict[str, Any]:
    field = fields_of(model).get(name)
    if field is None or field.default in (None, "", [], {}, PydanticUndefined):
        return {}
    return {"default": field.default}
