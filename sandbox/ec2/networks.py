"""Adds the networks of the sandbox to moto's EC2 of an account and Region."""

from __future__ import annotations

from threading import RLock

from moto.ec2.models import EC2Backend
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.models.subnets import Subnet
from moto.ec2.models.vpcs import VPC

from sandbox.ec2.network_ids import NETWORKS, Network

# Many threads serve requests; a network must be added once.
_lock = RLock()


def add_networks(backend: EC2Backend, *, missing_subnets: bool = False) -> None:
    """Add the networks. Idempotent.

    Args:
        backend: Moto's.
        missing_subnets: Also add the subnets that were deleted since.
    """
    with _lock:
        if NETWORKS[0].vpc_id not in backend.vpcs:
            for network in NETWORKS:
                _add(backend, network)
        elif missing_subnets:
            for network in NETWORKS:
                _add_subnets(backend, network)


def _add(backend: EC2Backend, network: Network) -> None:
    # Moto's own methods give random IDs.
    vpc = VPC(backend, network.vpc_id, network.cidr, is_default=False)  # type: ignore[abstract]
    backend.vpcs[vpc.id] = vpc
    backend.create_route_table(vpc.id, main=True)
    backend.create_network_acl(vpc.id, default=True)
    backend.create_security_group(
        "default", "default VPC security group", vpc_id=vpc.id, is_default=True
    )
    vpc.add_tag("Name", network.name)
    _add_subnets(backend, network)
    group = SecurityGroup(  # type: ignore[abstract]
        backend, network.security_group_id, network.name, f"Servers of {network.name}",
        vpc_id=vpc.id, tags={},
    )  # fmt: skip
    backend.groups[vpc.id][group.id] = group
    group.add_tag("Name", network.name)


def _add_subnets(backend: EC2Backend, network: Network) -> None:
    """Add those that do not exist."""
    zones = RegionsAndZonesBackend.zones[backend.region_name]
    for letter, zone, subnet_id, cidr in zip(
        "ab", zones, network.subnet_ids, network.subnet_cidrs, strict=False
    ):
        if subnet_id in backend.subnets[zone.name]:
            continue
        subnet = Subnet(  # type: ignore[abstract]
            backend, subnet_id, network.vpc_id, cidr, None, zone,
            default_for_az=False, map_public_ip_on_launch=False,
        )  # fmt: skip
        backend.associate_default_network_acl_with_subnet(subnet.id, network.vpc_id)
        backend.subnets[zone.name][subnet.id] = subnet
        subnet.add_tag("Name", f"{network.name}-{letter}")
