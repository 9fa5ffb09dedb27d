"""Reads what EC2, IAM and KMS have of what launch templates name, in one target."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from activities.readiness.look import Look, failed_read
from aws.ec2.inventory import Ec2Inventory
from aws.errors import AwsError
from recovery.launch_settings.in_force import SettingsInForce
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.subjects.network import NetworkEvidence, SubnetSeen

T = TypeVar("T")


async def read_subnets(look: Look, inventory: Ec2Inventory) -> dict[str, SubnetSeen] | FailedRead:
    """The subnets of the account and Region, by ID."""

    async def read() -> dict[str, SubnetSeen]:
        return {
            each.subnet_id: SubnetSeen(
                vpc_id=each.vpc_id,
                availability_zone=each.availability_zone,
                available_addresses=each.available_ip_address_count,
            )
            for each in await inventory.all_subnets(look.target)
        }

    return await read_shared(look, "ec2", "subnets", read)


async def read_network(
    look: Look,
    inventory: Ec2Inventory,
    settings: dict[str, SettingsInForce],
    keys_of: Mapping[str, list[str]],
    subnets: dict[str, SubnetSeen] | FailedRead,
) -> NetworkEvidence:
    """What there is of what the launch templates of a plan's servers name."""

    async def groups() -> dict[str, str]:
        listed = await inventory.all_security_groups(look.target)
        return {each.group_id: each.vpc_id or "" for each in listed}

    names = {each.instance_profile for each in settings.values() if each.instance_profile}
    arns = {arn for some in keys_of.values() for arn in some}
    security_groups, profiles, keys = await asyncio.gather(
        read_shared(look, "ec2", "security groups", groups),
        _each(look, "iam", names, partial(inventory.has_instance_profile, look.target)),
        _each(look, "kms", arns, partial(inventory.key_state, look.target)),
    )
    return NetworkEvidence(
        settings=settings,
        keys_of=dict(keys_of),
        subnets=subnets,
        security_groups=security_groups,
        instance_profiles=profiles,
        keys=keys,
    )


async def read_shared(
    look: Look, service: str, what: str, read: Callable[[], Awaitable[T]]
) -> T | FailedRead:
    """A read that all plans of a target share, or why it failed."""
    try:
        return await look.shared(what, read)
    except AwsError as error:
        return failed_read(service, error)


async def _each(
    look: Look, service: str, names: Iterable[str], read: Callable[[str], Awaitable[T]]
) -> dict[str, T | FailedRead]:
    """One call each, and the same for all plans of a target."""
    some = sorted(names)
    found = (read_shared(look, service, f"{service} {name}", partial(read, name)) for name in some)
    return dict(zip(some, await asyncio.gather(*found), strict=True))
