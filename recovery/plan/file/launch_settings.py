"""Checks of the launch settings of a plan file: drills that are isolated, addresses that differ."""

from dataclasses import dataclass

from pydantic import ValidationError

from recovery.launch_settings.model import LaunchSettings, ServerLaunchSettings
from recovery.launch_settings.resolve import drill_settings_of, settings_of
from recovery.plan.file.draft import PlanDraft
from recovery.plan.file.section import Section
from recovery.plan.file.text.nodes import Kind

KEYS = ("LaunchSettings", "DrillLaunchSettings")


@dataclass(frozen=True)
class _Settings:
    """The valid launch settings of the plan, a wave or a server."""

    section: Section
    launch_settings: LaunchSettings | None
    drill_launch_settings: LaunchSettings | None


def check_launch_settings(plan: PlanDraft) -> None:
    """Report launch settings that say nothing, contradict each other or do not isolate drills."""
    whole = _settings_of(plan, LaunchSettings)
    waves = [(_settings_of(wave, LaunchSettings), wave) for wave in plan.waves]
    servers = [
        (wave, _settings_of(server, ServerLaunchSettings))
        for wave, draft in waves
        for server in draft.servers
    ]
    for each in (whole, *(wave for wave, _ in waves), *(server for _, server in servers)):
        _check_by_itself(each.section)
    _check_drills(whole, servers)
    _check_addresses(whole, servers)


def is_isolated(plan: Section, wave: Section, server: Section) -> bool:
    """Whether drills of a server have launch settings of their own; wrong ones count."""
    return any("DrillLaunchSettings" in each.given for each in (plan, wave, server))


def _settings_of(section: Section, model: type[LaunchSettings]) -> _Settings:
    found: list[LaunchSettings | None] = []
    for key in KEYS:
        try:
            given = section.values.get(key)
            found.append(None if given is None else model.model_validate(given))
        except ValidationError:
            # It is reported already.
            found.append(None)
    return _Settings(section, *found)


def _check_by_itself(section: Section) -> None:
    for key in KEYS:
        node = section.given.get(key)
        is_empty = node is not None and section.values.get(key) == {} and not node.entries
        # An explicit null is a key that is left out. A key whose lines became comments is not: its
        # drills would launch in production's subnet.
        blank = section.blank.get(key)
        if is_empty or (blank is not None and not blank.text):
            place = node or blank or section.line
            section.problem(place, f"{key} is empty; name a setting, or remove it")


def _check_drills(plan: _Settings, servers: list[tuple[_Settings, _Settings]]) -> None:
    """Report drills without a subnet of their own, each place once."""
    recoveries = {settings_of(plan, *each, is_drill=False).subnet_id for each in servers} - {None}
    reported: set[int] = set()
    for wave, server in servers:
        drill = drill_settings_of(plan, wave, server)
        if drill is None:
            continue
        levels = [each for each in (server, wave, plan) if each.drill_launch_settings]
        named = [each for each in levels if _subnet_of(each)]
        place = (named or levels)[0].section
        if drill.subnet_id is None and any(_is_reported(each.section) for each in levels):
            continue
        if drill.subnet_id is None:
            message = "DrillLaunchSettings names no SubnetId, so it does not isolate the drill"
        elif drill.subnet_id in recoveries:
            message = f"the drill's SubnetId {drill.subnet_id} is also one of LaunchSettings"
        else:
            continue
        if id(place) not in reported:
            reported.add(id(place))
            location = place.given["DrillLaunchSettings"]
            place.problem(location, f"{message}; name a subnet that only drills use")


def _is_reported(section: Section) -> bool:
    """Whether the lack of a subnet has a problem of its own: an empty key, or a wrong SubnetId."""
    entries = section.given["DrillLaunchSettings"].entries
    subnet = entries.get("SubnetId")
    return not entries or (subnet is not None and subnet.kind is not Kind.NULL)


def _subnet_of(settings: _Settings) -> str | None:
    drill = settings.drill_launch_settings
    return drill.subnet_id if drill else None


def _check_addresses(plan: _Settings, servers: list[tuple[_Settings, _Settings]]) -> None:
    """Report addresses that two servers have, or that DRS would replace with the source's."""
    for key, is_drill in zip(KEYS, (False, True), strict=True):
        seen: dict[tuple[str | None, str], Section] = {}
        for wave, server in servers:
            own = server.drill_launch_settings if is_drill else server.launch_settings
            node, section = server.section.given.get(key), server.section
            settings = settings_of(plan, wave, server, is_drill=is_drill)
            if own is None or node is None or settings.private_ip is None:
                continue
            first = seen.setdefault((settings.subnet_id, settings.private_ip), section)
            if settings.copy_private_ip:
                message = "the server has PrivateIp, and CopyPrivateIp: true; keep one of them"
                section.problem(node, f"{key}: {message}", value=settings.private_ip)
            elif first is not section and settings.subnet_id is not None:
                message = f"{settings.private_ip} is already that of the server in line"
                fix = "give each its own"
                section.problem(node, f"{key}: {message} {first.line}; {fix}")
