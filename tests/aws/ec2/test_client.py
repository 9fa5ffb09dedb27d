"""Launch templates, instances and subnets, as EC2 has them."""

import pytest

from aws.ec2.client import Ec2Client
from aws.ec2.template_data import NewTemplateData
from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from settings import Settings
from tests.aws_in_process import TARGET, LocalAws

SMALL = NewTemplateData({"InstanceType": "t3.small"})


@pytest.fixture
def ec2(fast: Settings) -> Ec2Client:
    return Ec2Client(ServiceClient(TargetClients(fast)))


def template_id(aws: LocalAws) -> str:
    (server,) = aws.servers(1)
    drs = aws.client("drs")
    found = drs.get_launch_configuration(sourceServerID=server.source_server_id)
    return str(found["ec2LaunchTemplateID"])


async def create(ec2: Ec2Client, template: str, token: str) -> int:
    return await ec2.create_version(
        TARGET, template, SMALL, source=1, description="a test", client_token=token
    )


async def test_a_version_is_created_once_and_becomes_the_default_when_it_is_made_so(
    aws: LocalAws, ec2: Ec2Client
) -> None:
    template = template_id(aws)
    assert await create(ec2, template, "one") == 2
    assert await create(ec2, template, "one") == 2
    first, second = sorted(
        await ec2.template_versions(TARGET, template), key=lambda each: each.version_number
    )
    assert (first.default_version, second.default_version) == (True, False)
    assert (second.version_description, second.data.instance_type) == ("a test", "t3.small")
    # What it does not say is that of its source.
    assert second.data.network_interfaces == first.data.network_interfaces
    await ec2.set_default_version(TARGET, template, 2)
    (default,) = await ec2.template_versions(TARGET, template, ["$Default"])
    assert default.version_number == 2


async def test_the_current_versions_of_all_templates_are_read(
    aws: LocalAws, ec2: Ec2Client
) -> None:
    templates = [template_id(aws) for _ in range(3)]
    await create(ec2, templates[1], "one")
    found = await ec2.current_versions(TARGET)
    numbers = {
        template: {e.version_number for e in found if e.launch_template_id == template}
        for template in templates
    }
    assert list(numbers.values()) == [{1}, {1, 2}, {1}]


async def test_more_templates_than_one_page_has_are_all_read(aws: LocalAws, ec2: Ec2Client) -> None:
    drs, servers = aws.client("drs"), aws.servers(230)
    for server in servers:
        drs.get_launch_configuration(sourceServerID=server.source_server_id)
    found = await ec2.current_versions(TARGET)
    assert len({each.launch_template_id for each in found}) == 230
    assert aws.calls("DescribeLaunchTemplateVersions", "ec2") >= 2


async def test_versions_are_deleted_also_those_that_are_gone_but_never_the_default(
    aws: LocalAws, ec2: Ec2Client
) -> None:
    template = template_id(aws)
    assert await create(ec2, template, "one") == 2
    failed = await ec2.delete_versions(TARGET, template, [1, 2, 77])
    assert list(failed) == [1]
    assert [e.version_number for e in await ec2.template_versions(TARGET, template)] == [1]
    with pytest.raises(AwsError) as caught:
        await ec2.set_default_version(TARGET, template, 2)
    assert not caught.value.kind.is_retryable


async def test_an_answer_that_was_lost_is_unclear(aws: LocalAws, ec2: Ec2Client) -> None:
    template = template_id(aws)
    aws.fault("ModifyLaunchTemplate", Service="ec2", Effect="drop", Times=1)
    with pytest.raises(AwsError) as caught:
        await ec2.set_default_version(TARGET, template, 1)
    assert caught.value.kind is AwsErrorKind.UNCLEAR


async def test_subnets_and_instances_are_read_by_their_ids(aws: LocalAws, ec2: Ec2Client) -> None:
    aws.servers(1)
    ids = [PRODUCTION.subnet_ids[0], DRILL.subnet_ids[0], "subnet-0123456789abcdef0"]
    found = {each.subnet_id: each.vpc_id for each in await ec2.subnets(TARGET, ids)}
    assert found == {ids[0]: PRODUCTION.vpc_id, ids[1]: DRILL.vpc_id}
    assert await ec2.instances(TARGET, ["i-0123456789abcdef0"]) == []
    (server,) = aws.servers(1)
    aws.client("drs").start_recovery(
        sourceServers=[{"sourceServerID": server.source_server_id}], isDrill=True
    )
    aws.pass_time(3600.0)
    drs = aws.client("drs")
    (listed,) = drs.describe_recovery_instances(
        filters={"sourceServerIDs": [server.source_server_id]}
    )["items"]
    (instance,) = await ec2.instances(TARGET, [listed["recoveryInstanceID"]])
    assert (instance.subnet_id, instance.vpc_id) == (PRODUCTION.subnet_ids[0], PRODUCTION.vpc_id)
    assert instance.security_group_ids == [PRODUCTION.security_group_id]
