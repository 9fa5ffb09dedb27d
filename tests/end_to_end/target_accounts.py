"""Accounts with the roles of the CloudFormation templates, which the local AWS holds to them.

An access key of twelve digits is that of an account's owner, who sets it up; the worker and its
sessions in target accounts may do what their policies allow.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3

from recovery.launch_settings.model import LaunchSettings
from recovery.plan.model import Dependency, Wave
from recovery.steps.model import Step
from sandbox.ec2.network_ids import DRILL
from tests.deploy.policies import FOLDER, as_list, resources_of, statements_of
from tests.end_to_end.conftest import REGION, SPEED, E2eEnvironment
from tests.shared_servers import own_account

EXTERNAL_ID = "drs-waves-4f1c"
_PREFIX = "drs-waves"
_KEY_ID = "11111111-2222-3333-4444-555555555555"
_numbers = itertools.count(1)
_ISOLATION = LaunchSettings(
    subnet_id=DRILL.subnet_ids[0],
    security_group_ids=[DRILL.security_group_id],
    post_launch_enabled=False,
    launch_disposition="STARTED",
)


def owner(env: E2eEnvironment, service: str, account_id: str) -> Any:
    """A client of the owner of an account."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # the name is not a literal here
        region_name=REGION,
        endpoint_url=env.aws.url,
        aws_access_key_id=account_id,
        aws_secret_access_key="owner",
    )


def _without_functions(resource: Any) -> str:
    """A resource of a policy; what has no ARN in the template is any."""
    text = resource.get("Fn::Sub", "*") if isinstance(resource, dict) else resource
    if not text.startswith("arn:"):
        return "*"
    known = {"AWS::Partition": "aws", "TargetRolePrefix": f"{_PREFIX}*"}
    return re.sub(r"\$\{([^}]*)}", lambda found: known.get(found[1], "*"), text)


def operations_role(env: E2eEnvironment, resource: str) -> dict[str, str]:
    """Create a role of the operations account with its policies; the variables of a session of it.

    Args:
        env: whose account it is.
        resource: the name of the role in the template, such as `WorkerRole`.
    """
    found = resources_of(FOLDER / "operations-account.yaml")
    statements = [
        {key: value for key, value in statement.items() if key != "Condition"}
        | {"Resource": [_without_functions(each) for each in as_list(statement["Resource"])]}
        for name in (resource, "CommonPolicy")
        for statement in statements_of(found[name])
    ]
    name = found[resource]["Properties"]["RoleName"]
    iam, sts = (owner(env, each, env.aws.account_id) for each in ("iam", "sts"))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document([]))
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=_document(statements))
    session = sts.assume_role(
        RoleArn=f"arn:aws:iam::{env.aws.account_id}:role/{name}", RoleSessionName="task"
    )
    keys = session["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow_list(targets: Sequence["TargetRoles"]) -> str:
    """The allow-list of a worker that may act with these roles alone."""
    entries = [
        {
            "AccountIds": [each.account_id],
            "Regions": [REGION],
            "RoleArns": [each.role_arn],
            "ExternalId": EXTERNAL_ID,
            "LookRole": f"{each.prefix}-look",
            "TerminateRole": f"{each.prefix}-terminate",
        }
        for each in targets
    ]
    return json.dumps({"Targets": entries})


def target_account(env: E2eEnvironment) -> str:
    """A new target account with a key, an instance profile, an alarm, and room for many jobs."""
    account_id = own_account()
    here = {"AccountId": account_id, "Region": REGION}
    env.aws.apply(
        KmsKeys=[{"KeyId": _KEY_ID} | here],
        InstanceProfiles=[{"Name": "web"} | here],
        Alarms=[{"AlarmName": "errors", "States": [{"State": "OK"}]} | here],
        Quotas={"AccountId": account_id, "JobsInProgress": 200, "StandardVcpus": 1000},
    )
    return account_id


@dataclass(frozen=True)
class TargetRoles:
    """The roles of the template in a target account, and a server that they recover."""

    env: E2eEnvironment
    account_id: str
    prefix: str
    server_id: str

    @classmethod
    def deploy(cls, env: E2eEnvironment, account_id: str, prefix: str = _PREFIX) -> "TargetRoles":
        """Deploy the template, and add a server whose disks have the account's key."""
        key_arn = f"arn:aws:kms:{REGION}:{account_id}:key/{_KEY_ID}"
        (server_id,) = env.aws.servers(
            1,
            AccountId=account_id,
            EncryptionKeyArn=key_arn,
            LaunchTemplate={"InstanceProfile": "web"},
            # So that an isolated drill changes it.
            LaunchDisposition="STOPPED",
        )
        parameters = {
            "WorkerRoleArn": f"arn:aws:iam::{env.aws.account_id}:role/drs-waves-worker",
            "ExternalId": EXTERNAL_ID,
            "RoleNamePrefix": prefix,
            "KmsKeyArns": key_arn,
        }
        owner(env, "cloudformation", account_id).create_stack(
            StackName=prefix,
            TemplateBody=(FOLDER / "target-account.yaml").read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return cls(env, account_id, prefix, server_id)

    @property
    def role_arn(self) -> str:
        """The role that plans name."""
        return f"arn:aws:iam::{self.account_id}:role/{self.prefix}-launch"

    def launch(self, *, isolated: bool = True) -> Wave:
        """A wave that launches the server, in a drill isolated."""
        return self.env.wave(
            self.prefix,
            servers=[self.server_id],
            role_arn=self.role_arn,
            account_id=self.account_id,
            drill_launch_settings=_ISOLATION if isolated else None,
        )

    def checks(self, *, approval_required: bool = False) -> Wave:
        """A wave that then checks the server and what is around it."""
        group = (
            f"arn:aws:elasticloadbalancing:{REGION}:{self.account_id}"
            f":targetgroup/{self.prefix}/{next(_numbers):016x}"
        )
        self.env.aws.apply(
            TargetGroups=[{"TargetGroupArn": group, "SourceServerIds": [self.server_id]}]
        )
        steps: dict[str, Any] = {
            "status": {"InstanceStatus": {"Servers": [self.server_id]}},
            "alarm": {"Alarm": {"AlarmName": "errors"}},
            "healthy": {"TargetHealth": {"TargetGroupArn": group}},
        }
        # Long, because the speed divides it and a busy machine does not.
        patient = {"TimeoutSeconds": 160 * SPEED, "When": "BOTH"}
        checks = [Step.model_validate({"StepId": i} | patient | spec) for i, spec in steps.items()]
        return Wave(
            wave_id=f"{self.prefix}-checks",
            wave_name=f"{self.prefix}-checks",
            servers=[],
            dependencies=[Dependency(depends_on_wave_id=self.prefix)],
            steps=checks,
            region=REGION,
            approval_required=approval_required,
            role_arn=self.role_arn,
            account_id=self.account_id,
        )

    def take_away(self, role: str, *actions: str) -> None:
        """Deny actions, and no others, to one of the roles: launch, look or terminate."""
        denial = {"Effect": "Deny", "Action": list(actions), "Resource": "*"}
        owner(self.env, "iam", self.account_id).put_role_policy(
            RoleName=f"{self.prefix}-{role}",
            PolicyName="taken-away",
            PolicyDocument=_document([denial]),
        )

    def give_back(self, role: str) -> None:
        """Take back what was denied to a role."""
        owner(self.env, "iam", self.account_id).delete_role_policy(
            RoleName=f"{self.prefix}-{role}", PolicyName="taken-away"
        )

    def permissions(self) -> Iterator[tuple[str, str]]:
        """The actions that the deployed policies allow, each with the role that may do it."""
        iam = owner(self.env, "iam", self.account_id)
        for role in ("launch", "look", "terminate"):
            name = f"{self.prefix}-{role}"
            documents = [
                iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"]
                for each in iam.list_role_policies(RoleName=name)["PolicyNames"]
            ]
            for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                arn = each["PolicyArn"]
                version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
                found = iam.get_policy_version(PolicyArn=arn, VersionId=version)
                documents.append(found["PolicyVersion"]["Document"])
            allowed = {
                action
                for document in documents
                for statement in document["Statement"]
                for action in as_list(statement["Action"])
            }
            yield from ((role, action) for action in sorted(allowed))
