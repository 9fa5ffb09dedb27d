"""Reads the instance types, what runs, and the quotas of EC2 in one target."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from activities.readiness.look import Look, failed_read
from activities.readiness.replication import read_source_servers
from aws.ec2.inventory import Ec2Inventory
from aws.ec2.models import Ec2Instance
from aws.errors import AwsError
from recovery.launch_settings.in_force import SettingsInForce
from recovery.plan.model import Target
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.subjects.capacity import (
    CapacityEvidence,
    RunningVcpus,
    TypeSeen,
    quota_of,
    types_of,
)
from recovery.readiness.subjects.network import SubnetSeen

_SERVER_TAG = "AWSElasticDisasterRecoverySourceServerID"


class TypeCatalogue:
    """The instance types that were asked for in a target; a batch of new ones costs two calls."""

    def __init__(self, inventory: Ec2Inventory, target: Target) -> None:
        self._inventory = inventory
        self._target = target
        self._types: dict[str, TypeSeen] = {}
        self._lock = asyncio.Lock()

    async def seen(self, names: Iterable[str]) -> dict[str, TypeSeen]:
        """What EC2 has of these types; one that it does not know is without vCPUs and zones.

        Raises:
            AwsError: it could not be read.
        """
        wanted = sorted(set(names))
        async with self._lock:
            if new := [name for name in wanted if name not in self._types]:
                types, offerings = await asyncio.gather(
                    self._inventory.instance_types(self._target, new),
                    self._inventory.offerings(self._target, new),
                )
                vcpus = {each.instance_type: each.vcpus for each in types}
                for name in new:
                    zones = tuple(e.location for e in offerings if e.instance_type == name)
                    self._types[name] = TypeSeen(vcpus=vcpus.get(name), zones=zones)
        return {name: self._types[name] for name in wanted}


async def read_capacity(
    look: Look,
    inventory: Ec2Inventory,
    settings: dict[str, SettingsInForce],
    subnets: Mapping[str, SubnetSeen] | FailedRead,
) -> CapacityEvidence:
    """What the launches of a plan's servers would take, and what EC2 has."""
    zones = {} if isinstance(subnets, FailedRead) else subnets
    catalogue = await look.shared("types", lambda: _made(inventory, look.target))
    try:
        servers = await read_source_servers(look)
    except AwsError:
        # A finding about replication says it.
        servers = []
    recommended = {s.source_server_id: s.recommended_type for s in servers if s.recommended_type}
    names = [name for name in types_of(settings, recommended).values() if name]
    types, running, quotas = await asyncio.gather(
        _types(catalogue, names), _running(look, inventory, catalogue), _quotas(look)
    )
    return CapacityEvidence(
        settings=settings,
        recommended=recommended,
        zones={i: s.availability_zone for i, s in zones.items() if s.availability_zone},
        types=types,
        running=running,
        quotas=quotas,
    )


async def _made(inventory: Ec2Inventory, target: Target) -> TypeCatalogue:
    return TypeCatalogue(inventory, target)


async def _types(catalogue: TypeCatalogue, names: list[str]) -> dict[str, TypeSeen] | FailedRead:
    try:
        return await catalogue.seen(names)
    except AwsError as error:
        return failed_read("ec2", error)


async def _running(
    look: Look, inventory: Ec2Inventory, catalogue: TypeCatalogue
) -> RunningVcpus | FailedRead:
    async def read() -> RunningVcpus:
        instances = await inventory.running_instances(look.target)
        types = await catalogue.seen(e.instance_type for e in instances if e.instance_type)
        return _vcpus(instances, types)

    try:
        return await look.shared("running vCPUs", read)
    except AwsError as error:
        return failed_read("ec2", error)


def _vcpus(instances: Iterable[Ec2Instance], types: Mapping[str, TypeSeen]) -> RunningVcpus:
    total: Counter[str] = Counter()
    of_servers: dict[str, Counter[str]] = {}
    for each in instances:
        seen = types.get(each.instance_type or "")
        code = quota_of(each.instance_type or "")
        # Spot instances have quotas of their own.
        if seen is None or not seen.vcpus or code is None or each.lifecycle == "spot":
            continue
        total[code] += seen.vcpus
        if server_id := each.tags.get(_SERVER_TAG):
            of_servers.setdefault(server_id, Counter())[code] += seen.vcpus
    return RunningVcpus(
        total=dict(total), of_servers={i: dict(some) for i, some in of_servers.items()}
    )


async def _quotas(look: Look) -> dict[str, float] | FailedRead:
    async def read() -> dict[str, float]:
        listed = await look.clients.quotas.listed(look.target, "ec2")
        return {code: float(value) for code, value in listed.items()}

    try:
        return await look.shared("quotas of EC2", read)
    except AwsError as error:
        return failed_read("servicequotas", error)
