"""Several accounts and Regions, and their ledger."""

from __future__ import annotations

import os
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.base_backend import BackendDict

from sandbox.aws import SandboxAws
from sandbox.drs import register
from sandbox.http.control import SandboxControl
from sandbox.scenario import DEFAULT_ACCOUNT_ID
from sandbox.seed import all_backends
from sandbox.ssm.responses import register as register_ssm
from tests.sandbox.local_aws import DATABASE, TWO_SERVERS, WEB, LocalAws, error_of, server_id

OTHER_ACCOUNT = "222222222222"
TWO_ACCOUNTS = f"""
SourceServers:
  - {{SourceServerId: {DATABASE}}}
  - {{SourceServerId: {WEB}, AccountId: 222222222222, Region: eu-west-1}}
"""


def assumed(aws: LocalAws) -> dict[str, str]:
    """Return credentials of a role of the other account."""
    role = aws.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/recovery", RoleSessionName="drs-waves"
    )
    return {
        "aws_access_key_id": role["Credentials"]["AccessKeyId"],
        "aws_secret_access_key": role["Credentials"]["SecretAccessKey"],
        "aws_session_token": role["Credentials"]["SessionToken"],
    }


def test_an_assumed_role_acts_in_its_account() -> None:
    with LocalAws(TWO_ACCOUNTS) as aws:
        credentials = assumed(aws)
        identity = aws.client("sts", "eu-west-1", **credentials).get_caller_identity()
        assert identity["Account"] == OTHER_ACCOUNT
        drs = aws.drs_client("eu-west-1", **credentials)
        (server,) = drs.describe_source_servers()["items"]
        assert server["arn"] == f"arn:aws:drs:eu-west-1:{OTHER_ACCOUNT}:source-server/{WEB}"
        job = drs.start_recovery(sourceServers=[{"sourceServerID": WEB}])["job"]
        assert f":{OTHER_ACCOUNT}:" in job["arn"]
        assert aws.drs.describe_jobs()["items"] == []


def test_a_server_of_another_account_is_not_found() -> None:
    with LocalAws(TWO_ACCOUNTS) as aws:
        with pytest.raises(ClientError) as refusal:
            aws.launch(WEB)
        assert error_of(refusal.value)["error"] == "ResourceNotFoundException"


def test_a_fault_can_be_limited_to_an_account() -> None:
    fault = f"Operation: DescribeJobs, Error: AccessDeniedException, AccountId: {OTHER_ACCOUNT}"
    with LocalAws(f"{TWO_ACCOUNTS}Faults: [{{{fault}}}]") as aws:
        aws.drs.describe_jobs()
        drs = aws.drs_client("eu-west-1", **assumed(aws))
        with pytest.raises(ClientError) as refusal:
            drs.describe_jobs()
        assert error_of(refusal.value)["status"] == 403


def test_the_ledger_contains_accepted_launches_and_instances() -> None:
    with LocalAws() as aws:
        start = aws.now
        job = aws.drs.start_recovery(
            sourceServers=[{"sourceServerID": DATABASE}], isDrill=True, tags={"Plan": "crm"}
        )["job"]
        with pytest.raises(ClientError):
            aws.launch(DATABASE)
        aws.pass_time(600)
        instance = aws.instances(DATABASE)[0]["recoveryInstanceID"]
        aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        status, ledger = aws.control("GET", "ledger")
        assert status == 200
        (backend,) = ledger["Backends"]
        assert (backend["AccountId"], backend["Region"]) == ("123456789012", "us-west-2")
        accepted, terminated = backend["Events"]
        assert accepted["Event"] == "START_RECOVERY_ACCEPTED"
        assert (accepted["Time"], accepted["JobId"]) == (start, job["jobID"])
        assert (accepted["SourceServerIds"], accepted["IsDrill"]) == ([DATABASE], True)
        assert accepted["Tags"] == {"Plan": "crm"}
        assert terminated["RecoveryInstanceIds"] == [instance]
        states = {each["SourceServerId"]: each for each in backend["Servers"]}
        (up,) = states[DATABASE]["InstancesUp"]
        assert (up["JobId"], up["IsDrill"]) == (job["jobID"], True)
        assert states[WEB]["InstancesUp"] == []
        aws.pass_time(61)
        states = aws.control("GET", "ledger")[1]["Backends"][0]["Servers"]
        assert [each["InstancesUp"] for each in states] == [[], []]


def test_a_scenario_at_run_time_changes_the_server_in_any_account_and_region() -> None:
    with LocalAws(TWO_ACCOUNTS) as aws:
        body = f"SourceServers: [{{SourceServerId: {WEB}, Outcome: failed-early}}]"
        assert aws.control("POST", "scenario", body)[0] == 200
        drs = aws.drs_client("eu-west-1", **assumed(aws))
        drs.start_recovery(sourceServers=[{"sourceServerID": WEB}])
        aws.pass_time(10)
        (job,) = drs.describe_jobs()["items"]
        assert job["participatingServers"][0]["launchStatus"] == "FAILED"
        assert len(aws.drs.describe_source_servers()["items"]) == 1


def test_only_the_keys_given_at_run_time_change_a_server() -> None:
    scenario = f"SourceServers: [{{SourceServerId: {DATABASE}, Name: crm-db, Os: windows}}]"
    with LocalAws(scenario) as aws:
        aws.server.control.apply(
            f"SourceServers: [{{SourceServerId: {DATABASE}, ReplicationState: PAUSED}}]"
        )
        (server,) = aws.drs.describe_source_servers()["items"]
        assert server["tags"]["Name"] == "crm-db"
        assert "Windows" in server["sourceProperties"]["os"]["fullString"]
        assert server["dataReplicationInfo"]["dataReplicationState"] == "PAUSED"


def test_a_quota_set_at_run_time_holds_for_later_servers_too() -> None:
    with LocalAws() as aws:
        aws.server.control.apply("Quotas: {ServersInJob: 1}")
        aws.server.control.apply(f"SourceServers: [{{SourceServerId: {server_id(1)}}}]")
        with pytest.raises(ClientError) as refusal:
            aws.launch(DATABASE, server_id(1))
        assert error_of(refusal.value)["status"] == 402


def test_each_start_begins_with_an_empty_aws() -> None:
    for _ in range(2):
        with LocalAws() as aws:
            assert aws.drs.describe_jobs()["items"] == []
            aws.launch(DATABASE)
            aws.client("sqs").create_queue(QueueName="results")
    with LocalAws() as aws:
        assert "QueueUrls" not in aws.client("sqs").list_queues()


def test_a_second_server_in_the_same_process_is_refused() -> None:
    with LocalAws(TWO_SERVERS), pytest.raises(RuntimeError, match="stop it first"):
        SandboxAws().start()


def test_one_connection_serves_many_calls() -> None:
    with LocalAws() as aws:
        opened: list[object] = []
        server = aws.server._server
        assert server is not None
        process = server.process_request

        def counted(request: Any, client_address: Any) -> None:
            opened.append(request)
            process(request, client_address)

        server.process_request = counted  # type: ignore[method-assign]  # to count connections
        for _ in range(20):
            aws.drs.describe_jobs()
            aws.drs.describe_source_servers()
        assert len(opened) == 1


def test_the_backend_also_works_under_mock_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    # The environment may point to a stack of another test in this process.
    for name in [each for each in os.environ if each.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    register()
    # Moto resets its own services only; this backend may contain earlier state.
    BackendDict.reset()
    with mock_aws():
        drs = boto3.client(
            "drs",
            region_name="us-west-2",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        drs.initialize_service()
        assert drs.describe_jobs()["items"] == []
        with pytest.raises(ClientError) as refusal:
            drs.start_recovery(sourceServers=[{"sourceServerID": DATABASE}])
        assert error_of(refusal.value)["status"] == 404


def test_recovered_servers_and_their_commands_also_work_under_mock_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [each for each in os.environ if each.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    register()
    register_ssm()
    BackendDict.reset()
    with mock_aws():
        server = f"{{SourceServerId: {DATABASE}, LiveRecoveryInstance: DRILL}}"
        SandboxControl().apply(f"SourceServers: [{server}]")
        session = boto3.Session("key", "secret", region_name="us-west-2")
        (reservation,) = session.client("ec2").describe_instances()["Reservations"]
        (instance,) = reservation["Instances"]
        ssm = session.client("ssm")
        command = ssm.send_command(
            InstanceIds=[instance["InstanceId"]], DocumentName="AWS-RunShellScript", Comment="x"
        )["Command"]
        assert command["Status"] == "Pending"
        assert ssm.list_commands()["Commands"][0]["Comment"] == "x"


def test_an_access_key_of_twelve_digits_acts_in_that_account() -> None:
    with LocalAws(TWO_ACCOUNTS) as aws:
        keys = {"aws_access_key_id": OTHER_ACCOUNT, "aws_secret_access_key": "any"}
        assert aws.client("sts", **keys).get_caller_identity()["Account"] == OTHER_ACCOUNT
        (server,) = aws.drs_client("eu-west-1", **keys).describe_source_servers()["items"]
        assert f":{OTHER_ACCOUNT}:" in server["arn"]


def test_quotas_calls_and_the_ledger_are_told_of_one_account_alone() -> None:
    with LocalAws(f"{TWO_ACCOUNTS}Faults: [{{Operation: DescribeJobs, Error: Throttling}}]") as aws:
        aws.server.control.apply(f"Quotas: {{AccountId: '{OTHER_ACCOUNT}', JobsInProgress: 3}}")
        quotas = {
            (backend.account_id, backend.quotas.jobs_in_progress) for backend in all_backends()
        }
        assert quotas == {(OTHER_ACCOUNT, 3), (DEFAULT_ACCOUNT_ID, 20)}
        with pytest.raises(ClientError):
            aws.drs.describe_jobs()
        struck = {"drs.DescribeJobs Throttling": 1}
        assert aws.server.control.calls(DEFAULT_ACCOUNT_ID)["FaultsApplied"] == struck
        assert aws.server.control.calls(OTHER_ACCOUNT) == {"Calls": {}, "FaultsApplied": {}}
        (backend,) = aws.server.control.ledger(OTHER_ACCOUNT)["Backends"]
        assert backend["AccountId"] == OTHER_ACCOUNT
