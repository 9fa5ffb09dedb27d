"""The data of another version of a launch template."""

from typing import Any

from aws.ec2.template_data import new_template_data
from tests.recovery.launch_settings.settings import DRILL, DRILL_GROUP, GROUP, PRODUCTION, wanted

INTERFACE: dict[str, Any] = {
    "DeviceIndex": 0,
    "SubnetId": PRODUCTION,
    "Groups": [GROUP],
    "PrivateIpAddress": "10.0.0.4",
    "AssociatePublicIpAddress": False,
    "DeleteOnTermination": True,
}
OTHER = {"DeviceIndex": 1, "SubnetId": PRODUCTION}
VOLUME_TAGS = {"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}
EARLIER: dict[str, Any] = {
    "ImageId": "ami-1",
    "NetworkInterfaces": [INTERFACE, OTHER],
    "TagSpecifications": [
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "db"}]},
        VOLUME_TAGS,
    ],
}


def test_another_subnet_keeps_the_interface_and_drops_addresses_of_the_earlier_one() -> None:
    settings = wanted(SubnetId=DRILL, SecurityGroupIds=[DRILL_GROUP])
    new = new_template_data(EARLIER, settings)
    first = {**INTERFACE, "SubnetId": DRILL, "Groups": [DRILL_GROUP]}
    del first["PrivateIpAddress"]
    assert new.inherits
    assert new.data == {"NetworkInterfaces": [first, OTHER]}


def test_an_address_of_its_own_is_set() -> None:
    new = new_template_data(EARLIER, wanted(SubnetId=DRILL, PrivateIp="10.9.0.4"))
    first = new.data["NetworkInterfaces"][0]
    assert (first["SubnetId"], first["PrivateIpAddress"]) == (DRILL, "10.9.0.4")


def test_the_same_subnet_keeps_its_address() -> None:
    assert new_template_data(EARLIER, wanted(SubnetId=PRODUCTION)).data == {}


def test_what_is_not_named_is_not_sent() -> None:
    new = new_template_data(EARLIER, wanted(InstanceType="c6i.large", InstanceProfile="web"))
    assert new.data == {"InstanceType": "c6i.large", "IamInstanceProfile": {"Name": "web"}}
    arn = "arn:aws:iam::111111111111:instance-profile/web"
    new = new_template_data(EARLIER, wanted(InstanceProfile=arn))
    assert new.data == {"IamInstanceProfile": {"Arn": arn}}


def test_tags_are_joined_with_those_of_the_template() -> None:
    new = new_template_data(EARLIER, wanted(Tags={"Tier": "1", "Name": "web"}))
    instance = [{"Key": "Name", "Value": "web"}, {"Key": "Tier", "Value": "1"}]
    assert new.data == {
        "TagSpecifications": [VOLUME_TAGS, {"ResourceType": "instance", "Tags": instance}]
    }


def test_a_template_without_interfaces_gets_one_in_place_of_its_groups() -> None:
    earlier = {"ImageId": "ami-1", "SecurityGroupIds": [GROUP]}
    new = new_template_data(earlier, wanted(SubnetId=DRILL))
    interface = {"DeviceIndex": 0, "Groups": [GROUP], "SubnetId": DRILL}
    # EC2 refuses groups beside interfaces, so they must not be inherited.
    assert not new.inherits
    assert new.data == {"ImageId": "ami-1", "NetworkInterfaces": [interface]}


def test_groups_alone_stay_where_the_template_has_them() -> None:
    new = new_template_data({"SecurityGroupIds": [GROUP]}, wanted(SecurityGroupIds=[DRILL_GROUP]))
    assert new.inherits
    assert new.data == {"SecurityGroupIds": [DRILL_GROUP]}
    new = new_template_data({}, wanted(SubnetId=DRILL))
    assert new.data == {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": DRILL}]}
