"""The reference of all keys of a plan file, `docs/plan.md`."""

from pydantic_core import PydanticUndefined

from recovery.base_model import Model
from recovery.launch_settings.model import LaunchSettings, ServerLaunchSettings
from recovery.plan.file.keys import KINDS, LEVELS, Level, fields_of, level_of
from recovery.plan.file.meanings import about, meanings_of
from recovery.plan.model import Dependency, PlanChannel, RecoveryPlan, RecoveryRules, Server, Wave
from recovery.schedule.model import DrillSchedule, FreezeWindow
from recovery.steps.model import ManualInput, Step, StepKind, StepOutput
from recovery.steps.reference_places import WITHOUT_REFERENCES, places_for_references

MODELS: tuple[type[Model], ...] = (
    RecoveryPlan,
    RecoveryRules,
    Wave,
    Server,
    Dependency,
    PlanChannel,
    Step,
    LaunchSettings,
    ServerLaunchSettings,
    DrillSchedule,
    FreezeWindow,
)
_LISTS = {
    "Recovery": "a mapping, as below",
    "LaunchSettings": "a mapping, as below",
    "DrillLaunchSettings": "a mapping as LaunchSettings, as below",
    "Notify": "a list of mappings, as below",
    "Schedule": "a mapping, as below",
    "Freeze": "a list of mappings, as below",
    "Waves": "a list of waves",
    "Servers": "a list of mappings, as below",
    "ServerIds": "a list of source server IDs",
    "ServersByTag": "a mapping of the names of tags to their values",
    "Dependencies": "a list of mappings, as below",
    "PreLaunchSteps": "a list of steps, as below",
    "PostLaunchSteps": "a list of steps, as below",
    "Steps": "a list of steps, as below",
    "Outputs": "a mapping of names to a text, the Path, or to a mapping, as below",
    "Inputs": "a list of mappings, as below",
    **dict.fromkeys(KINDS, "a mapping, as below"),
}
_BEGINNING = """\
# Keys of a plan file

<!-- Written by `make references` from the models; a test compares them. -->

A plan file is YAML or JSON. Other keys than these are errors; `drs-waves validate` lists all
problems of a file. A key without a value counts as left out.

`drs-waves schema plan` prints a JSON Schema, [plan.schema.json](plan.schema.json). An editor
completes keys and shows errors if the first line of a plan is
`# yaml-language-server: $schema=plan.schema.json`.
"""
_REFERENCES = """
## References

Values of steps may have references: `${ExecutionId}`, `${ExecutionType}`, `${PlanId}`,
`${WaveId}`, `${Servers.<ID>.<InstanceId|PrivateIp|Name>}` and
`${Steps.<WaveId>.<StepId>.<output>}`; `$${` is a literal `${`. What a reference names must be
known when the step runs: an earlier step of the wave or a step of a wave that this one waits for,
in the same kind of execution; a server of such a wave, or of the own wave after its launch. The
outputs of a manual step are its required Inputs. A text that is one reference alone becomes the
value itself. References may stand only where a value is sent as a value:

| kind | keys |
|---|---|
"""


def reference() -> str:
    """Return the document: each level of a plan file with its keys."""
    below: list[type[Model]] = [*KINDS.values(), StepOutput, ManualInput]
    parts = [_BEGINNING]
    levels: list[tuple[Level, type[Model]]] = [*zip(LEVELS, MODELS, strict=True)]
    levels += [(level_of(each), each) for each in below]
    for level, model in levels:
        beginning = "" if level in LEVELS else f"{about(model)}\n\n"
        parts.append(f"\n## {level.name[0].upper()}{level.name[1:]}\n\n{beginning}")
        parts.append("| key | value | default | meaning |\n|---|---|---|---|\n")
        parts += _rows(level, model)
    parts.append(_REFERENCES)
    for kind in StepKind:
        if places := places_for_references(kind):
            parts.append(f"| {kind} | {', '.join(f'`{each}`' for each in places)} |\n")
    parts.append(f"\n{WITHOUT_REFERENCES}\n")
    return "".join(parts)


def _rows(level: Level, model: type[Model]) -> list[str]:
    defaults = {
        key: field.default
        for key, field in fields_of(model).items()
        if field.default not in (None, "", [], {}, PydanticUndefined)
    }
    meanings, lists = meanings_of(model), _LISTS
    if level not in LEVELS:
        lists = {key: _LISTS[key] for key in ("Outputs", "Inputs")}
    rows = []
    for name, key in level.keys.items():
        default = "required" if name in level.required else _text(defaults.get(name, ""))
        value = (lists.get(name) or key.expected).replace("|", "\\|")
        rows.append(f"| `{name}` | {value} | {default} | {meanings[name]} |\n")
    return rows


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


if __name__ == "__main__":
    print(reference(), end="")
