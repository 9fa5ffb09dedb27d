"""Whether EC2 would accept what a launch template says, when a launch uses it."""

from __future__ import annotations

from moto.iam.models import iam_backends

from sandbox.drs.servers.launch_settings import TemplateVersion
from sandbox.ec2.launch_templates import launch_template_stores
from sandbox.ec2.networks import add_networks


def launch_refusal(account_id: str, region: str, template: TemplateVersion) -> str | None:
    """Return RunInstances' error for a template, or None."""
    backend = launch_template_stores[account_id][region].ec2
    add_networks(backend)
    vpcs = {each.id: each.vpc_id for zone in backend.subnets.values() for each in zone.values()}
    subnet_id = template.subnet_id
    if subnet_id is not None and subnet_id not in vpcs:
        return _error("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
    of_groups = {group: vpc for vpc, groups in backend.groups.items() for group in groups}
    for group in template.security_group_ids:
        if group not in of_groups:
            return _error("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        if subnet_id is not None and of_groups[group] != vpcs[subnet_id]:
            text = f"Security group {group} and subnet {subnet_id} belong to different networks."
            return _error("InvalidParameter", text)
    profile = template.instance_profile
    known = iam_backends[account_id][backend.partition].instance_profiles.values()
    if profile is not None and all(each.name != profile for each in known):
        text = f"Value ({profile}) for parameter iamInstanceProfile.name is invalid."
        return _error("InvalidParameterValue", f"{text} Invalid IAM Instance Profile name")
    return None


def _error(code: str, text: str) -> str:
    return f"An error occurred ({code}) when calling the RunInstances operation: {text}"
