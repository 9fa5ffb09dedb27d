"""Launch templates of source servers, as boto3 sees them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.ec2.network_ids import DRILL, PRODUCTION
from tests.sandbox.local_aws import DATABASE, WEB, LocalAws, error_of, many_servers, server_id

SOURCE_TAG = "AWSElasticDisasterRecoverySourceServerID"
UNKNOWN = "lt-00000000000000009"
IN_DRILL = {
    "NetworkInterfaces": [
        {
            "DeviceIndex": 0,
            "SubnetId": DRILL.subnet_ids[0],
            "Groups": [DRILL.security_group_id],
        }
    ]
}


def template_of(aws: LocalAws, server: str = DATABASE) -> str:
    """Return the ID of a source server's launch template, as DRS says it."""
    configuration = aws.drs.get_launch_configuration(sourceServerID=server)
    return str(configuration["ec2LaunchTemplateID"])


def versions(aws: LocalAws, **asked: Any) -> list[Any]:
    """Return one page of versions as EC2 describes them."""
    return list(
        aws.client("ec2").describe_launch_template_versions(**asked)["LaunchTemplateVersions"]
    )


def create(aws: LocalAws, template: str, **more: Any) -> int:
    """Create a version and return its number."""
    given = {"SourceVersion": "$Default", "LaunchTemplateData": IN_DRILL, **more}
    made = aws.client("ec2").create_launch_template_version(LaunchTemplateId=template, **given)
    return int(made["LaunchTemplateVersion"]["VersionNumber"])


def make_default(aws: LocalAws, template: str, version: int, **more: Any) -> None:
    """Make a version the default."""
    aws.client("ec2").modify_launch_template(
        LaunchTemplateId=template, DefaultVersion=str(version), **more
    )


def default(aws: LocalAws, template: str) -> int:
    """Return the number of the default version."""
    (found,) = aws.client("ec2").describe_launch_templates(LaunchTemplateIds=[template])[
        "LaunchTemplates"
    ]
    return int(found["DefaultVersionNumber"])


def refusal(call: Any, **given: Any) -> str:
    """Return the error code of a call that is refused."""
    with pytest.raises(ClientError) as refused:
        call(**given)
    return str(error_of(refused.value)["error"])


def test_drs_has_a_template_in_production_for_each_source_server() -> None:
    with LocalAws() as aws:
        filters = [{"Name": f"tag:{SOURCE_TAG}", "Values": [WEB]}]
        (found,) = aws.client("ec2").describe_launch_templates(Filters=filters)["LaunchTemplates"]
        assert found["LaunchTemplateId"] == template_of(aws, WEB)
        tags = {each["Key"]: each["Value"] for each in found["Tags"]}
        assert tags["AWSElasticDisasterRecoveryManaged"] == "drs.amazonaws.com"
        (version,) = versions(aws, LaunchTemplateId=found["LaunchTemplateId"])
        assert (version["VersionNumber"], version["DefaultVersion"]) == (1, True)
        data = version["LaunchTemplateData"]
        assert data["InstanceType"] == "c5.large"
        (interface,) = data["NetworkInterfaces"]
        assert interface["SubnetId"] == PRODUCTION.subnet_ids[0]
        assert interface["Groups"] == [PRODUCTION.security_group_id]


def test_the_scenario_says_what_the_template_has() -> None:
    scenario = (
        f"SourceServers: [{{SourceServerId: {DATABASE}, LaunchTemplate: {{SubnetId: subnet-12345678"
        ", SecurityGroupIds: [sg-12345678], InstanceType: r5.large, PrivateIp: 10.0.0.9,"
        " InstanceProfile: web, Tags: {Tier: data}}}]"
    )
    with LocalAws(scenario) as aws:
        (version,) = versions(aws, LaunchTemplateId=template_of(aws))
        assert version["LaunchTemplateData"] == {
            "InstanceType": "r5.large",
            "IamInstanceProfile": {"Name": "web"},
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "DeleteOnTermination": True,
                    "SubnetId": "subnet-12345678",
                    "Groups": ["sg-12345678"],
                    "PrivateIpAddress": "10.0.0.9",
                }
            ],
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "Tier", "Value": "data"}]}
            ],
        }


def test_templates_are_those_of_the_account_and_region() -> None:
    with LocalAws() as aws:
        for other in (
            aws.client("ec2", "us-east-1"),
            aws.client("ec2", aws_access_key_id="210987654321", aws_secret_access_key="x"),
        ):
            assert other.describe_launch_templates()["LaunchTemplates"] == []


def test_a_version_has_the_data_of_its_source_with_what_is_given() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        second = create(aws, template, VersionDescription="DRILL x: restore version 1")
        bare = create(aws, template, SourceVersion="", LaunchTemplateData={"KeyName": "ops"})
        assert (second, bare) == (2, 3)
        found = {each["VersionNumber"]: each for each in versions(aws, LaunchTemplateId=template)}
        assert found[2]["VersionDescription"] == "DRILL x: restore version 1"
        assert found[2]["LaunchTemplateData"] == {"InstanceType": "c5.large", **IN_DRILL}
        assert found[3]["LaunchTemplateData"] == {"KeyName": "ops"}
        assert default(aws, template) == 1


def test_a_client_token_makes_one_version_only() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        first = create(aws, template, ClientToken="once")
        assert create(aws, template, ClientToken="once") == first
        assert len(versions(aws, LaunchTemplateId=template)) == 2
        refused = refusal(
            aws.client("ec2").create_launch_template_version,
            LaunchTemplateId=template,
            ClientToken="once",
            LaunchTemplateData={"KeyName": "other"},
        )
        assert refused == "IdempotentParameterMismatch"
        acts = aws.control("GET", "effects")[1]["Effects"]
        assert [(each["Kind"], each["Key"], each["IsRepeat"]) for each in acts] == [
            ("ec2.CreateLaunchTemplateVersion", "once", False),
            ("ec2.CreateLaunchTemplateVersion", "once", True),
        ]


def test_a_repeat_of_a_deleted_version_does_not_make_it_again() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        number = create(aws, template, ClientToken="once")
        aws.client("ec2").delete_launch_template_versions(
            LaunchTemplateId=template, Versions=[str(number)]
        )
        assert create(aws, template, ClientToken="once") == number
        assert [each["VersionNumber"] for each in versions(aws, LaunchTemplateId=template)] == [1]


def test_a_repeated_switch_has_no_effect() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        create(aws, template)
        make_default(aws, template, 2, ClientToken="switch")
        make_default(aws, template, 1)
        make_default(aws, template, 2, ClientToken="switch")
        assert default(aws, template) == 1


def test_numbers_of_deleted_versions_are_not_used_again() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        create(aws, template)
        aws.client("ec2").delete_launch_template_versions(LaunchTemplateId=template, Versions=["2"])
        assert create(aws, template) == 3


def test_a_version_that_does_not_exist_cannot_become_the_default() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        ec2 = aws.client("ec2")
        create(aws, template)
        ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["2"])
        for missing in ("2", "9", "$Latest"):
            refused = refusal(
                ec2.modify_launch_template, LaunchTemplateId=template, DefaultVersion=missing
            )
            assert refused == "InvalidLaunchTemplateId.VersionNotFound"
        assert default(aws, template) == 1


def test_a_deletion_says_of_each_version_what_became_of_it() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        create(aws, template)
        outcome = aws.client("ec2").delete_launch_template_versions(
            LaunchTemplateId=template, Versions=["1", "2", "9"]
        )
        (deleted,) = outcome["SuccessfullyDeletedLaunchTemplateVersions"]
        assert (deleted["LaunchTemplateId"], deleted["VersionNumber"]) == (template, 2)
        failed = outcome["UnsuccessfullyDeletedLaunchTemplateVersions"]
        assert {each["VersionNumber"]: each["ResponseError"]["Code"] for each in failed} == {
            1: "unexpectedError",
            9: "launchTemplateVersionDoesNotExist",
        }
        assert [each["VersionNumber"] for each in versions(aws, LaunchTemplateId=template)] == [1]


def test_a_deletion_in_no_template_says_so() -> None:
    with LocalAws() as aws:
        ec2 = aws.client("ec2")
        outcome = ec2.delete_launch_template_versions(LaunchTemplateId=UNKNOWN, Versions=["2"])
        (failed,) = outcome["UnsuccessfullyDeletedLaunchTemplateVersions"]
        assert failed["ResponseError"]["Code"] == "launchTemplateIdDoesNotExist"
        refused = refusal(
            ec2.delete_launch_template_versions,
            LaunchTemplateId=template_of(aws),
            Versions=[str(number) for number in range(2, 203)],
        )
        assert refused == "InvalidParameterValue"


def test_an_unknown_template_is_refused() -> None:
    with LocalAws() as aws:
        ec2 = aws.client("ec2")
        for call, more in (
            (ec2.create_launch_template_version, {"LaunchTemplateData": IN_DRILL}),
            (ec2.modify_launch_template, {"DefaultVersion": "1"}),
            (ec2.describe_launch_template_versions, {}),
        ):
            missing = refusal(call, LaunchTemplateId=UNKNOWN, **more)
            assert missing == "InvalidLaunchTemplateId.NotFound"
        assert refusal(ec2.describe_launch_templates, LaunchTemplateIds=[UNKNOWN]) == (
            "InvalidLaunchTemplateId.NotFound"
        )


def test_the_defaults_of_all_templates_come_page_by_page() -> None:
    with LocalAws(many_servers(7)) as aws:
        changed = template_of(aws, server_id(3))
        create(aws, changed)
        pages = list(
            aws.client("ec2")
            .get_paginator("describe_launch_template_versions")
            .paginate(Versions=["$Default", "$Latest"], PaginationConfig={"PageSize": 3})
        )
        sizes = [len(page["LaunchTemplateVersions"]) for page in pages]
        assert sizes == [3, 3, 2]
        found = [each for page in pages for each in page["LaunchTemplateVersions"]]
        assert sorted(
            (each["VersionNumber"], each["DefaultVersion"])
            for each in found
            if each["LaunchTemplateId"] == changed
        ) == [(1, True), (2, False)]
        assert len({each["LaunchTemplateId"] for each in found}) == 7


def test_templates_come_page_by_page_and_by_name() -> None:
    with LocalAws(many_servers(7)) as aws:
        ec2 = aws.client("ec2")
        pages = list(
            ec2.get_paginator("describe_launch_templates").paginate(
                Filters=[{"Name": "tag-key", "Values": [SOURCE_TAG]}],
                PaginationConfig={"PageSize": 4},
            )
        )
        assert [len(page["LaunchTemplates"]) for page in pages] == [4, 3]
        name = pages[0]["LaunchTemplates"][0]["LaunchTemplateName"]
        filters = [{"Name": "launch-template-name", "Values": [name]}]
        (found,) = ec2.describe_launch_templates(Filters=filters)["LaunchTemplates"]
        assert found["LaunchTemplateName"] == name
        for size in (0, 201):
            refused = refusal(
                ec2.describe_launch_template_versions, Versions=["$Default"], MaxResults=size
            )
            assert refused == "InvalidParameterValue"


def test_versions_are_found_by_name_number_and_range() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        for _ in range(3):
            create(aws, template)
        make_default(aws, template, 3)
        name = f"created-and-used-by-drs-{DATABASE}"

        def numbers(**asked: Any) -> list[int]:
            found = versions(aws, LaunchTemplateName=name, **asked)
            return [each["VersionNumber"] for each in found]

        assert numbers(Versions=["$Latest", "2"]) == [2, 4]
        assert numbers(Versions=["$Default"]) == [3]
        assert numbers(MinVersion="2", MaxVersion="3") == [2, 3]
        assert numbers(Filters=[{"Name": "is-default-version", "Values": ["true"]}]) == [3]


def test_other_templates_are_as_moto_has_them() -> None:
    with LocalAws() as aws:
        ec2 = aws.client("ec2")
        made = ec2.create_launch_template(
            LaunchTemplateName="own", LaunchTemplateData={"InstanceType": "t3.micro"}
        )["LaunchTemplate"]
        assert made["DefaultVersionNumber"] == 1
        assert create(aws, made["LaunchTemplateId"]) == 2
        ec2.delete_launch_template(LaunchTemplateName="own")
        left = ec2.describe_launch_templates()["LaunchTemplates"]
        assert {each["LaunchTemplateId"] for each in left} == {
            template_of(aws),
            template_of(aws, WEB),
        }


def test_faults_strike_by_the_source_server_of_the_template() -> None:
    fault = (
        f"Faults: [{{Service: ec2, Operation: ModifyLaunchTemplate, Effect: answer-lost, Times: 1,"
        f" Mentions: [{DATABASE}]}}]"
    )
    with LocalAws() as aws:
        aws.control("POST", "scenario", fault)
        for server in (WEB, DATABASE):
            create(aws, template_of(aws, server))
        make_default(aws, template_of(aws, WEB), 2)
        with pytest.raises(Exception, match="Connection was closed"):
            make_default(aws, template_of(aws), 2)
        assert default(aws, template_of(aws)) == 2


def test_an_error_keeps_a_change_from_ec2() -> None:
    with LocalAws() as aws:
        template = template_of(aws)
        create(aws, template)
        ec2 = aws.client("ec2")
        for operation in ("ModifyLaunchTemplate", "DeleteLaunchTemplateVersions"):
            fault = (
                f"Faults: [{{Service: ec2, Operation: {operation}, Error: RequestLimitExceeded}}]"
            )
            aws.control("POST", "scenario", fault)
        switch = {"LaunchTemplateId": template, "DefaultVersion": "2"}
        assert refusal(ec2.modify_launch_template, **switch) == "RequestLimitExceeded"
        deletion = {"LaunchTemplateId": template, "Versions": ["2"]}
        assert refusal(ec2.delete_launch_template_versions, **deletion) == "RequestLimitExceeded"
        assert default(aws, template) == 1
        assert len(versions(aws, LaunchTemplateId=template)) == 2


def test_versions_are_read_as_they_were_created() -> None:
    data = {
        "UserData": "IyEvYmluL3NoCmVjaG8gJzxoaT4nCg==",
        "EbsOptimized": True,
        "KeyName": "a <b> & 'c'",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30}}],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "Groups": ["sg-1", "sg-2"],
                "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.0.9"}],
            }
        ],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": ""}]}],
    }
    with LocalAws() as aws:
        template = template_of(aws)
        create(aws, template, SourceVersion="", LaunchTemplateData=data)
        (version,) = versions(aws, LaunchTemplateId=template, Versions=["2"])
        assert version["LaunchTemplateData"] == data
        assert version["CreateTime"].timestamp() == aws.now
        assert not version["DefaultVersion"]
        make_default(aws, template, 2)
        (version,) = versions(aws, LaunchTemplateId=template, Versions=["2"])
        assert version["DefaultVersion"]
