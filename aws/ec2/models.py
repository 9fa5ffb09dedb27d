"""EC2's responses as typed models, as lenient as those of DRS."""

from typing import Any

from pydantic import AliasPath, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from aws.drs.models import DrsResponse
from recovery.launch_settings.in_force import DrsFields, SettingsInForce


class Ec2Response(DrsResponse):
    """Base of all responses of EC2."""

    model_config = ConfigDict(alias_generator=to_pascal)


class Ebs(Ec2Response):
    """A disk of a launch template."""

    kms_key_id: str | None = None


class BlockDevice(Ec2Response):
    """A device of a launch template."""

    ebs: Ebs = Ebs()


class NetworkInterface(Ec2Response):
    """A network interface of a launch template."""

    subnet_id: str | None = None
    groups: list[str] = []
    private_ip_address: str | None = None


class InstanceProfileName(Ec2Response):
    """An instance profile, by its ARN or its name."""

    arn: str | None = None
    name: str | None = None


class Tag(Ec2Response):
    """A tag."""

    key: str
    value: str = ""


class TagSpecification(Ec2Response):
    """The tags that a launch template gives to resources of a type."""

    resource_type: str | None = None
    tags: list[Tag] = []


class TemplateData(Ec2Response):
    """What a launch template says about an instance."""

    network_interfaces: list[NetworkInterface] = []
    security_group_ids: list[str] = []
    instance_type: str | None = None
    block_device_mappings: list[BlockDevice] = []
    iam_instance_profile: InstanceProfileName = InstanceProfileName()
    tag_specifications: list[TagSpecification] = []


class TemplateVersion(Ec2Response):
    """A version of a launch template.

    Attributes:
        raw_data: its data as EC2 has it, from which another version is made.
    """

    launch_template_id: str
    version_number: int
    version_description: str = ""
    default_version: bool = False
    data: TemplateData = Field(default=TemplateData(), alias="LaunchTemplateData")
    raw_data: dict[str, Any] = Field(default={}, validation_alias=AliasPath("LaunchTemplateData"))


class TemplateVersionHead(Ec2Response):
    """What a drill's lease needs to know of a version: the account may have thousands."""

    launch_template_id: str
    version_number: int
    version_description: str = ""
    default_version: bool = False
    subnet_id: str | None = Field(
        default=None,
        validation_alias=AliasPath("LaunchTemplateData", "NetworkInterfaces", 0, "SubnetId"),
    )


class Ec2Instance(Ec2Response):
    """An instance; its tags say which version of which template launched it."""

    instance_id: str
    subnet_id: str | None = None
    vpc_id: str | None = None
    private_ip_address: str | None = None
    instance_type: str | None = None
    lifecycle: str | None = Field(default=None, alias="InstanceLifecycle")
    state: str | None = Field(default=None, validation_alias=AliasPath("State", "Name"))
    groups: list[dict[str, str]] = Field(default=[], alias="SecurityGroups")
    tag_list: list[Tag] = Field(default=[], alias="Tags")

    @property
    def security_group_ids(self) -> list[str]:
        """The IDs of its security groups."""
        return [each["GroupId"] for each in self.groups if "GroupId" in each]

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return {each.key: each.value for each in self.tag_list}


class Subnet(Ec2Response):
    """A subnet."""

    subnet_id: str
    vpc_id: str | None = None
    availability_zone: str | None = None
    cidr_block: str | None = None
    available_ip_address_count: int | None = None


class SecurityGroup(Ec2Response):
    """A security group."""

    group_id: str
    vpc_id: str | None = None


class InstanceTypeOffering(Ec2Response):
    """An instance type that an Availability Zone offers."""

    instance_type: str
    location: str


class InstanceTypeInfo(Ec2Response):
    """An instance type."""

    instance_type: str
    vcpus: int | None = Field(default=None, validation_alias=AliasPath("VCpuInfo", "DefaultVCpus"))


def settings_in_force(
    template_id: str | None, drs: DrsFields, version: TemplateVersion | None
) -> SettingsInForce:
    """What the next launch of a server has.

    Args:
        template_id: the launch template that DRS names for the server.
        drs: the server's launch configuration in DRS.
        version: the default version of its launch template; None if it has none.
    """
    if version is None:
        return SettingsInForce(template_id=template_id, drs=drs)
    data = version.data
    first = next(iter(data.network_interfaces), NetworkInterface())
    of_instances = (t for t in data.tag_specifications if t.resource_type == "instance")
    return SettingsInForce(
        template_id=version.launch_template_id,
        template_version=version.version_number,
        description=version.version_description,
        subnet_id=first.subnet_id,
        security_group_ids=first.groups or data.security_group_ids,
        instance_type=data.instance_type,
        private_ip=first.private_ip_address,
        instance_profile=data.iam_instance_profile.arn or data.iam_instance_profile.name,
        tags={tag.key: tag.value for each in of_instances for tag in each.tags},
        other_interfaces=max(0, len(data.network_interfaces) - 1),
        drs=drs,
    )
