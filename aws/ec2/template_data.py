"""Makes the data of another version of a launch template: a plan's settings over what it has."""

from dataclasses import dataclass
from typing import Any

from recovery.launch_settings.model import ServerLaunchSettings

# An interface or an address of another subnet makes a launch fail, or puts it there.
_OF_THE_SUBNET = (
    "NetworkInterfaceId",
    "PrivateIpAddress",
    "PrivateIpAddresses",
    "Ipv6Addresses",
    "Ipv4Prefixes",
    "Ipv6Prefixes",
)


@dataclass(frozen=True)
class NewTemplateData:
    """What CreateLaunchTemplateVersion is to be given.

    Attributes:
        data: what differs from the source version, or the whole.
        inherits: whether EC2 takes all other parameters from the source version.
    """

    data: dict[str, Any]
    inherits: bool = True


def new_template_data(earlier: dict[str, Any], settings: ServerLaunchSettings) -> NewTemplateData:
    """The data of a new version of a launch template.

    DRS's templates have the subnet and the security groups in their first network interface. EC2
    replaces a list as a whole, so all its entries are repeated.

    Args:
        earlier: the data of the source version, as EC2 has it.
        settings: what is to be different.
    """
    data: dict[str, Any] = {}
    interfaces = [dict(each) for each in earlier.get("NetworkInterfaces") or []]
    groups = earlier.get("SecurityGroupIds") or []
    if interfaces or settings.subnet_id or settings.private_ip:
        if not interfaces:
            interfaces = [{"DeviceIndex": 0} | ({"Groups": list(groups)} if groups else {})]
        changed = _interface(interfaces[0], settings)
        if [changed, *interfaces[1:]] != (earlier.get("NetworkInterfaces") or []):
            data["NetworkInterfaces"] = [changed, *interfaces[1:]]
    elif settings.security_group_ids is not None:
        data["SecurityGroupIds"] = settings.security_group_ids
    if settings.instance_type is not None:
        data["InstanceType"] = settings.instance_type
    if (profile := settings.instance_profile) is not None:
        data["IamInstanceProfile"] = {"Arn" if profile.startswith("arn:") else "Name": profile}
    if settings.tags:
        data["TagSpecifications"] = _tags(earlier.get("TagSpecifications") or [], settings.tags)
    if "NetworkInterfaces" in data and (groups or earlier.get("SecurityGroups")):
        # EC2 refuses groups beside interfaces, and a version cannot drop what it inherits.
        kept = {k: v for k, v in earlier.items() if k not in ("SecurityGroupIds", "SecurityGroups")}
        return NewTemplateData(kept | data, inherits=False)
    return NewTemplateData(data)


def _interface(earlier: dict[str, Any], settings: ServerLaunchSettings) -> dict[str, Any]:
    changed = dict(earlier)
    if settings.subnet_id is not None and settings.subnet_id != earlier.get("SubnetId"):
        changed = {key: value for key, value in changed.items() if key not in _OF_THE_SUBNET}
        changed["SubnetId"] = settings.subnet_id
    if settings.security_group_ids is not None:
        changed["Groups"] = settings.security_group_ids
    if settings.private_ip is not None:
        changed.pop("PrivateIpAddresses", None)
        changed["PrivateIpAddress"] = settings.private_ip
    return changed


def _tags(earlier: list[dict[str, Any]], tags: dict[str, str]) -> list[dict[str, Any]]:
    """All specifications, with these tags of the instance among the others."""
    others = [each for each in earlier if each.get("ResourceType") != "instance"]
    before = {
        tag["Key"]: tag.get("Value", "")
        for each in earlier
        if each.get("ResourceType") == "instance"
        for tag in each.get("Tags") or []
    }
    joined = [{"Key": key, "Value": value} for key, value in (before | tags).items()]
    return [*others, {"ResourceType": "instance", "Tags": joined}]
