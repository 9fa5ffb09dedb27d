"""What is in force, as the launch settings of a plan."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from recovery.launch_settings.in_force import NO_RIGHT_SIZING, SettingsInForce
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.launch_settings.report import ServerSettings

# DRS and AWS give and change these tags.
_MANAGED_TAGS = ("aws:", "AWSElasticDisasterRecovery")


def exported(found: SettingsInForce) -> tuple[ServerLaunchSettings, list[str]]:
    """What is in force for a server, and which settings a plan cannot name as they are."""
    drs = found.drs
    tags = {k: v for k, v in found.tags.items() if not k.startswith(_MANAGED_TAGS)}
    is_sized = drs.right_sizing not in (None, NO_RIGHT_SIZING)
    given = {
        "SubnetId": found.subnet_id,
        "SecurityGroupIds": found.security_group_ids or None,
        # DRS chooses the type, and a plan that names one would end that.
        "InstanceType": None if is_sized else found.instance_type,
        "InstanceProfile": found.instance_profile,
        "Tags": tags or None,
        "LaunchDisposition": drs.launch_disposition,
        "RecoveryMode": drs.recovery_mode,
        "CopyPrivateIp": drs.copy_private_ip,
        "PostLaunchEnabled": drs.post_launch_enabled,
        # With CopyPrivateIp, DRS itself sets it.
        "PrivateIp": None if drs.copy_private_ip else found.private_ip,
    }
    values: dict[str, Any] = {}
    left_out = []
    for key, value in given.items():
        try:
            ServerLaunchSettings.model_validate({key: value})
        except ValidationError:
            left_out.append(f"{key} {value}")
        else:
            values[key] = value
    return ServerLaunchSettings.model_validate(values), left_out


def export_notes(found: SettingsInForce) -> list[str]:
    """What of a server's settings an export leaves out, and why."""
    notes = [f"a plan cannot name {each}" for each in exported(found)[1]]
    sizing = found.drs.right_sizing
    if found.instance_type is not None and sizing not in (None, NO_RIGHT_SIZING):
        notes.append(
            f"InstanceType {found.instance_type} is left out: DRS's right sizing ({sizing}) "
            "chooses it, and a plan that names one would end that"
        )
    return notes


def with_notes(lines: Iterable[str], servers: Iterable[ServerSettings]) -> list[str]:
    """The lines of an exported plan file, with comments on what each server's entry leaves out."""
    notes = {e.source_server_id: export_notes(e.found) for e in servers if e.found is not None}
    text = []
    for line in lines:
        key, _, server_id = line.partition("SourceServerId: ")
        text += [f"{' ' * len(key)}# {each}" for each in notes.get(server_id, [])]
        text.append(line)
    return text


def exported_waves(servers: Iterable[ServerSettings]) -> list[dict[str, Any]]:
    """The waves of a plan file, with the settings in force of each server that could be read."""
    waves: dict[str, list[dict[str, Any]]] = {}
    for server in servers:
        if server.found is None or server.held is not None:
            continue
        settings = exported(server.found)[0].model_dump(mode="json", exclude_none=True)
        if settings:
            waves.setdefault(server.wave_id, []).append(
                {"SourceServerId": server.source_server_id, "LaunchSettings": settings}
            )
    return [{"WaveId": wave_id, "Servers": each} for wave_id, each in waves.items()]
