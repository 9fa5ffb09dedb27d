"""CloudFormation's templates, deployed into a moto of this process, and what it then describes."""

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import boto3
import pytest
from cfnlint.decode import cfn_yaml
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends
from moto.kms.models import kms_backends

from sandbox.aws import SandboxAws

TEMPLATES = Path(__file__).parents[2] / "deploy" / "aws"
REGION = "eu-central-1"
ACCOUNT = "123456789012"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"


class Resource(NamedTuple):
    """A resource of a stack: its properties without functions and conditions, and its ID."""

    type: str
    properties: dict[str, Any]
    physical_id: str | None


class Stack(NamedTuple):
    """A deployed template."""

    resources: dict[str, Resource]
    outputs: dict[str, str]


def template(name: str) -> Any:
    """A template, with functions in their long form."""
    return cfn_yaml.load(str(TEMPLATES / name))


def client(service: str, region: str = REGION) -> Any:
    """A client of boto3."""
    return _client(service, region, os.environ["AWS_ENDPOINT_URL"])


@cache
def _client(service: str, region: str, endpoint: str) -> Any:
    return boto3.client(cast(Any, service), region_name=region, endpoint_url=endpoint)


@contextmanager
def empty_account() -> Iterator[None]:
    """A local AWS, in which nothing is but the default network."""
    resolve = parsing.clean_json
    with pytest.MonkeyPatch.context() as patch, SandboxAws() as server:
        # moto leaves null where CloudFormation removes AWS::NoValue.
        patch.setattr(parsing, "clean_json", lambda *given: _present(resolve(*given)))
        for name in list(os.environ):
            if name.startswith(("AWS_", "DRS_WAVES_", "TEMPORAL_")):
                patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", server.endpoint_url)
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield


def deploy(name: str, parameters: Mapping[str, str]) -> Stack:
    """Deploy a template as a stack of its name."""
    known = template(name)
    stack_name = Path(name).stem
    cloudformation = client("cloudformation")
    with warnings.catch_warnings():
        # Of resources that moto does not make, which the test of all resources names.
        warnings.simplefilter("ignore")
        cloudformation.create_stack(
            StackName=stack_name,
            TemplateBody=(TEMPLATES / name).read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        moto = cloudformation_backends[ACCOUNT][REGION].get_stack(stack_name).resource_map
        resources = {
            key: Resource(
                each["Type"],
                parsing.clean_json(each["Properties"], moto) if "Properties" in each else {},
                # An event bus of moto has a name only.
                getattr(moto[key], "physical_resource_id", getattr(moto[key], "name", None)),
            )
            for key, each in known["Resources"].items()
            if moto.lazy_condition_map.get(each.get("Condition"), True)
        }
    for key in kms_backends[ACCOUNT][REGION].keys.values():
        # moto keeps it as CloudFormation gave it, and then cannot read it.
        if isinstance(policy := cast(Any, key.policy), dict):
            key.policy = json.dumps(policy)
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    return Stack(resources, outputs)


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    """The paths of what is wanted and not found; what is found beside it does not count."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        by_name = {key.lower(): value for key, value in found.items()}
        for key, value in wanted.items():
            yield from differences(value, by_name.get(key.lower()), f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and _comparable(wanted, found):
        rest = list(found)
        for number, each in enumerate(wanted):
            ways = [list(differences(each, one, f"{path}[{number}]")) for one in rest]
            best = min(range(len(ways)), key=lambda index: len(ways[index]))
            yield from ways[best]
            del rest[best]
    elif str(wanted).lower() != str(found).lower():
        yield path


def _comparable(wanted: list[Any], found: list[Any]) -> bool:
    # Attributes that a template leaves out have defaults.
    are_attributes = all("Key" in each for each in wanted)
    return len(wanted) == len(found) or (are_attributes and len(wanted) < len(found))


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _present(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_present(each) for each in value if each is not None]
    return value


def described(resource: Resource) -> Any:
    """What AWS says of a resource, by the names of the template's properties; None: nothing."""
    if resource.physical_id is None:
        return None
    if resource.type == "AWS::IAM::Policy":
        return _inline_policy(resource.properties)
    return _DESCRIBE[resource.type](resource.physical_id)


def table(name: str, region: str = REGION) -> Any:
    """A table as the template would have it."""
    dynamodb = client("dynamodb", region)
    found = dynamodb.describe_table(TableName=name)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    return found | {
        "BillingMode": found["BillingModeSummary"]["BillingMode"],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery == "ENABLED"},
        "TimeToLiveSpecification": expiry | {"Enabled": expiry["TimeToLiveStatus"] == "ENABLED"},
    }


def _key(name: str) -> Any:
    kms = client("kms")
    policy = kms.get_key_policy(KeyId=name, PolicyName="default")["Policy"]
    key = kms.describe_key(KeyId=name)["KeyMetadata"] | {"KeyPolicy": json.loads(policy)}
    if key["KeySpec"] == "SYMMETRIC_DEFAULT":
        key["EnableKeyRotation"] = kms.get_key_rotation_status(KeyId=name)["KeyRotationEnabled"]
    return key


def _alias(name: str) -> Any:
    return _named(client("kms").list_aliases()["Aliases"], "AliasName", name)


def _log_group(name: str) -> Any:
    return _named(client("logs").describe_log_groups()["logGroups"], "logGroupName", name)


def _rule(name: str) -> Any:
    events = client("events")
    (bus,) = (
        bus["Name"]
        for bus in events.list_event_buses()["EventBuses"]
        if events.list_rules(EventBusName=bus["Name"], NamePrefix=name)["Rules"]
    )
    found = events.describe_rule(Name=name, EventBusName=bus)
    targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
    return found | {"EventPattern": json.loads(found["EventPattern"]), "Targets": targets}


def _queue(url: str) -> Any:
    found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found | {"QueueName": found["QueueArn"].rpartition(":")[2]}


def _role(name: str) -> Any:
    iam = client("iam")
    inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return iam.get_role(RoleName=name)["Role"] | {
        "Policies": [iam.get_role_policy(RoleName=name, PolicyName=each) for each in inline],
        "ManagedPolicyArns": [each["PolicyArn"] for each in attached],
    }


def _policy(arn: str) -> Any:
    iam = client("iam")
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])
    roles = iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]
    return policy | {
        "ManagedPolicyName": policy["PolicyName"],
        "PolicyDocument": version["PolicyVersion"]["Document"],
        "Roles": [each["RoleName"] for each in roles],
    }


def _inline_policy(wanted: dict[str, Any]) -> Any:
    # Its ID says neither whose it is nor what it is called.
    (role,) = wanted["Roles"]
    found = client("iam").get_role_policy(RoleName=role, PolicyName=wanted["PolicyName"])
    return found | {"Roles": [role]}


def _security_group(group: str) -> Any:
    (found,) = client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return found | {
        "GroupDescription": found["Description"],
        "SecurityGroupIngress": list(_rules(found["IpPermissions"])),
        "SecurityGroupEgress": list(_rules(found["IpPermissionsEgress"])),
    }


def _rules(permissions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in permissions:
        yield from (each | one for one in each["IpRanges"])
        for one in each["UserIdGroupPairs"]:
            yield each | one | {"SourceSecurityGroupId": one["GroupId"]}


def _load_balancer(arn: str) -> Any:
    balancing = client("elbv2")
    (found,) = balancing.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    attributes = balancing.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    return found | {
        "Name": found["LoadBalancerName"],
        "Subnets": [each["SubnetId"] for each in found["AvailabilityZones"]],
        "LoadBalancerAttributes": attributes,
    }


def _listener(arn: str) -> Any:
    (found,) = client("elbv2").describe_listeners(ListenerArns=[arn])["Listeners"]
    return found


def _target_group(arn: str) -> Any:
    balancing = client("elbv2")
    (found,) = balancing.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    attributes = balancing.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    return found | {"Name": found["TargetGroupName"], "TargetGroupAttributes": attributes}


def _cluster(name: str) -> Any:
    (found,) = client("ecs").describe_clusters(clusters=[name])["clusters"]
    return found


def task_definition(name: str) -> Any:
    """A task definition, by its family or ARN."""
    return client("ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]


def _service(arn: str) -> Any:
    cluster = arn.split("/")[1]
    (found,) = client("ecs").describe_services(cluster=cluster, services=[arn])["services"]
    return found | {"Cluster": cluster}


def _named(listed: list[dict[str, Any]], key: str, name: str) -> Any:
    (found,) = (each for each in listed if each[key] == name)
    return found


_DESCRIBE: dict[str, Callable[[str], Any]] = {
    "AWS::DynamoDB::Table": table,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::ECS::Cluster": _cluster,
    "AWS::ECS::Service": _service,
    "AWS::ECS::TaskDefinition": task_definition,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _target_group,
    "AWS::Events::EventBus": lambda name: client("events").describe_event_bus(Name=name),
    "AWS::Events::Rule": _rule,
    "AWS::IAM::ManagedPolicy": _policy,
    "AWS::IAM::Role": _role,
    "AWS::KMS::Alias": _alias,
    "AWS::KMS::Key": _key,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SQS::Queue": _queue,
}
