"""The differences between two plans, one line each."""

from collections.abc import Mapping

from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.text_format import count, visible

_COMPARED_SEPARATELY = (
    "waves",
    "recovery",
    "servers",
    "dependencies",
    "wave_id",
    "source_server_id",
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
    lines += [f"- wave {_named(old[i])}, with its servers" for i in old if i not in new]
    for wave_id, wave in new.items():
        if wave_id in old:
            lines += _wave(old[wave_id], wave)
        else:
            lines.append(
                f"+ wave {_named(wave)}: {count(len(wave.servers), 'server')}{_after(wave)}"
            )
    lines += _servers(old, new, "; its instance is kept" if keeps_instances else "")
    return [visible(line) for line in lines]


def _wave(before: Wave, after: Wave) -> list[str]:
    lines = [f"~ wave {_named(after)}: {change}" for change in _fields(before, after)]
    if set(before.depends_on) != set(after.depends_on):
        change = f"Dependencies {_ids(before)} → {_ids(after)}"
        lines.append(f"~ wave {_named(after)}: {change}")
    return lines


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
        lines += [f"~ server {server_id}: {change}" for change in _fields(before, server)]
    for server_id, (wave, _) in servers_before.items():
        if server_id not in servers_after and wave.wave_id in new:
            lines.append(f"- server {server_id} of {_named(wave)}{removed}")
    return lines


def _servers_by_id(waves: Mapping[str, Wave]) -> dict[str, tuple[Wave, Server]]:
    return {s.source_server_id: (wave, s) for wave in waves.values() for s in wave.servers}


def _fields(before: Model, after: Model) -> list[str]:
    """The values that differ, each with its key in the plan file."""
    changes = []
    for name, field in type(after).model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        if name not in _COMPARED_SEPARATELY and old != new:
            changes.append(f"{field.alias} {_value(old)} → {_value(new)}")
    return changes


def _value(value: object) -> str:
    if value is None or value == "":
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _named(wave: Wave) -> str:
    return wave.wave_id if wave.wave_name == wave.wave_id else f"{wave.wave_name} ({wave.wave_id})"


def _ids(wave: Wave) -> str:
    return ", ".join(wave.depends_on) or "(none)"


def _after(wave: Wave) -> str:
    return f", after {_ids(wave)}" if wave.depends_on else ""
