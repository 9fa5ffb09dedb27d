"""Which launch settings hold for a server: its own, over its wave's, over the plan's."""

from collections.abc import Iterator
from typing import Protocol

from recovery.launch_settings.isolation_text import isolation_text
from recovery.launch_settings.model import LaunchSettings, ServerLaunchSettings
from recovery.plan.model import RecoveryPlan, Server, Wave


class HasLaunchSettings(Protocol):
    """A plan, a wave or a server."""

    @property
    def launch_settings(self) -> LaunchSettings | None:
        """What it names."""

    @property
    def drill_launch_settings(self) -> LaunchSettings | None:
        """What it names for drills only."""


def settings_of(
    plan: HasLaunchSettings, wave: HasLaunchSettings, server: HasLaunchSettings, *, is_drill: bool
) -> ServerLaunchSettings:
    """What a plan wants for a launch of a server; empty if it names nothing.

    A drill has its DrillLaunchSettings on top of the LaunchSettings. Tags of all levels are joined.
    """
    settings = _merged(plan.launch_settings, wave.launch_settings, server.launch_settings)
    drill = drill_settings_of(plan, wave, server) if is_drill else None
    if drill is None:
        return settings
    # The address of a recovery is not one of the drill's subnet.
    return _merged(settings.model_copy(update={"private_ip": None}), drill)


def drill_settings_of(
    plan: HasLaunchSettings, wave: HasLaunchSettings, server: HasLaunchSettings
) -> ServerLaunchSettings | None:
    """What a drill changes for a server, for as long as it launches; None: it is not isolated.

    The LaunchSettings are not part of it: only `launch-settings apply` applies them.
    """
    levels = (plan.drill_launch_settings, wave.drill_launch_settings, server.drill_launch_settings)
    return _merged(*levels) if any(levels) else None


def drill_settings_in(
    plan_settings: LaunchSettings | None, wave: Wave
) -> dict[str, ServerLaunchSettings]:
    """By server of a wave that a drill isolates, what the drill changes for it.

    Args:
        plan_settings: the DrillLaunchSettings of the plan itself.
        wave: the wave.
    """
    levels = (plan_settings, wave.drill_launch_settings)
    # Most of many servers name nothing of their own.
    shared = _merged(*levels) if any(levels) else None
    found = {
        server.source_server_id: _merged(*levels, own)
        if (own := server.drill_launch_settings) is not None
        else shared
        for server in wave.servers
    }
    return {server_id: settings for server_id, settings in found.items() if settings is not None}


def drill_subnets(plan: RecoveryPlan) -> frozenset[str]:
    """The subnets in which the plan's drills launch, and its recoveries must not."""
    found = (drill_settings_of(plan, wave, server) for wave, server in _servers(plan))
    return frozenset(each.subnet_id for each in found if each and each.subnet_id)


def isolation_of(plan: RecoveryPlan) -> str:
    """Where the plan's drills launch; "" if they launch where its recoveries do."""
    found = []
    for wave in plan.waves:
        settings = drill_settings_in(plan.drill_launch_settings, wave)
        subnets = {i: each.subnet_id for i, each in settings.items()}
        found.append((wave.wave_name, [subnets.get(i) for i in wave.server_ids]))
    return isolation_text(found)


def no_longer_isolated(before: RecoveryPlan, after: RecoveryPlan) -> list[str]:
    """The servers that drills of the earlier plan isolate, and drills of the later one do not."""
    isolated = {
        server.source_server_id
        for wave, server in _servers(before)
        if drill_settings_of(before, wave, server)
    }
    return [
        server.source_server_id
        for wave, server in _servers(after)
        if server.source_server_id in isolated and not drill_settings_of(after, wave, server)
    ]


def _servers(plan: RecoveryPlan) -> Iterator[tuple[Wave, Server]]:
    return ((wave, server) for wave in plan.waves for server in wave.servers)


def _merged(*levels: LaunchSettings | None) -> ServerLaunchSettings:
    """The settings of the last level that has each; the tags of all."""
    values: dict[str, object] = {}
    tags: dict[str, str] = {}
    for level in filter(None, levels):
        values |= {name: value for name, value in level if value is not None}
        tags |= level.tags or {}
    return ServerLaunchSettings.model_validate(values | {"tags": tags or None})
