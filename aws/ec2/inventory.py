"""What an account has in EC2, IAM and KMS for launches, read in pages and not one by one."""

from collections.abc import Sequence
from typing import Any

from aws.ec2.client import Ec2Client, parsed
from aws.ec2.models import (
    Ec2Instance,
    InstanceTypeInfo,
    InstanceTypeOffering,
    SecurityGroup,
    Subnet,
)
from aws.errors import AwsError, AwsErrorKind
from recovery.launch_settings.existing import profile_name
from recovery.plan.model import Target

# Source: the API reference of EC2.
_PAGE = 1000
_TYPES_PAGE = 100
_MAX_FILTER_VALUES = 200


class Ec2Inventory(Ec2Client):
    """Reads all of a kind in an account and Region."""

    async def all_subnets(self, target: Target) -> list[Subnet]:
        """All subnets."""
        listed = await self._all(target, "describe_subnets", "Subnets", MaxResults=_PAGE)
        return parsed("DescribeSubnets", Subnet, listed)

    async def all_security_groups(self, target: Target) -> list[SecurityGroup]:
        """All security groups."""
        listed = await self._all(
            target, "describe_security_groups", "SecurityGroups", MaxResults=_PAGE
        )
        return parsed("DescribeSecurityGroups", SecurityGroup, listed)

    async def running_instances(self, target: Target) -> list[Ec2Instance]:
        """The instances that run, or begin to."""
        filters = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        reservations = await self._all(
            target, "describe_instances", "Reservations", MaxResults=_PAGE, Filters=filters
        )
        listed = [each for some in reservations for each in some.get("Instances") or []]
        return parsed("DescribeInstances", Ec2Instance, listed)

    async def instance_types(self, target: Target, names: Sequence[str]) -> list[InstanceTypeInfo]:
        """The instance types of these names that EC2 has in the Region."""
        listed = await self._of_types(
            target, "describe_instance_types", "InstanceTypes", names, MaxResults=_TYPES_PAGE
        )
        return parsed("DescribeInstanceTypes", InstanceTypeInfo, listed)

    async def offerings(self, target: Target, names: Sequence[str]) -> list[InstanceTypeOffering]:
        """Which Availability Zones offer the instance types of these names."""
        listed = await self._of_types(
            target,
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            names,
            LocationType="availability-zone",
            MaxResults=_PAGE,
        )
        return parsed("DescribeInstanceTypeOfferings", InstanceTypeOffering, listed)

    async def has_instance_profile(self, target: Target, name_or_arn: str) -> bool:
        """Whether IAM has an instance profile of this name or ARN."""
        name = profile_name(name_or_arn)
        try:
            answer = await self._services.read(
                target, "iam", "get_instance_profile", InstanceProfileName=name
            )
        except AwsError as error:
            if error.kind is AwsErrorKind.INVALID:
                return False
            raise
        arn = (answer.get("InstanceProfile") or {}).get("Arn")
        return not name_or_arn.startswith("arn:") or arn == name_or_arn

    async def key_state(self, target: Target, key: str) -> str:
        """The state of a key in KMS, such as `Enabled`; empty if KMS does not know it."""
        try:
            answer = await self._services.read(target, "kms", "describe_key", KeyId=key)
        except AwsError as error:
            if error.kind is AwsErrorKind.INVALID:
                return ""
            raise
        return str((answer.get("KeyMetadata") or {}).get("KeyState") or "unknown")

    async def _of_types(
        self, target: Target, method: str, key: str, names: Sequence[str], **request: Any
    ) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(names), _MAX_FILTER_VALUES):
            some = list(names[start : start + _MAX_FILTER_VALUES])
            filters = [{"Name": "instance-type", "Values": some}]
            found += await self._all(target, method, key, Filters=filters, **request)
        return found
