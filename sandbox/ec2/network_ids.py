"""The networks that each account and Region has, with the same IDs everywhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """A VPC with two subnets and a security group.

    Attributes:
        name: The Name tag of the VPC, of its subnets (with `-a` or `-b`) and of its group.
        subnet_ids: In the first and in the second Availability Zone.
        subnet_cidrs: Of the subnets. Loopback addresses, because this host listens on them.
    """

    name: str
    vpc_id: str
    cidr: str
    subnet_ids: tuple[str, str]
    subnet_cidrs: tuple[str, str]
    security_group_id: str


PRODUCTION = Network(
    name="production",
    vpc_id="vpc-0c000000000000001",
    cidr="127.10.0.0/16",
    subnet_ids=("subnet-0c00000000000000a", "subnet-0c00000000000000b"),
    subnet_cidrs=("127.10.0.0/18", "127.10.64.0/18"),
    security_group_id="sg-0c000000000000001",
)
DRILL = Network(
    name="drill",
    vpc_id="vpc-0d000000000000001",
    cidr="127.20.0.0/16",
    subnet_ids=("subnet-0d00000000000000a", "subnet-0d00000000000000b"),
    subnet_cidrs=("127.20.0.0/18", "127.20.64.0/18"),
    security_group_id="sg-0d000000000000001",
)
NETWORKS = (PRODUCTION, DRILL)
