"""The sections of a scenario file for what a launch needs besides DRS."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sandbox.ec2.network_ids import PRODUCTION
from sandbox.section import Section
from sandbox.server_settings import InstanceProfileName, InstanceType, SecurityGroupId, SubnetId
from sandbox.services.scripts import Placed


class _Removable(Placed):
    """What exists in an account and Region, or no longer does."""

    exists: bool = True


class Subnet(_Removable):
    """A subnet of the sandbox's networks.

    Attributes:
        available_ips: How many addresses are free now; launches take theirs.
    """

    subnet_id: SubnetId
    available_ips: Annotated[int, Field(ge=0)] | None = None


class SecurityGroup(_Removable):
    """A security group; an unknown one is created."""

    security_group_id: SecurityGroupId
    vpc_id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")] = PRODUCTION.vpc_id


class InstanceProfile(_Removable):
    """An instance profile of IAM; its Region means nothing."""

    name: InstanceProfileName


class InstanceTypeOffering(Placed):
    """The Availability Zones, such as us-west-2a, that do not offer an instance type."""

    instance_type: InstanceType
    not_offered_in: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9][a-z]$")], ...]


class KmsKey(Placed):
    """A key of KMS; an unknown one is created."""

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    state: Literal["Enabled", "Disabled", "PendingDeletion"] = "Enabled"


class LaunchNeeds(Section):
    """The keys of a scenario file for these. An entry changes one of the same name."""

    subnets: tuple[Subnet, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    instance_profiles: tuple[InstanceProfile, ...] = ()
    instance_type_offerings: tuple[InstanceTypeOffering, ...] = ()
    kms_keys: tuple[KmsKey, ...] = ()


SECTIONS: tuple[type[Section], ...] = (
    Subnet, SecurityGroup, InstanceProfile, InstanceTypeOffering, KmsKey,
)  # fmt: skip
