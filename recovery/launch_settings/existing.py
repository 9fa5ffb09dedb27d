"""What launch settings name that must exist, judged by what EC2 and IAM have. Pure."""

from collections.abc import Iterable
from enum import StrEnum

from recovery.base_model import Model
from recovery.launch_settings.in_force import SettingsInForce
from recovery.launch_settings.model import ServerLaunchSettings


class NamedKind(StrEnum):
    """What settings name."""

    SUBNET = "subnet"
    SECURITY_GROUP = "security group"
    INSTANCE_PROFILE = "instance profile"


class Named(Model):
    """What the next launch of a server would use, as far as a plan changes that.

    Attributes:
        subnet_id: None if neither the subnet nor the groups change.
        security_group_ids: the same.
        instance_profile: None if it does not change.
    """

    subnet_id: str | None = None
    security_group_ids: list[str] = []
    instance_profile: str | None = None

    @classmethod
    def by(cls, wanted: ServerLaunchSettings, found: SettingsInForce) -> "Named":
        """What a plan's settings over those in force make of it."""
        subnet_id, groups = wanted.subnet_id, wanted.security_group_ids
        changes = subnet_id is not None or groups is not None
        return cls(
            subnet_id=(subnet_id or found.subnet_id) if changes else None,
            security_group_ids=(groups or found.security_group_ids) if changes else [],
            instance_profile=wanted.instance_profile,
        )


class Existing(Model):
    """What there is of what settings name, in one target.

    Attributes:
        region: of the target.
        subnets: each with its VPC.
        security_groups: each with its VPC.
        instance_profiles: by their names.
        unread: what could not be read, with the reason.
    """

    region: str
    subnets: dict[str, str] = {}
    security_groups: dict[str, str] = {}
    instance_profiles: list[str] = []
    unread: dict[NamedKind, str] = {}

    def problems(self, named: Named) -> list[str]:
        """Why a launch with these would fail, as far as that is known."""
        found = []
        subnet_id, profile = named.subnet_id, named.instance_profile
        if subnet_id and self._lacks(NamedKind.SUBNET, subnet_id, self.subnets):
            found.append(self._missing(subnet_id))
        for group in named.security_group_ids:
            if self._lacks(NamedKind.SECURITY_GROUP, group, self.security_groups):
                found.append(self._missing(group))
            elif self._is_elsewhere(group, subnet_id):
                found.append(
                    f"security group {group} is not of the VPC of {subnet_id}; name "
                    "SecurityGroupIds of that VPC"
                )
        name = profile_name(profile) if profile else ""
        if profile and self._lacks(NamedKind.INSTANCE_PROFILE, name, self.instance_profiles):
            found.append(f"IAM has no instance profile {name}")
        return found

    def warnings(self, named: Named) -> list[str]:
        """What of these could not be looked for."""
        used = {
            NamedKind.SUBNET: named.subnet_id,
            NamedKind.SECURITY_GROUP: ", ".join(named.security_group_ids),
            NamedKind.INSTANCE_PROFILE: named.instance_profile,
        }
        return [
            f"whether {used[kind]} exists could not be read: {reason}"
            for kind, reason in self.unread.items()
            if used[kind]
        ]

    def _lacks(self, kind: NamedKind, name: str, known: Iterable[str]) -> bool:
        return kind not in self.unread and name not in known

    def _is_elsewhere(self, group: str, subnet_id: str | None) -> bool:
        of_group, of_subnet = self.security_groups.get(group), self.subnets.get(subnet_id or "")
        return bool(of_group and of_subnet) and of_group != of_subnet

    def _missing(self, name: str) -> str:
        return f"{name} does not exist in {self.region}, by the worker's account"


def profile_name(profile: str) -> str:
    """The name of an instance profile, given that or its ARN."""
    return profile.rpartition("/")[2]
