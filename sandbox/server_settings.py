"""The launch template and the snapshots of a source server in a scenario file."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from sandbox.ec2.network_ids import PRODUCTION
from sandbox.section import Delay, Seconds, Section


def _iso_duration(value: object) -> object:
    # Pydantic also reads numbers, and clock times.
    if isinstance(value, str) and not value.startswith("P"):
        raise ValueError("must be an ISO 8601 duration, such as PT4H")
    return value


IsoDuration = Annotated[timedelta, BeforeValidator(_iso_duration)]
SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
SecurityGroupId = Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]


InstanceType = Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
InstanceProfileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9+=,.@_-]{1,128}$")]


class LaunchTemplate(Section):
    """What an EC2 launch template says. The first version is in production by default."""

    subnet_id: SubnetId | None = None
    security_group_ids: tuple[SecurityGroupId, ...] = ()
    instance_type: InstanceType | None = None
    private_ip: IPv4Address | None = None
    instance_profile: InstanceProfileName | None = None
    tags: dict[str, str] = Field(default_factory=dict)

    def with_defaults(self) -> LaunchTemplate:
        """Return the first version of a source server's template."""
        network: dict[str, Any] = {}
        if self.subnet_id is None:
            groups = self.security_group_ids or (PRODUCTION.security_group_id,)
            network = {"subnet_id": PRODUCTION.subnet_ids[0], "security_group_ids": groups}
        instance_type = self.instance_type or "c5.large"
        return self.model_copy(update={"instance_type": instance_type, **network})

    def data(self) -> dict[str, Any]:
        """Return the LaunchTemplateData structure of EC2, with what is given only."""
        interface = {
            "SubnetId": self.subnet_id,
            "Groups": list(self.security_group_ids),
            "PrivateIpAddress": str(self.private_ip) if self.private_ip else None,
        }
        given = {key: value for key, value in interface.items() if value}
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        data: dict[str, Any] = {
            "NetworkInterfaces": given
            and [{"DeviceIndex": 0, "DeleteOnTermination": True, **given}],
            "InstanceType": self.instance_type,
            "IamInstanceProfile": self.instance_profile and {"Name": self.instance_profile},
            "TagSpecifications": tags and [{"ResourceType": "instance", "Tags": tags}],
        }
        return {key: value for key, value in data.items() if value}


class LagStep(Section):
    """The lag from so many seconds after the scenario is applied, before the speed factor."""

    after_seconds: Delay = 0.0
    lag_duration: IsoDuration = timedelta()


class SnapshotRetention(Section):
    """One rule of the retention of snapshots: how often one is taken, and how long it is kept."""

    every_seconds: Annotated[int, Field(ge=60, le=86_400)]
    kept_seconds: Annotated[int, Field(ge=60, le=366 * 86_400)]

    @model_validator(mode="after")
    def _check_number(self) -> Self:
        if self.kept_seconds // self.every_seconds > 10_000:
            raise ValueError("would keep more than 10,000 snapshots")
        return self


class SnapshotGap(Section):
    """A time without snapshots.

    Attributes:
        from_ago: Its start, so long before the scenario is applied; longer than `to_ago`.
        to_ago: Its end, so long before the scenario is applied.
        after_seconds: So long after it is applied the snapshots disappear, before the speed factor;
            None: there never were any.
    """

    from_ago: IsoDuration
    to_ago: IsoDuration = timedelta()
    after_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.from_ago < self.to_ago:
            raise ValueError("FromAgo must not be less than ToAgo")
        return self
