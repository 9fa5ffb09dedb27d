"""The values of a step's references, and the addresses that EC2 has."""

import time

import boto3
import pytest

from activities.steps.resolving import CallResolver
from aws.errors import AwsError
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from contract.steps import StepCall, StepServer
from recovery.plan.model import Target
from recovery.steps.references import UnknownValueError
from settings import Settings
from tests.activities.steps.step_calls import SERVERS, step_call
from tests.aws_in_process import LocalAws

OTHER = Target(region="eu-central-1")


@pytest.fixture
def resolver(fast: Settings) -> CallResolver:
    return CallResolver(ServiceClient(TargetClients(fast)))


def instances(aws: LocalAws, region: str, count: int) -> list[tuple[str, str]]:
    """New instances of EC2 and their private addresses."""

    ec2 = boto3.client("ec2", region_name=region)
    answer = ec2.run_instances(ImageId="ami-12c6146b", MinCount=count, MaxCount=count)
    return [(each["InstanceId"], each["PrivateIpAddress"]) for each in answer["Instances"]]


def servers(*where: tuple[Target, list[tuple[str, str]]]) -> tuple[list[StepServer], list[str]]:
    found: list[StepServer] = []
    addresses: list[str] = []
    for target, some in where:
        for instance_id, address in some:
            server_id = f"s-{len(found):017x}"
            found.append(
                StepServer(source_server_id=server_id, instance_id=instance_id, target=target)
            )
            addresses.append(address)
    return found, addresses


def tcp(found: list[StepServer]) -> StepCall:
    ids = [each.source_server_id for each in found]
    return step_call(call={"servers": found, "server_ids": ids}, Tcp={"Port": 5432})


async def test_addresses_are_read_in_each_servers_target_and_together(
    aws: LocalAws, resolver: CallResolver
) -> None:
    here = instances(aws, "us-west-2", 3)
    found, addresses = servers(
        (SERVERS[0].target, here), (OTHER, instances(aws, "eu-central-1", 2))
    )
    before = aws.calls("DescribeInstances", "ec2")
    step = await resolver.resolve(tcp(found), time.time)
    assert [each.private_ip for each in step.servers] == addresses
    assert aws.calls("DescribeInstances", "ec2") - before == 2


async def test_addresses_that_nothing_needs_are_not_read(
    aws: LocalAws, resolver: CallResolver
) -> None:
    await resolver.resolve(step_call(Alarm={"AlarmName": "errors"}), time.time)
    await resolver.resolve(step_call(Tcp={"Port": 443, "Host": "shop.example.com"}), time.time)
    assert aws.calls("DescribeInstances", "ec2") == 0


async def test_an_address_is_a_value_of_a_reference(aws: LocalAws, resolver: CallResolver) -> None:
    found, addresses = servers((SERVERS[0].target, instances(aws, "us-west-2", 2)))
    text = f"http://${{Servers.{found[1].source_server_id}.PrivateIp}}:80"
    call = step_call(
        call={"servers": found, "server_ids": []},
        SsmAutomation={"Document": "Configure", "Parameters": {"Url": [text]}},
    )
    step = await resolver.resolve(call, time.time)
    assert step.spec.model_dump()["Parameters"] == {"Url": [f"http://{addresses[1]}:80"]}
    aws.fault("DescribeInstances", Service="ec2", Error="UnauthorizedOperation")
    with pytest.raises(AwsError, match="UnauthorizedOperation"):
        await resolver.resolve(call, time.time)
    # It was started with the address; nothing stops its watch.
    await resolver.resolve(call, time.time, is_started=True)


@pytest.mark.usefixtures("aws")
async def test_an_address_that_ec2_does_not_have_is_not_known(resolver: CallResolver) -> None:
    text = f"${{Servers.{SERVERS[0].source_server_id}.PrivateIp}}"
    call = step_call(SsmAutomation={"Document": "Configure", "Parameters": {"Ip": [text]}})
    with pytest.raises(UnknownValueError, match="EC2 has no private address"):
        await resolver.resolve(call, time.time)


@pytest.mark.parametrize(
    ("value", "text"), [(5432, "5432"), (True, "true"), (1.5, "1.5"), ("db", "db")]
)
@pytest.mark.usefixtures("aws")
async def test_a_number_in_place_of_a_text_becomes_text(
    resolver: CallResolver, value: object, text: str
) -> None:
    call = step_call(
        call={"outputs": {"db.promote": {"Value": value}}},
        SsmAutomation={"Document": "X", "Parameters": {"P": ["${Steps.db.promote.Value}"]}},
    )
    step = await resolver.resolve(call, time.time)
    assert step.spec.model_dump()["Parameters"] == {"P": [text]}


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}, "x" * 5000, ""])
@pytest.mark.usefixtures("aws")
async def test_a_value_that_does_not_fit_is_refused(resolver: CallResolver, value: object) -> None:
    call = step_call(
        call={"outputs": {"db.promote": {"Value": value}}},
        Dns={"Name": "${Steps.db.promote.Value}"},
    )
    with pytest.raises(UnknownValueError, match="the value of Name does not fit"):
        await resolver.resolve(call, time.time)
