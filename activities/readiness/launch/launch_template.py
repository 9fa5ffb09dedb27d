"""Reads what DRS, EC2, IAM and KMS have for the launches of a plan's servers in one target."""

import asyncio

from activities.readiness.launch.capacity import read_capacity
from activities.readiness.launch.network import read_network, read_shared, read_subnets
from activities.readiness.launch.slow_reader import read_slow_evidence
from activities.readiness.look import Look
from aws.ec2.inventory import Ec2Inventory
from aws.ec2.models import TemplateVersion, settings_in_force
from recovery.launch_settings.in_force import SettingsInForce
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.slow_evidence import SlowEvidence
from recovery.readiness.subjects.capacity import capacity_findings
from recovery.readiness.subjects.launch_template import (
    LaunchTemplateEvidence,
    launch_template_findings,
)
from recovery.readiness.subjects.network import network_findings


async def launch_template(look: Look) -> list[Finding]:
    """The findings about launch templates, networks, keys and capacity."""
    if not look.planned.servers:
        # Only steps act here.
        return []
    inventory = Ec2Inventory(look.services)
    slow, versions, subnets = await asyncio.gather(
        read_slow_evidence(look),
        read_shared(look, "ec2", "default versions", lambda: _default_versions(look, inventory)),
        read_subnets(look, inventory),
    )
    templates = _template_evidence(slow, versions)
    found = list(launch_template_findings(look.planned, templates))
    settings = {i: e for i, e in templates.servers.items() if isinstance(e, SettingsInForce)}
    network, capacity = await asyncio.gather(
        read_network(look, inventory, settings, _keys_of(slow, versions), subnets),
        read_capacity(look, inventory, settings, subnets),
    )
    network.keys |= {
        f"of {server_id}": each.failed["replication"]
        for server_id, each in slow.items()
        if "replication" in each.failed
    }
    network.read_time = templates.read_time
    found += network_findings(look.planned, network)
    found += capacity_findings(look.planned, capacity)
    return found


async def _default_versions(look: Look, inventory: Ec2Inventory) -> dict[str, TemplateVersion]:
    listed = await inventory.default_versions(look.target)
    return {each.launch_template_id: each for each in listed}


def _template_evidence(
    slow: dict[str, SlowEvidence], versions: dict[str, TemplateVersion] | FailedRead
) -> LaunchTemplateEvidence:
    """The launch settings in force, of servers whose launch configuration could be read."""
    failed = versions if isinstance(versions, FailedRead) else None
    servers: dict[str, SettingsInForce | FailedRead] = {}
    for server_id, each in slow.items():
        if "launch" in each.failed:
            servers[server_id] = each.failed["launch"]
        elif not isinstance(versions, FailedRead):
            version = versions.get(each.template_id or "")
            servers[server_id] = settings_in_force(each.template_id, each.drs, version)
    read_time = {server_id: each.read_time for server_id, each in slow.items()}
    return LaunchTemplateEvidence(servers=servers, read_time=read_time, failed=failed)


def _keys_of(
    slow: dict[str, SlowEvidence], versions: dict[str, TemplateVersion] | FailedRead
) -> dict[str, list[str]]:
    """The keys that encrypt the disks of each server: DRS's, and those of its launch template."""
    found: dict[str, list[str]] = {}
    for server_id, each in slow.items():
        keys = [each.key_arn] if each.key_arn else []
        version = None
        if not isinstance(versions, FailedRead):
            version = versions.get(each.template_id or "")
        devices = version.data.block_device_mappings if version else []
        keys += [one.ebs.kms_key_id for one in devices if one.ebs.kms_key_id]
        if keys:
            found[server_id] = list(dict.fromkeys(keys))
    return found
