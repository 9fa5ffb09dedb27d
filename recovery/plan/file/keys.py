"""The keys of a plan file, as the models have them."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue, TypeAdapter
from pydantic.fields import FieldInfo

from recovery.base_model import Model
from recovery.launch_settings.model import LaunchSettings, ServerLaunchSettings
from recovery.plan.model import (
    CHOSEN_AT_START,
    Dependency,
    PlanChannel,
    RecoveryPlan,
    RecoveryRules,
    Server,
    Wave,
)
from recovery.schedule.model import DrillSchedule, FreezeWindow
from recovery.steps.model import ManualInput, Step, StepKind, StepOutput

ModelType = type[Model]


@dataclass(frozen=True)
class Key:
    """What the models say about a key.

    Attributes:
        check: Validates its value.
        type: Its type in JSON Schema: "array" for a list, "object" for a mapping; "" for any JSON.
        expected: What to write.
        pattern: The pattern of a text; "" if it has none.
        choices: What a list of words may have; none for any other value.
        model: What a mapping, or each mapping of a list, is; None for other values.
        items: The values of a list or of a mapping whose names are free; None for other values.
        names: The names of such a mapping.
        least: How many values a list or such a mapping must have.
        most: How many it may have; None: any number.
    """

    check: TypeAdapter[Any]
    type: str
    expected: str
    pattern: str = ""
    choices: tuple[str, ...] = ()
    model: ModelType | None = None
    items: "Key | None" = None
    names: "Key | None" = None
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, eq=False)
class Level:
    """The keys of one kind of mapping.

    Attributes:
        name: Its name in problems.
        keys: The first one identifies the mapping, if one does.
        required: The keys that it must have.
        shorthand: The key whose value may stand for the whole mapping; None if there is none.
    """

    name: str
    keys: Mapping[str, Key]
    required: tuple[str, ...] = ()
    shorthand: str | None = None


def _key(annotation: Any, schema: Mapping[str, Any], known: Mapping[str, Any]) -> Key:
    """What the models say about a value.

    Args:
        annotation: Its type.
        schema: Its JSON Schema.
        known: The definitions that the schema refers to.
    """
    # A value that may be left out is any of its own type and null.
    schema = schema.get("anyOf", [schema])[0]
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    inner = _without_null(annotation)
    model = inner if isinstance(inner, type) and issubclass(inner, Model) else None
    names, values = {list: (None, *get_args(inner)), dict: get_args(inner)}.get(
        get_origin(inner), (None, None)
    )
    item = None if values is None else _key_of(values)
    choices: tuple[str, ...] = item.choices if item else ()
    expected = schema.get("description", "")
    if words := schema.get("enum"):
        expected = f"one of {', '.join(words)}"
    elif inner is JsonValue:
        expected = "any JSON"
    elif item is not None:
        of = ", ".join(item.choices) or item.expected
        listed = f"a list of {of}" if item.choices else f"a list; each entry is {of}"
        expected = listed if names is None else f"a mapping of names to {of}"
    return Key(
        TypeAdapter(annotation),
        schema.get("type", ""),
        expected,
        schema.get("pattern", ""),
        tuple(schema.get("enum", choices)),
        model or (item.model if item else None),
        item,
        None if names is None else _key_of(names),
        schema.get("minItems", schema.get("minProperties", 0)),
        schema.get("maxItems", schema.get("maxProperties")),
    )


@cache
def _key_of(annotation: Any) -> Key:
    schema = TypeAdapter(annotation).json_schema()
    return _key(annotation, schema, schema.get("$defs", {}))


def _without_null(annotation: Any) -> Any:
    """A type without its constraints, and without None."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = get_args(annotation)[0]
    return annotation


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model, by their keys in a file."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return {key: field for key, field in fields.items() if key not in CHOSEN_AT_START}


def _keys(model: type[BaseModel]) -> dict[str, Key]:
    schema = model.model_json_schema()
    return {
        key: _key(field.rebuild_annotation(), schema["properties"][key], schema.get("$defs", {}))
        for key, field in fields_of(model).items()
    }


PLAN_KEYS = _keys(RecoveryPlan)
WAVE_KEYS = _keys(Wave)
WAVE_KEYS["ServerIds"] = WAVE_KEYS["Servers"]
WAVE_KEYS["PauseBeforeWave"] = WAVE_KEYS["ApprovalRequired"]
# Any text, because a wave whose WaveId is malformed is reported there.
_depends_on = _keys(Dependency)["DependsOnWaveId"]
_DEPENDENCY_KEYS = {"DependsOnWaveId": replace(_depends_on, check=TypeAdapter(str))}

PLAN = Level("the plan", PLAN_KEYS, ("PlanId",))
RECOVERY = Level("Recovery", _keys(RecoveryRules))
WAVE = Level("a wave", WAVE_KEYS, ("WaveId",))
SERVER = Level("an entry of Servers", _keys(Server), ("SourceServerId",), "SourceServerId")
DEPENDENCY = Level(
    "an entry of Dependencies", _DEPENDENCY_KEYS, ("DependsOnWaveId",), "DependsOnWaveId"
)
CHANNEL = Level("an entry of Notify", _keys(PlanChannel), ("Channel",), "Channel")
STEP = Level("a step", _keys(Step), ("StepId",))
SETTINGS = Level("LaunchSettings of the plan or a wave", _keys(LaunchSettings))
SERVER_SETTINGS = Level("LaunchSettings of a server", _keys(ServerLaunchSettings))
SCHEDULE = Level("Schedule", _keys(DrillSchedule), ("Cron", "CleanupAfter"))
FREEZE = Level("an entry of Freeze", _keys(FreezeWindow), ("From", "To"))
# The kinds' levels have the names of their keys.
LEVELS = (
    PLAN,
    RECOVERY,
    WAVE,
    SERVER,
    DEPENDENCY,
    CHANNEL,
    STEP,
    SETTINGS,
    SERVER_SETTINGS,
    SCHEDULE,
    FREEZE,
)
_LEVELS: dict[type[Model], Level] = {
    RecoveryRules: RECOVERY,
    LaunchSettings: SETTINGS,
    ServerLaunchSettings: SERVER_SETTINGS,
    DrillSchedule: SCHEDULE,
    FreezeWindow: FREEZE,
}
_NAMES: dict[type[Model], str] = {
    StepOutput: "an entry of Outputs",
    ManualInput: "an entry of Inputs",
}
_SHORTHANDS: dict[type[Model], str] = {StepOutput: "Path"}
KINDS = {kind.value: model for kind in StepKind if (model := STEP.keys[kind].model)}


@cache
def level_of(model: type[Model]) -> Level:
    """The level of a mapping inside another one."""
    if model in _LEVELS:
        return _LEVELS[model]
    required = tuple(key for key, field in fields_of(model).items() if field.is_required())
    name = _NAMES.get(model, model.__name__)
    return Level(name, _keys(model), required, _SHORTHANDS.get(model))


@cache
def nearest(key: str, known: tuple[str, ...]) -> str | None:
    """The known name that one resembles, if any."""
    plain = {plain_key(each): each for each in known}
    # Longer keys are no typos, and comparing them is slow.
    matches = difflib.get_close_matches(plain_key(key), plain, n=1) if len(key) <= 40 else []
    return plain[matches[0]] if matches else None


def plain_key(key: str) -> str:
    """A key without what people write differently."""
    return key.replace("_", "").replace("-", "").replace(" ", "").lower()
