"""The differences between two plans, one line each."""

import json
from collections.abc import Container, Mapping

from pydantic_core import to_jsonable_python

from recovery.base_model import Model
from recovery.launch_settings.resolve import HasLaunchSettings, no_longer_isolated
from recovery.plan.members import tags_text
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.steps.model import KIND_FIELDS, Step, StepPhase
from recovery.text_format import count, listed, shortened, visible

_COMPARED_SEPARATELY = (
    "waves",
    "recovery",
    "launch_settings",
    "drill_launch_settings",
    "servers",
    "dependencies",
    "wave_id",
    "source_server_id",
    "point_in_time",
    "membership",
    "chosen_point",
    "pre_launch_steps",
    "post_launch_steps",
    "steps",
)


def differences(
    before: RecoveryPlan, after: RecoveryPlan, *, keeps_instances: bool = False
) -> list[str]:
    """List the differences between two versions of a plan.

    Args:
        before: the earlier plan.
        after: the later plan.
        keeps_instances: say of a removed server that the instance which it has is kept.

    Returns:
        A line each: `+` for an addition, `-` for a removal, `~` for a change.
    """
    old = {wave.wave_id: wave for wave in before.waves}
    new = {wave.wave_id: wave for wave in after.waves}
    lines = [f"~ plan: {change}" for change in _fields(before, after)]
    lines += [f"~ plan: Recovery {c}" for c in _fields(before.recovery, after.recovery)]
    lines += [f"~ plan: {change}" for change in _launch_settings(before, after)]
    lines += [f"- wave {_named(old[i])}, with {_content(old[i])}" for i in old if i not in new]
    for wave_id, wave in new.items():
        if wave_id in old:
            lines += _wave(old[wave_id], wave)
        else:
            lines.append(f"+ wave {_named(wave)}: {_size(wave)}{_after(wave)}")
    if lost := no_longer_isolated(before, after):
        lines.append(f"~ plan: drills no longer isolate {listed(lost)}")
    lines += _servers(old, new, "; its instance is kept" if keeps_instances else "")
    return [visible(line) for line in lines]


def _launch_settings(before: HasLaunchSettings, after: HasLaunchSettings) -> list[str]:
    """The launch settings that differ, key by key."""
    pairs = {
        "LaunchSettings": (before.launch_settings, after.launch_settings),
        "DrillLaunchSettings": (before.drill_launch_settings, after.drill_launch_settings),
    }
    changes: list[str] = []
    for key, (old, new) in pairs.items():
        if (either := old or new) is not None:
            none = type(either)()
            changes += [f"{key}.{change}" for change in _fields(old or none, new or none)]
    return changes


def _size(wave: Wave) -> str:
    sizes = (len(wave.servers), "server"), (len(wave.all_steps), "step")
    texts = [count(number, what) for number, what in sizes if number]
    by_tag = [f"servers with {tags_text(wave.servers_by_tag)}"] if wave.servers_by_tag else []
    return ", ".join(by_tag + texts)


def _content(wave: Wave) -> str:
    parts = (wave.servers or wave.servers_by_tag, "its servers"), (wave.all_steps, "its steps")
    return " and ".join(what for each, what in parts if each)


def _wave(before: Wave, after: Wave) -> list[str]:
    changes = [*_fields(before, after), *_launch_settings(before, after)]
    lines = [f"~ wave {_named(after)}: {change}" for change in changes]
    if set(before.depends_on) != set(after.depends_on):
        change = f"Dependencies {_ids(before)} → {_ids(after)}"
        lines.append(f"~ wave {_named(after)}: {change}")
    return lines + _steps(before, after)


def _steps(before: Wave, after: Wave) -> list[str]:
    old = {step.step_id: (phase, step) for phase, step in before.all_steps}
    new = {step.step_id: (phase, step) for phase, step in after.all_steps}
    name = _named(after)
    lines = [f"- step {i} of {name}: {old[i][1].description}" for i in old if i not in new]
    for step_id, (phase, step) in new.items():
        if step_id not in old:
            lines.append(f"+ step {step_id} of {name}{_around(phase)}: {step.description}")
            continue
        earlier, changed = old[step_id]
        if earlier is not phase:
            lines.append(f"~ step {step_id} of {name}: moved{_around(phase)}")
        lines += [f"~ step {step_id} of {name}: {change}" for change in _changes(changed, step)]
    kept = [[i for i in each if i in old and i in new] for each in (old, new)]
    if kept[0] != kept[1]:
        lines.append(f"~ wave {name}: order of steps {', '.join(old)} → {', '.join(new)}")
    return lines


def _around(phase: StepPhase) -> str:
    return f", {phase.text}" if phase.text else ""


def _changes(before: Step, after: Step) -> list[str]:
    """The values of a step that differ; of its kind, key by key."""
    changes = _fields(before, after, KIND_FIELDS)
    if before.kind is not after.kind:
        return [*changes, f"{before.kind} → {after.kind}"]
    return changes + [f"{after.kind}.{each}" for each in _fields(before.spec, after.spec, ())]


def _servers(old: Mapping[str, Wave], new: Mapping[str, Wave], removed: str) -> list[str]:
    servers_before, servers_after = _servers_by_id(old), _servers_by_id(new)
    lines = []
    for server_id, (wave, server) in servers_after.items():
        if server_id not in servers_before:
            if wave.wave_id in old:
                lines.append(f"+ server {server_id} in {_named(wave)}")
            continue
        earlier, before = servers_before[server_id]
        if earlier.wave_id != wave.wave_id:
            lines.append(f"~ server {server_id}: moved from {_named(earlier)} to {_named(wave)}")
        changes = [*_fields(before, server), *_launch_settings(before, server)]
        lines += [f"~ server {server_id}: {change}" for change in changes]
    for server_id, (wave, _) in servers_before.items():
        if server_id not in servers_after and wave.wave_id in new:
            lines.append(f"- server {server_id} of {_named(wave)}{removed}")
    return lines


def _servers_by_id(waves: Mapping[str, Wave]) -> dict[str, tuple[Wave, Server]]:
    return {s.source_server_id: (wave, s) for wave in waves.values() for s in wave.servers}


def _fields(
    before: Model, after: Model, left_out: Container[str] = _COMPARED_SEPARATELY
) -> list[str]:
    """The values that differ, each with its key in the plan file."""
    changes = []
    for name, field in type(after).model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        if name not in left_out and old != new:
            changes.append(f"{field.alias} {_value(old)} → {_value(new)}")
    return changes


def _value(value: object) -> str:
    if value is None or value == "":
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict | list):
        return shortened(json.dumps(to_jsonable_python(value), ensure_ascii=False))
    return str(value)


def _named(wave: Wave) -> str:
    return wave.wave_id if wave.wave_name == wave.wave_id else f"{wave.wave_name} ({wave.wave_id})"


def _ids(wave: Wave) -> str:
    return ", ".join(wave.depends_on) or "(none)"


def _after(wave: Wave) -> str:
    return f", after {_ids(wave)}" if wave.depends_on else ""
