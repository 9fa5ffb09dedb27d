"""The templates pass cfn-lint and deploy, and what is deployed is as they say and as we need it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from cfnlint.api import lint
from temporalio.envconfig import ClientConfigProfile

from api.endpoints import health
from cli.app import app
from runtime.worker import STOP_TIMEOUT_SECONDS
from security.signers import KmsKey
from settings import Settings
from storage.dynamodb import DynamoTable
from storage.history import HistoryTable
from storage.plans import PlanTable
from storage.rate_counts import RateCountTable
from tests.deploy.stacks import (
    ACCOUNT,
    REGION,
    SECRET,
    TEMPLATES,
    Stack,
    client,
    deploy,
    described,
    differences,
    empty_account,
    table,
    task_definition,
    template,
)
from tests.test_documents import DOCKERFILE, ROOT

OPERATIONS, TARGET = "operations-account.yaml", "target-account.yaml"
EVENTS = "launch-events.yaml"
NAMES = sorted(path.name for path in TEMPLATES.glob("*.yaml"))
EVERYTHING = {
    "TemporalApiKeySecretArn": f"{SECRET}temporal",
    "TemporalTlsSecretArn": f"{SECRET}tls",
    "TemporalServerCaSecretArn": f"{SECRET}ca",
    "OrganizationId": "o-0123456789",
    "RequestKeys": '{"Keys": []}',
    "ApiTokensSecretArn": f"{SECRET}tokens",
    "NotifySecretArn": f"{SECRET}notify",
    "NotifyResourceArns": f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call,{SECRET}pager",
    "OidcClientId": "pages",
    "OidcClientSecretArn": f"{SECRET}client",
    "TemporalUi": "https://cloud.temporal.io",
    "OidcCliClientId": "cli",
}
SECRETS = {
    "DRS_WAVES_ALLOW_LIST": (ROOT / "examples" / "allow-list.yaml").read_text(),
    "DRS_WAVES_NOTIFY": (ROOT / "examples" / "channels.yaml").read_text(),
    "DRS_WAVES_SESSION_KEY": 64 * "k",
    "DRS_WAVES_API_TOKENS": json.dumps(
        {"laptop": {"Hash": f"sha256:{64 * '0'}", "Roles": ["operator"]}}
    ),
    "DRS_WAVES_OIDC_CLIENT_SECRET": "secret",
    "TEMPORAL_API_KEY": "key",
    "TEMPORAL_TLS_CLIENT_CERT_DATA": "certificate",
    "TEMPORAL_TLS_CLIENT_KEY_DATA": "key",
    "TEMPORAL_TLS_SERVER_CA_CERT_DATA": "certificate",
}
# What moto leaves out of what it makes or describes.
NOT_IN_MOTO = {
    "AWS::DynamoDB::Table.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled",
    "AWS::DynamoDB::Table.TimeToLiveSpecification.AttributeName",
    "AWS::DynamoDB::Table.TimeToLiveSpecification.Enabled",
    "AWS::EC2::SecurityGroup.SecurityGroupEgress.CidrIp",
    "AWS::EC2::SecurityGroup.SecurityGroupEgress.Description",
    "AWS::EC2::SecurityGroup.SecurityGroupEgress.FromPort",
    "AWS::EC2::SecurityGroup.SecurityGroupEgress.IpProtocol",
    "AWS::EC2::SecurityGroup.SecurityGroupEgress.ToPort",
    "AWS::EC2::SecurityGroup.SecurityGroupIngress.Description",
    "AWS::ECS::Service.AvailabilityZoneRebalancing",
    "AWS::ECS::Service.DeploymentConfiguration",
    "AWS::ECS::Service.HealthCheckGracePeriodSeconds",
    "AWS::ECS::Service.LaunchType",
    "AWS::ECS::Service.LoadBalancers",
    "AWS::ECS::Service.NetworkConfiguration.AwsvpcConfiguration",
    "AWS::ECS::TaskDefinition.Cpu",
    "AWS::ECS::TaskDefinition.ExecutionRoleArn",
    "AWS::ECS::TaskDefinition.NetworkMode",
    "AWS::ECS::TaskDefinition.RequiresCompatibilities",
    "AWS::ECS::TaskDefinition.TaskRoleArn",
    "AWS::ElasticLoadBalancingV2::LoadBalancer.LoadBalancerAttributes.Key",
    "AWS::ElasticLoadBalancingV2::LoadBalancer.LoadBalancerAttributes.Value",
    "AWS::ElasticLoadBalancingV2::TargetGroup.TargetGroupAttributes.Value",
    "AWS::Events::EventBusPolicy",
    "AWS::IAM::Role.ManagedPolicyArns",
    "AWS::KMS::Key.KeySpec",
    "AWS::KMS::Key.KeyUsage",
    "AWS::KMS::Key.MultiRegion",
    "AWS::KMS::Key.PendingWindowInDays",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::Secret",
}


def parameters() -> dict[str, str]:
    """What an installation must give."""
    ec2 = client("ec2")
    subnets = ec2.describe_subnets()["Subnets"]
    vpc = subnets[0]["VpcId"]
    certificate = client("acm").request_certificate(DomainName="drs.example.com")
    return {
        "Image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/drs-waves:1.0",
        "VpcId": vpc,
        "VpcCidr": "172.31.0.0/16",
        "SubnetIds": ",".join(each["SubnetId"] for each in subnets[:2]),
        "ClientCidr": "10.0.0.0/8",
        "HostName": "drs.example.com",
        "CertificateArn": certificate["CertificateArn"],
        "TemporalAddress": "recovery.a1b2c.tmprl.cloud:7233",
        "TemporalNamespace": "recovery.a1b2c",
        "AllowListSecretArn": f"{SECRET}allow-list",
        "OidcIssuer": "https://auth.example.com",
        "OidcAudience": "drs-waves",
    }


@pytest.fixture(scope="module", params=[{}, EVERYTHING], ids=["least", "everything"])
def operations(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The operations account, with what it must have and with everything that it can have."""
    with empty_account():
        group = client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"]
        metrics = {"MetricsSecurityGroupId": group} if request.param else {}
        yield deploy(OPERATIONS, parameters() | metrics | request.param)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_no_finding_of_cfn_lint(name: str) -> None:
    assert [str(each) for each in lint((TEMPLATES / name).read_text())] == []


def test_each_resource_is_as_the_template_says(operations: Stack) -> None:
    outputs = operations.outputs
    target = {"WorkerRoleArn": outputs["WorkerRoleArn"], "ExternalId": "drs-waves-4f1c"}
    target |= {
        name: f"arn:aws:{name}"
        for name, each in template(TARGET)["Parameters"].items()
        if each["Type"] == "CommaDelimitedList"
    }
    stacks = (
        operations,
        deploy(TARGET, target),
        deploy(EVENTS, {"LaunchResultBusArn": outputs["LaunchResultBusArn"]}),
    )
    resources = [each for stack in stacks for each in stack.resources.values()]
    found = {
        each.type + re.sub(r"\[\d+\]", "", path)
        for each in resources
        for path in differences(each.properties, described(each))
    }
    has_policy = "LaunchResultBusPolicy" in operations.resources
    assert found == NOT_IN_MOTO - (set() if has_policy else {"AWS::Events::EventBusPolicy"})


async def test_the_tables_are_those_of_init_tables(operations: Stack) -> None:
    elsewhere, here = Settings(history_region="us-west-2"), Settings()
    tables: list[tuple[DynamoTable, DynamoTable]] = [
        (HistoryTable(elsewhere), HistoryTable(here)),
        (PlanTable(elsewhere), PlanTable(here)),
        (RateCountTable(elsewhere), RateCountTable(here)),
    ]
    for made, deployed in tables:
        assert await made.create()
        assert not await deployed.create()
        assert (await deployed.check()).unfit is None
        found = table(made.name, "us-west-2")
        (wanted,) = (
            each.properties
            for each in operations.resources.values()
            if each.physical_id == made.name
        )
        assert list(differences(wanted, found)) == []
        for name, key in (
            ("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"),
            ("TimeToLiveSpecification", "Enabled"),
        ):
            assert wanted.get(name, {}).get(key, False) == found[name][key]


def test_what_must_not_be_lost_stays_when_the_stack_goes() -> None:
    kept = ("AWS::DynamoDB::Table", "AWS::KMS::Key")
    resources = template(OPERATIONS)["Resources"]
    for name, each in resources.items():
        if each["Type"] in kept or name == "AuditLog":
            assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain", name


def test_the_signing_key_is_of_the_kind_that_signs(operations: Stack) -> None:
    wanted, kms = operations.resources["SigningKey"].properties, client("kms")
    made = kms.create_key(KeySpec=wanted["KeySpec"], KeyUsage=wanted["KeyUsage"])["KeyMetadata"]
    assert KmsKey(kms, made["KeyId"]).sign(b"request")


def test_a_deployment_takes_no_service_away(operations: Stack) -> None:
    for name in ("WorkerService", "ApiService"):
        service = operations.resources[name].properties
        assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
        assert int(service["DesiredCount"]) >= 2


@pytest.mark.parametrize("family", ["drs-waves-worker", "drs-waves-api"])
def test_the_variables_of_a_container_are_settings(
    operations: Stack, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = task_definition(family)["containerDefinitions"][0]
    variables = {each["name"]: each["value"] for each in container["environment"]}
    variables |= {each["name"]: SECRETS[each["name"]] for each in container["secrets"]}
    for name in variables:
        if name.startswith("TEMPORAL_"):
            alone = ClientConfigProfile.load(override_env_vars={name: "a"}, disable_file=True)
            assert alone != ClientConfigProfile(), name
        elif name != "AWS_REGION":
            prefix, setting = name[:10], name[10:].lower()
            assert (prefix, setting in Settings.model_fields) == ("DRS_WAVES_", True), name
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.history_table == "drs-waves-history"
    if family == "drs-waves-worker":
        assert settings.require_signed_requests is (settings.request_keys is not None)
    else:
        assert settings.oidc_issuer == "https://auth.example.com"


def test_a_container_runs_as_the_image_does(operations: Stack) -> None:
    worker, api = (
        task_definition(family)["containerDefinitions"][0]
        for family in ("drs-waves-worker", "drs-waves-api")
    )
    image = DOCKERFILE.read_text()
    (user,) = re.findall(r"^USER (\S+)$", image, re.MULTILINE)
    (check,) = re.findall(r"^HEALTHCHECK .*\n +CMD (.+)$", image, re.MULTILINE)
    commands = typer.main.get_command(app).list_commands(None)  # type: ignore[attr-defined]
    for container in (worker, api):
        assert container["user"] == user
        assert container["command"][0] in commands
        assert container["healthCheck"]["command"] == ["CMD-SHELL", check]
        assert container["readonlyRootFilesystem"] is True
    assert worker["stopTimeout"] > STOP_TIMEOUT_SECONDS
    variables = {each["name"]: each["value"] for each in api["environment"]}
    port, path = int(variables["DRS_WAVES_API_PORT"]), f"/api{health.router.routes[0].path}"  # type: ignore[attr-defined]
    assert api["portMappings"] == [{"containerPort": port}]
    targets = operations.resources["ApiTargets"].properties
    assert (targets["Port"], targets["HealthCheckPath"]) == (port, path)


def test_the_worker_may_assume_the_roles_of_target_accounts_only(operations: Stack) -> None:
    (policy,) = operations.resources["WorkerRole"].properties["Policies"]
    (act, *_) = policy["PolicyDocument"]["Statement"]
    names = {
        each["Properties"]["RoleName"]["Fn::Sub"].replace("${RoleNamePrefix}", "drs-waves")
        for each in template(TARGET)["Resources"].values()
        if each["Type"] == "AWS::IAM::Role"
    }
    assert "sts:AssumeRole" in act["Action"]
    assert set(act["Resource"]) == {f"arn:aws:iam::*:role/{name}" for name in names}
    assert ("Condition" in act) is ("LaunchResultBusPolicy" in operations.resources)


def test_the_roles_have_the_permissions_that_the_documentation_lists(operations: Stack) -> None:
    text = (ROOT / "docs" / "permissions.md").read_text()
    rows = [
        (row.split("|")[1], set(re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", row)))
        for row in text.partition("## Worker, server and command line")[2].splitlines()
        if row.startswith("|")
    ]
    resources = {name: each.properties for name, each in operations.resources.items()}
    common = resources["CommonPolicy"]["PolicyDocument"]["Statement"]
    notify = [each for each in common if each["Sid"] == "Notify"]
    for role, who, more in (
        ("WorkerRole", "worker", notify),
        ("ApiRole", "`drs-waves serve`", resources["SigningKey"]["KeyPolicy"]["Statement"][1:]),
    ):
        (policy,) = resources[role]["Policies"]
        listed = set[str]().union(*(actions for whom, actions in rows if who in whom))
        statements = [each for each in common if each not in notify]
        statements += [*policy["PolicyDocument"]["Statement"], *more]
        allowed = {action for each in statements for action in _listed(each["Action"])}
        assert allowed <= listed, role
        if notify:
            assert allowed == listed, role


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
