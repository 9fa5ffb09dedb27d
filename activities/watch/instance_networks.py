"""Reads where instances are, and which template versions are in force, once a drill is isolated."""

import asyncio
from collections.abc import Mapping, Sequence

from activities.launch.isolation import READ_SECONDS
from aws.drs.server_status import InstanceNetwork
from aws.ec2.client import Ec2Client
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsError, AwsErrorKind
from recovery.launch_settings.network import LaunchNetwork
from recovery.plan.model import Target


class InstanceNetworks:
    """The networks of instances in one target."""

    def __init__(self, ec2: Ec2Client, leases: TemplateLeases, target: Target) -> None:
        self._ec2 = ec2
        self._leases = leases
        self._target = target

    async def of(
        self, instance_ids: Sequence[str], expected: Mapping[str, LaunchNetwork]
    ) -> dict[str, InstanceNetwork]:
        """By instance that EC2 knows, its network; and each expected template's default.

        Args:
            instance_ids: the instances.
            expected: by server, where it must be.

        Raises:
            AwsError: EC2 cannot be read.
        """
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await self._read(instance_ids, expected)
        except TimeoutError:
            raise AwsError(AwsErrorKind.UNREACHABLE, "EC2 did not answer in time") from None

    async def _read(
        self, instance_ids: Sequence[str], expected: Mapping[str, LaunchNetwork]
    ) -> dict[str, InstanceNetwork]:
        instances = await self._ec2.instances(self._target, instance_ids)
        templates = [each.template_id for each in expected.values() if each.template_id]
        current = await self._leases.current(self._target) if templates else {}
        defaults = {i: current[i].default.number for i in templates if i in current}
        return {
            each.instance_id: InstanceNetwork(each.subnet_id, each.vpc_id, defaults)
            for each in instances
            if each.subnet_id is not None
        }
