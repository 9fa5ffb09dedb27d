"""Reads what DRS, EC2, IAM and KMS have for the launches of a plan's servers in one target."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from activities.readiness.capacity import read_capacity
from activities.readiness.look import Look, failed_read
from activities.readiness.slow_reader import read_slow_evidence
from aws.ec2.inventory import Ec2Inventory
from aws.ec2.models import TemplateVersion, settings_in_force
from aws.errors import AwsError
from recovery.launch_settings.in_force import SettingsInForce
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.slow_evidence import SlowEvidence
from recovery.readiness.subjects.capacity import capacity_findings
from recovery.readiness.subjects.launch_template import (
    LaunchTemplateEvidence,
    launch_template_findings,
)
from recovery.readiness.subjects.network import NetworkEvidence, SubnetSeen, network_findings

T = TypeVar("T")
_SERVICES = {"GetInstanceProfile": "iam", "DescribeKey": "kms"}


async def launch_template(look: Look) -> list[Finding]:
    """The findings about launch templates, networks, keys and capacity."""
    inventory = Ec2Inventory(look.services)
    slow, versions, subnets = await asyncio.gather(
        read_slow_evidence(look),
        _read(look, "ec2", "default versions", lambda: _default_versions(look, inventory)),
        _read(look, "ec2", "subnets", lambda: _subnets(look, inventory)),
    )
    templates = _template_evidence(slow, versions)
    found = list(launch_template_findings(look.planned, templates))
    settings = {i: e for i, e in templates.servers.items() if isinstance(e, SettingsInForce)}
    network, capacity = await asyncio.gather(
        _read_network(look, inventory, settings, slow, versions, subnets),
        read_capacity(look, inventory, settings, subnets),
    )
    found += network_findings(look.planned, network)
    found += capacity_findings(look.planned, capacity)
    return found


async def _default_versions(look: Look, inventory: Ec2Inventory) -> dict[str, TemplateVersion]:
    listed = await inventory.default_versions(look.target)
    return {each.launch_template_id: each for each in listed}


async def _subnets(look: Look, inventory: Ec2Inventory) -> dict[str, SubnetSeen]:
    return {
        each.subnet_id: SubnetSeen(
            vpc_id=each.vpc_id,
            availability_zone=each.availability_zone,
            available_addresses=each.available_ip_address_count,
        )
        for each in await inventory.all_subnets(look.target)
    }


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


async def _read_network(
    look: Look,
    inventory: Ec2Inventory,
    settings: dict[str, SettingsInForce],
    slow: dict[str, SlowEvidence],
    versions: dict[str, TemplateVersion] | FailedRead,
    subnets: dict[str, SubnetSeen] | FailedRead,
) -> NetworkEvidence:
    keys_of = {
        server_id: keys
        for server_id, each in slow.items()
        if (keys := _keys(each, versions))
    }

    async def groups() -> dict[str, str]:
        listed = await inventory.all_security_groups(look.target)
        return {each.group_id: each.vpc_id for each in listed}

    names = {each.instance_profile for each in settings.values() if each.instance_profile}
    arns = {arn for some in keys_of.values() for arn in some}
    security_groups, profiles, keys = await asyncio.gather(
        _read(look, "ec2", "security groups", groups),
        _each(look, "iam", names, lambda n: inventory.has_instance_profile(look.target, n)),
        _each(look, "kms", arns, lambda arn: inventory.key_state(look.target, arn)),
    )
    failed = {
        f"replication of {i}": each.failed["replication"]
        for i, each in slow.items()
        if "replication" in each.failed
    }
    return NetworkEvidence(
        settings=settings,
        keys_of=keys_of,
        subnets=subnets,
        security_groups=security_groups,
        instance_profiles=profiles,
        keys={**keys, **failed},
        read_time={server_id: each.read_time for server_id, each in slow.items()},
    )


def _keys(
    seen: SlowEvidence, versions: dict[str, TemplateVersion] | FailedRead
) -> list[str]:
    found = [seen.key_arn] if seen.key_arn else []
    if not isinstance(versions, FailedRead):
        version = versions.get(seen.template_id or "")
        devices = version.data.block_device_mappings if version else []
        found += [each.ebs.kms_key_id for each in devices if each.ebs.kms_key_id]
    return list(dict.fromkeys(found))


async def _read(
    look: Look, service: str, what: str, read: Callable[[], Awaitable[T]]
) -> T | FailedRead:
    try:
        return await look.shared(what, read)
    except AwsError as error:
        return failed_read(service, error)


async def _each(
    look: Look, service: str, names: Iterable[str], read: Callable[[str], Awaitable[T]]
) -> dict[str, T | FailedRead]:
    """One call each, and the same for all plans of a target."""
    some = sorted(names)
    found = (_read(look, service, f"{service} {name}", lambda name=name: read(name)) for name in some)
    return dict(zip(some, await asyncio.gather(*found), strict=True))
