"""Launch settings as a plan has them: the network, size and mode of what DRS launches."""

import ipaddress
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from recovery.base_model import Model
from recovery.plan.fields import YesOrNo


class LaunchDisposition(StrEnum):
    """Whether DRS starts the instance that it launches."""

    STARTED = "STARTED"
    STOPPED = "STOPPED"


class RecoveryMode(StrEnum):
    """Whether DRS converts a server's disks before the launch; FAST leaves it out."""

    OPTIMAL = "OPTIMAL"
    FAST = "FAST"


def _ipv4(value: str) -> str:
    ipaddress.IPv4Address(value)
    return value


def _not_reserved(name: str) -> str:
    if name.lower().startswith("aws:"):
        raise ValueError("names of tags that begin with aws: are reserved")
    return name


SubnetId = Annotated[
    str, Field(pattern="^subnet-[0-9a-f]{8,17}$", description='the ID of a subnet: "subnet-…"')
]
SecurityGroupId = Annotated[
    str, Field(pattern="^sg-[0-9a-f]{8,17}$", description='the ID of a security group: "sg-…"')
]
InstanceType = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9-]{0,30}\.[a-z0-9-]{1,30}$",
        description="an EC2 instance type such as m6i.large",
    ),
]
PrivateIp = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$", description="an IPv4 address such as 10.1.2.3"),
    AfterValidator(_ipv4),
]
InstanceProfile = Annotated[
    str,
    Field(
        pattern=r"^(arn:aws(-[a-z]+)*:iam::[0-9]{12}:instance-profile/)?[A-Za-z0-9+=,.@_/-]{1,512}$",
        description="the name or the ARN of an instance profile",
    ),
]
# Source: the user guide of EC2, "Tag restrictions"; a name that begins with aws: is reserved.
TagName = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,128}$",
        description='the name of a tag, of 1 to 128 characters, that does not begin with "aws:"',
    ),
    AfterValidator(_not_reserved),
]
TagValue = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{0,256}$",
        description="text of at most 256 characters on one line",
    ),
]
# Source: the quotas of VPC and EC2.
_MAX_GROUPS = 16
_MAX_TAGS = 50


class LaunchSettings(Model):
    """How DRS launches servers; what is left out stays as it is in DRS and EC2."""

    subnet_id: SubnetId | None = None
    security_group_ids: (
        Annotated[list[SecurityGroupId], Field(min_length=1, max_length=_MAX_GROUPS)] | None
    ) = None
    instance_type: InstanceType | None = None
    instance_profile: InstanceProfile | None = None
    tags: Annotated[dict[TagName, TagValue], Field(min_length=1, max_length=_MAX_TAGS)] | None = (
        None
    )
    launch_disposition: LaunchDisposition | None = None
    recovery_mode: RecoveryMode | None = None
    copy_private_ip: YesOrNo | None = None
    post_launch_enabled: YesOrNo | None = None


class ServerLaunchSettings(LaunchSettings):
    """How DRS launches one server; what is left out is as its wave and its plan have it."""

    private_ip: PrivateIp | None = None
