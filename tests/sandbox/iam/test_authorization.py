"""Users and roles that IAM has may do what their policies allow, and no more."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import DATABASE, TWO_SERVERS, LocalAws

pytestmark = pytest.mark.filterwarnings("ignore:Exception.InjectedError")

OPERATIONS, TARGET = "111111111111", "222222222222"
SCENARIO = TWO_SERVERS.replace("}", f", AccountId: {TARGET}}}")
ROLE = f"arn:aws:iam::{TARGET}:role/drs-waves"
IN_JOBS = (
    "drs:CreateRecoveryInstanceForDrs", "drs:Describe*", "drs:ListTagsForResource",
    "ec2:*", "iam:PassRole", "kms:*",
)  # fmt: skip


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """Source servers in the target account."""
    with LocalAws(SCENARIO) as running:
        yield running


def owner(aws: LocalAws, service: str, account_id: str) -> Any:
    return client(aws, service, {"AccessKeyId": account_id, "SecretAccessKey": "any"})


def client(aws: LocalAws, service: str, keys: dict[str, str]) -> Any:
    credentials: dict[str, Any] = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys.get("SessionToken"),
    }
    return aws.client(service, **credentials)


def document(*actions: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), **({"Resource": "*"} | more)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def worker(aws: LocalAws, *actions: str) -> dict[str, str]:
    """The keys of a new user of the operations account."""
    iam = owner(aws, "iam", OPERATIONS)
    iam.create_user(UserName="worker")
    iam.put_user_policy(
        UserName="worker", PolicyName="worker", PolicyDocument=document(*actions, Resource=[ROLE])
    )
    keys: dict[str, str] = iam.create_access_key(UserName="worker")["AccessKey"]
    return keys


def target_role(aws: LocalAws, *actions: str, trusted: tuple[str, ...] = ()) -> None:
    """A role of the target account, trusting the worker with an external ID."""
    iam = owner(aws, "iam", TARGET)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OPERATIONS}:user/worker"},
        "Action": ["sts:AssumeRole", *trusted],
        "Condition": {"StringEquals": {"sts:ExternalId": "4f1c"}},
    }
    iam.create_role(
        RoleName="drs-waves",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    iam.put_role_policy(RoleName="drs-waves", PolicyName="all", PolicyDocument=document(*actions))


def assumed(aws: LocalAws, keys: dict[str, str], **more: Any) -> dict[str, str]:
    sts = client(aws, "sts", keys)
    request = {"RoleArn": ROLE, "RoleSessionName": "drs-waves", "ExternalId": "4f1c"} | more
    found: dict[str, str] = sts.assume_role(**request)["Credentials"]
    return found


def denied(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    found = error.value.response["Error"]
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    return found["Code"], found["Message"]


def test_a_session_may_do_what_the_policies_of_its_role_allow(aws: LocalAws) -> None:
    target_role(aws, "drs:DescribeJobs", "ec2:DescribeSubnets")
    keys = assumed(aws, worker(aws, "sts:AssumeRole"))
    drs, ec2 = client(aws, "drs", keys), client(aws, "ec2", keys)
    assert drs.describe_jobs()["items"] == []
    assert ec2.describe_subnets()["Subnets"]
    with pytest.raises(ClientError) as error:
        drs.describe_source_servers()
    code, message = denied(error)
    assert code == "AccessDeniedException"
    assert f"{ROLE} is not authorized to perform: drs:DescribeSourceServers" in message
    with pytest.raises(ClientError) as error:
        ec2.describe_instances()
    assert denied(error)[0] == "UnauthorizedOperation"
    for service, call, code in [
        ("iam", "list_roles", "AccessDenied"),
        ("dynamodb", "list_tables", "AccessDeniedException"),
        ("cloudwatch", "describe_alarms", "AccessDenied"),
        ("service-quotas", "list_services", "AccessDeniedException"),
        ("lambda", "list_functions", "AccessDeniedException"),
        ("sqs", "list_queues", "AccessDeniedException"),
    ]:
        with pytest.raises(ClientError) as error:
            getattr(client(aws, service, keys), call)()
        assert denied(error)[0].startswith(code), service
    assert client(aws, "sts", keys).get_caller_identity()["Account"] == TARGET


def test_a_changed_policy_holds_from_the_next_call(aws: LocalAws) -> None:
    target_role(aws, "drs:DescribeJobs")
    drs = client(aws, "drs", assumed(aws, worker(aws, "sts:AssumeRole")))
    drs.describe_jobs()
    owner(aws, "iam", TARGET).put_role_policy(
        RoleName="drs-waves", PolicyName="all", PolicyDocument=document("drs:StartRecovery")
    )
    with pytest.raises(ClientError):
        drs.describe_jobs()


@pytest.mark.parametrize(
    ("request_", "lacks"),
    [
        ({"ExternalId": "wrong"}, "sts:AssumeRole"),
        ({"RoleArn": f"{ROLE}-other"}, "sts:AssumeRole"),
        ({"SourceIdentity": "alice"}, "sts:SetSourceIdentity"),
        ({"Tags": [{"Key": "plan", "Value": "crm"}]}, "sts:TagSession"),
    ],
)
def test_a_role_is_assumed_only_as_its_trust_policy_allows(
    aws: LocalAws, request_: dict[str, Any], lacks: str
) -> None:
    target_role(aws, "drs:*")
    keys = worker(aws, "sts:*")
    assumed(aws, keys)
    with pytest.raises(ClientError) as error:
        assumed(aws, keys, **request_)
    assert denied(error)[0] == "AccessDenied"
    assert f"not authorized to perform: {lacks}" in denied(error)[1]


def test_a_launch_needs_the_permission_to_tag_its_job(aws: LocalAws) -> None:
    target_role(aws, "drs:StartRecovery", *IN_JOBS)
    drs = client(aws, "drs", assumed(aws, worker(aws, "sts:AssumeRole")))
    servers = [{"sourceServerID": DATABASE}]
    with pytest.raises(ClientError) as error:
        drs.start_recovery(sourceServers=servers, tags={"Plan": "crm"})
    assert "drs:TagResource" in denied(error)[1]
    drs.start_recovery(sourceServers=servers)


def rules(*lacking: str) -> str:
    deny = {"Effect": "Deny", "Action": list(lacking), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [deny]})


def launched(aws: LocalAws, drs: Any) -> tuple[str, list[str]]:
    """The final status of a launch, and what its log has as errors."""
    job = drs.start_recovery(sourceServers=[{"sourceServerID": DATABASE}], isDrill=True)["job"]
    aws.pass_time(2000)
    (found,) = drs.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"]
    assert found["status"] == "COMPLETED"
    return found["participatingServers"][0]["launchStatus"], errors(drs, job["jobID"])


def errors(drs: Any, job_id: str) -> list[str]:
    log = drs.describe_job_log_items(jobID=job_id)["items"]
    return [e["eventData"]["rawError"] for e in log if "rawError" in e["eventData"]]


def test_a_job_does_what_its_caller_may_do(aws: LocalAws) -> None:
    target_role(aws, "drs:StartRecovery", "drs:TerminateRecoveryInstances", *IN_JOBS)
    drs = client(aws, "drs", assumed(aws, worker(aws, "sts:AssumeRole")))
    iam = owner(aws, "iam", TARGET)
    for action in ("ec2:CreateVolume", "ec2:RunInstances", "iam:PassRole"):
        iam.put_role_policy(RoleName="drs-waves", PolicyName="no", PolicyDocument=rules(action))
        status, (error,) = launched(aws, drs)
        assert (status, f"({action})" in error) == ("FAILED", True)
    assert drs.describe_recovery_instances()["items"] == []
    iam.put_role_policy(
        RoleName="drs-waves", PolicyName="no", PolicyDocument=rules("ec2:TerminateInstances")
    )
    # AWS says that a launch needs it too: the conversion server is terminated.
    assert launched(aws, drs)[0] == "FAILED"
    iam.delete_role_policy(RoleName="drs-waves", PolicyName="no")
    assert launched(aws, drs) == ("LAUNCHED", [])


def test_nothing_is_terminated_where_the_caller_may_not_terminate_instances(
    aws: LocalAws,
) -> None:
    target_role(aws, "drs:StartRecovery", "drs:TerminateRecoveryInstances", *IN_JOBS)
    drs = client(aws, "drs", assumed(aws, worker(aws, "sts:AssumeRole")))
    iam = owner(aws, "iam", TARGET)
    assert launched(aws, drs)[0] == "LAUNCHED"
    (instance,) = drs.describe_recovery_instances()["items"]
    ids = [instance["recoveryInstanceID"]]
    iam.put_role_policy(
        RoleName="drs-waves", PolicyName="no", PolicyDocument=rules("ec2:TerminateInstances")
    )
    job = drs.terminate_recovery_instances(recoveryInstanceIDs=ids)["job"]
    aws.pass_time(100)
    (error,) = errors(drs, job["jobID"])
    assert "(ec2:TerminateInstances)" in error
    assert len(drs.describe_recovery_instances()["items"]) == 1
    iam.delete_role_policy(RoleName="drs-waves", PolicyName="no")
    drs.terminate_recovery_instances(recoveryInstanceIDs=ids)
    aws.pass_time(100)
    assert drs.describe_recovery_instances()["items"] == []


def test_the_simulation_of_policies_reads_those_of_the_role(aws: LocalAws) -> None:
    target_role(aws, "iam:SimulatePrincipalPolicy", "drs:StartRecovery")
    iam = client(aws, "iam", assumed(aws, worker(aws, "sts:AssumeRole")))
    found = iam.simulate_principal_policy(
        PolicySourceArn=ROLE, ActionNames=["drs:StartRecovery", "drs:TagResource"]
    )
    decisions = [each["EvalDecision"] for each in found["EvaluationResults"]]
    assert decisions == ["allowed", "implicitDeny"]
