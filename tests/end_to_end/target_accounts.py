"""Accounts with the roles of the CloudFormation templates, which the local AWS holds to them.

An access key of twelve digits is that of an account's owner, who sets it up; the worker and its
sessions in target accounts may do what their policies allow.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from recovery.launch_settings.model import LaunchSettings
from recovery.plan.model import RecoveryPlan
from recovery.steps.model import Step
from sandbox.ec2.network_ids import DRILL
from tests.deploy.policies import FOLDER, as_list, resources_of, statements_of
from tests.end_to_end.conftest import REGION, SPEED, E2eEnvironment
from tests.shared_servers import own_account

EXTERNAL_ID = "drs-waves-4f1c"
_KEY_ID = "11111111-2222-3333-4444-555555555555"
_ALLOWED = {
    "Regions": [REGION],
    "RoleArns": ["arn:aws:iam::*:role/drs-waves-launch"],
    "ExternalId": EXTERNAL_ID,
    "LookRole": "drs-waves-look",
    "TerminateRole": "drs-waves-terminate",
}
# Long, because the speed divides it and a busy machine does not.
_PATIENT = {"TimeoutSeconds": 160 * SPEED, "When": "BOTH"}


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
    known = {"AWS::Partition": "aws", "TargetRolePrefix": "drs-waves"}
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


def allow_list(*accounts: "TargetAccount") -> str:
    """The allow-list of a worker that may act in these accounts alone."""
    ids = [each.account_id for each in accounts]
    steps = {"Documents": ["*"], "Functions": ["*"], "HostedZones": ["*"]}
    return json.dumps({"Targets": [{"AccountIds": ids} | _ALLOWED], "Steps": steps})


@dataclass(frozen=True)
class TargetAccount:
    """A target account with the roles of its template, and what a plan of it uses."""

    env: E2eEnvironment
    account_id: str
    server_id: str

    @classmethod
    def deploy(cls, env: E2eEnvironment) -> "TargetAccount":
        """Deploy the template into a new account, and add a server, an alarm and more."""
        account_id = own_account()
        here = {"AccountId": account_id, "Region": REGION}
        key_arn = f"arn:aws:kms:{REGION}:{account_id}:key/{_KEY_ID}"
        (server_id,) = env.aws.servers(
            1,
            AccountId=account_id,
            EncryptionKeyArn=key_arn,
            LaunchTemplate={"InstanceProfile": "web"},
        )
        account = cls(env, account_id, server_id)
        env.aws.apply(
            KmsKeys=[{"KeyId": _KEY_ID} | here],
            InstanceProfiles=[{"Name": "web"} | here],
            Alarms=[{"AlarmName": "errors", "States": [{"State": "OK"}]} | here],
            TargetGroups=[
                {"TargetGroupArn": account.target_group, "SourceServerIds": [server_id]}
            ],
        )
        parameters = {
            "WorkerRoleArn": f"arn:aws:iam::{env.aws.account_id}:role/drs-waves-worker",
            "ExternalId": EXTERNAL_ID,
            "KmsKeyArns": key_arn,
        }
        owner(env, "cloudformation", account_id).create_stack(
            StackName="drs-waves",
            TemplateBody=(FOLDER / "target-account.yaml").read_text(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return account

    @property
    def target_group(self) -> str:
        """The ARN of the target group behind which the server is."""
        return (
            f"arn:aws:elasticloadbalancing:{REGION}:{self.account_id}"
            f":targetgroup/shop/{'2' * 16}"
        )

    def plan(self) -> RecoveryPlan:
        """A plan that launches the server isolated, and checks it and what is around it."""
        role_arn = f"arn:aws:iam::{self.account_id}:role/drs-waves-launch"
        where = {"role_arn": role_arn, "account_id": self.account_id}
        steps: Mapping[str, Any] = {
            "status": {"InstanceStatus": {"Servers": [self.server_id]}},
            "alarm": {"Alarm": {"AlarmName": "errors"}},
            "healthy": {"TargetHealth": {"TargetGroupArn": self.target_group}},
        }
        settings = LaunchSettings(
            subnet_id=DRILL.subnet_ids[0],
            security_group_ids=[DRILL.security_group_id],
            post_launch_enabled=False,
        )
        return self.env.plan(
            self.env.wave("Web", servers=[self.server_id], **where),
            self.env.wave(
                "Checks",
                "Web",
                servers=0,
                steps=[
                    Step.model_validate({"StepId": step_id} | _PATIENT | spec)
                    for step_id, spec in steps.items()
                ],
                **where,
            ),
            drill_launch_settings=settings,
        )

    def take_away(self, role: str, action: str) -> None:
        """Deny an action to one of the roles."""
        denial = {"Effect": "Deny", "Action": action, "Resource": "*"}
        owner(self.env, "iam", self.account_id).put_role_policy(
            RoleName=role, PolicyName="taken-away", PolicyDocument=_document([denial])
        )

    def permissions(self) -> Iterator[tuple[str, str]]:
        """Each action that the deployed policies allow, with the role that may do it."""
        iam = owner(self.env, "iam", self.account_id)
        for role in iam.list_roles()["Roles"]:
            name = role["RoleName"]
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
            yield from ((name, action) for action in sorted(allowed))
