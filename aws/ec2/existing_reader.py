"""Reads whether the subnets, security groups and instance profiles of launch settings exist."""

from collections.abc import Iterable

from aws.ec2.client import Ec2Client
from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from recovery.launch_settings.existing import Existing, Named, NamedKind, profile_name
from recovery.plan.model import Target


class ExistingReader:
    """EC2 and IAM of targets."""

    def __init__(self, services: ServiceClient) -> None:
        self._services = services
        self._ec2 = Ec2Client(services)
        # The VPCs of subnets and groups never change.
        self._subnets: dict[tuple[Target, str], str] = {}
        self._groups: dict[tuple[Target, str], str] = {}

    async def read(self, target: Target, named: Iterable[Named]) -> Existing:
        """What there is of what launches use; what may not be read is noted.

        Raises:
            AwsError: retryable; EC2 or IAM does not answer now.
        """
        used = list(named)
        found = Existing(region=target.region)
        try:
            found.subnets = await self._vpcs_of_subnets(target, used)
        except AwsError as error:
            found.unread[NamedKind.SUBNET] = _lasting(error)
        try:
            found.security_groups = await self._vpcs_of_groups(target, used)
        except AwsError as error:
            found.unread[NamedKind.SECURITY_GROUP] = _lasting(error)
        try:
            profiles = {profile_name(e.instance_profile) for e in used if e.instance_profile}
            found.instance_profiles = [
                name for name in sorted(profiles) if await self._has_profile(target, name)
            ]
        except AwsError as error:
            found.unread[NamedKind.INSTANCE_PROFILE] = _lasting(error)
        return found

    async def read_known(self, target: Target, named: Named) -> Existing:
        """The same of one launch, without another look at a subnet or a group that existed."""
        subnet_id, ids = named.subnet_id or "", named.security_group_ids
        vpc = self._subnets.get((target, subnet_id))
        groups = {i: self._groups[target, i] for i in ids if (target, i) in self._groups}
        if vpc is not None and named.instance_profile is None and groups.keys() == set(ids):
            subnets = {subnet_id: vpc}
            return Existing(region=target.region, subnets=subnets, security_groups=groups)
        return await self.read(target, [named])

    async def _vpcs_of_subnets(self, target: Target, used: list[Named]) -> dict[str, str]:
        ids = sorted({each.subnet_id for each in used if each.subnet_id})
        found = {e.subnet_id: e.vpc_id or "" for e in await self._ec2.subnets(target, ids)}
        self._subnets |= {(target, i): vpc for i, vpc in found.items()}
        return found

    async def _vpcs_of_groups(self, target: Target, used: list[Named]) -> dict[str, str]:
        ids = sorted({i for each in used for i in each.security_group_ids})
        found = {e.group_id: e.vpc_id or "" for e in await self._ec2.security_groups(target, ids)}
        self._groups |= {(target, i): vpc for i, vpc in found.items()}
        return found

    async def _has_profile(self, target: Target, name: str) -> bool:
        try:
            await self._services.read(
                target, "iam", "get_instance_profile", InstanceProfileName=name
            )
        except AwsError as error:
            if error.kind is not AwsErrorKind.INVALID:
                raise
            return False
        return True


def _lasting(error: AwsError) -> str:
    """The text of an error that another attempt does not change.

    Raises:
        AwsError: another attempt may succeed.
    """
    if error.kind.is_retryable:
        raise error
    return str(error)
