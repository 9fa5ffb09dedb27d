"""Applies to moto what a scenario says of what a launch needs besides DRS."""

from __future__ import annotations

from moto.ec2.models import ec2_backends
from moto.ec2.models.security_groups import SecurityGroup as MotoSecurityGroup
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.utilities.utils import get_partition

from sandbox.ec2.launch_templates import launch_template_stores
from sandbox.ec2.networks import add_networks
from sandbox.ec2.scripts import (
    InstanceProfile,
    InstanceTypeOffering,
    KmsKey,
    LaunchNeeds,
    SecurityGroup,
    Subnet,
)
from sandbox.section import Section


def apply_launch_needs(needs: LaunchNeeds) -> None:
    """Add, change or remove the entries of a scenario."""
    for entry in (
        *needs.subnets,
        *needs.security_groups,
        *needs.instance_profiles,
        *needs.instance_type_offerings,
        *needs.kms_keys,
    ):
        _apply(entry)


def _apply(entry: Section) -> None:
    match entry:
        case Subnet():
            _apply_subnet(entry)
        case SecurityGroup():
            _apply_security_group(entry)
        case InstanceProfile():
            _apply_instance_profile(entry)
        case InstanceTypeOffering(account_id=account_id, region=region):
            store = launch_template_stores[account_id][region]
            store.not_offered[entry.instance_type] = frozenset(entry.not_offered_in)
        case KmsKey():
            _apply_key(entry)


def _apply_subnet(entry: Subnet) -> None:
    backend = ec2_backends[entry.account_id][entry.region]
    add_networks(backend)
    found = next((s for s in backend.describe_subnets() if s.id == entry.subnet_id), None)
    if not entry.exists:
        if found is not None:
            backend.delete_subnet(entry.subnet_id)
        return
    if found is None:
        # Back again, as somebody mends it. AWS would give it another ID.
        add_networks(backend, missing_subnets=True)
        found = next((s for s in backend.describe_subnets() if s.id == entry.subnet_id), None)
    if found is None:
        raise ValueError(f"{entry.subnet_id} is no subnet of the sandbox's networks")
    if entry.available_ips is not None:
        taken = found._available_ip_addresses - found.available_ip_address_count
        found._available_ip_addresses = entry.available_ips + taken


def _apply_security_group(entry: SecurityGroup) -> None:
    backend = ec2_backends[entry.account_id][entry.region]
    add_networks(backend)
    for groups in backend.groups.values():
        groups.pop(entry.security_group_id, None)
    if entry.exists:
        group = MotoSecurityGroup(  # type: ignore[abstract]
            backend, entry.security_group_id, entry.security_group_id, "of the scenario",
            vpc_id=entry.vpc_id, tags={},
        )  # fmt: skip
        backend.groups[entry.vpc_id][group.id] = group


def _apply_instance_profile(entry: InstanceProfile) -> None:
    # What launch templates name exists once they do, and only then can be removed.
    launch_template_stores[entry.account_id][entry.region].add_templates()
    backend = iam_backends[entry.account_id][get_partition(entry.region)]
    known = entry.name in backend.instance_profiles
    if entry.exists and not known:
        backend.create_instance_profile(entry.name, "/", [])
    elif known and not entry.exists:
        backend.delete_instance_profile(entry.name, ignore_attached_roles=True)


def _apply_key(entry: KmsKey) -> None:
    backend = kms_backends[entry.account_id][entry.region]
    key = backend.keys.get(entry.key_id)
    if key is None:
        key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None)
        del backend.keys[key.id]
        key.id, key.arn = entry.key_id, key.arn.replace(key.id, entry.key_id)
        backend.keys[key.id] = key
    key.key_state, key.enabled = entry.state, entry.state == "Enabled"
