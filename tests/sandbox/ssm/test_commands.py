"""Commands of Systems Manager to recovered servers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.sandbox.local_aws import DATABASE, WEB, LocalAws, error_of

SCRIPT = "AWS-RunShellScript"


def scenario(document: str = "", server: str = "", more: str = "") -> str:
    """Return a scenario of two servers and, if its keys are given, the document SCRIPT."""
    servers = ", ".join(
        f"{{SourceServerId: {each}, LaunchSeconds: 10, {server}}}" for each in (DATABASE, WEB)
    )
    documents = f"[{{Name: {SCRIPT}, Type: Command, {document}}}]" if document else "[]"
    return f"SourceServers: [{servers}]\nDocuments: {documents}\n{more}"


def launched(aws: LocalAws, *servers: str) -> list[str]:
    """Launch servers, and return the IDs of their instances in this order."""
    aws.launch(*servers)
    aws.pass_time(13)
    return [str(aws.instances(each)[0]["ec2InstanceID"]) for each in servers]


def send(aws: LocalAws, *instance_ids: str, comment: str = "", **more: Any) -> str:
    """Send a command, and return its ID."""
    command = aws.client("ssm").send_command(
        InstanceIds=list(instance_ids),
        DocumentName=SCRIPT,
        Parameters={"commands": ["uptime"]},
        Comment=comment,
        **more,
    )["Command"]
    assert command["Status"] == "Pending"
    return str(command["CommandId"])


def invocation(aws: LocalAws, command_id: str, instance_id: str) -> Any:
    """Return the result of a command on an instance."""
    ssm = aws.client("ssm")
    return ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)


def listed(aws: LocalAws, **filters: str) -> list[str]:
    """Return the IDs of the commands that pass filters."""
    given = [{"key": key, "value": value} for key, value in filters.items()]
    arguments = {"Filters": given} if given else {}
    return [each["CommandId"] for each in aws.client("ssm").list_commands(**arguments)["Commands"]]


def refused(call: Any, **arguments: Any) -> str:
    """Return the error code of a refusal."""
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    return str(error_of(refusal.value)["error"])


def test_a_command_is_pending_then_in_progress_then_successful_with_its_output() -> None:
    with LocalAws(scenario("Seconds: 30, Output: up 3 days")) as aws:
        (instance_id,) = launched(aws, DATABASE)
        command_id = send(aws, instance_id, comment="attempt 1")
        assert invocation(aws, command_id, instance_id)["Status"] == "Pending"
        aws.pass_time(2)
        running = invocation(aws, command_id, instance_id)
        assert (running["Status"], running["ResponseCode"]) == ("InProgress", -1)
        assert running["StandardOutputContent"] == ""
        aws.pass_time(30)
        done = invocation(aws, command_id, instance_id)
        assert (done["Status"], done["StatusDetails"], done["ResponseCode"]) == (
            "Success", "Success", 0,
        )  # fmt: skip
        assert done["StandardOutputContent"] == "up 3 days"
        assert (done["Comment"], done["DocumentName"]) == ("attempt 1", SCRIPT)
        (command,) = aws.client("ssm").list_commands()["Commands"]
        assert (command["Status"], command["Comment"]) == ("Success", "attempt 1")
        assert (command["TargetCount"], command["CompletedCount"]) == (1, 1)


@pytest.mark.parametrize(
    ("keys", "seconds", "status", "details", "error"),
    [
        ("Outcome: failed, ErrorOutput: no disk", 10, "Failed", "Failed", "no disk"),
        ("Outcome: timed-out", 10, "TimedOut", "ExecutionTimedOut", ""),
        ("Outcome: stuck", 3000, "InProgress", "InProgress", ""),
        ("Outcome: stuck", 3700, "TimedOut", "ExecutionTimedOut", ""),
        ("Outcome: not-delivered", 500, "Pending", "Pending", ""),
        ("Outcome: not-delivered", 700, "TimedOut", "DeliveryTimedOut", ""),
    ],
)
def test_a_command_can_end_otherwise(
    keys: str, seconds: float, status: str, details: str, error: str
) -> None:
    with LocalAws(scenario(keys)) as aws:
        (instance_id,) = launched(aws, DATABASE)
        command_id = send(aws, instance_id, TimeoutSeconds=600)
        aws.pass_time(seconds)
        found = invocation(aws, command_id, instance_id)
        assert (found["Status"], found["StatusDetails"]) == (status, details)
        assert found["StandardErrorContent"] == error
        (command,) = aws.client("ssm").list_commands()["Commands"]
        assert command["Status"] == status


def test_the_speed_factor_divides_the_duration() -> None:
    with LocalAws(scenario("Seconds: 100"), speed=10.0) as aws:
        (instance_id,) = launched(aws, DATABASE)
        command_id = send(aws, instance_id)
        aws.pass_time(11)
        assert invocation(aws, command_id, instance_id)["Status"] == "Success"


def test_successive_commands_can_have_different_outcomes() -> None:
    with LocalAws(scenario("Outcome: [failed, success]")) as aws:
        (instance_id,) = launched(aws, DATABASE)
        commands = [send(aws, instance_id) for _ in range(3)]
        aws.pass_time(10)
        statuses = [invocation(aws, each, instance_id)["Status"] for each in commands]
        assert statuses == ["Failed", "Success", "Success"]


def test_an_outcome_can_be_that_of_one_server() -> None:
    with LocalAws(scenario(f"SourceServerIds: [{WEB}], Outcome: failed")) as aws:
        database, web = launched(aws, DATABASE, WEB)
        command_id = send(aws, database, web)
        aws.pass_time(10)
        assert invocation(aws, command_id, database)["Status"] == "Success"
        assert invocation(aws, command_id, web)["Status"] == "Failed"
        (command,) = aws.client("ssm").list_commands()["Commands"]
        assert (command["Status"], command["ErrorCount"]) == ("Failed", 1)
        ssm = aws.client("ssm")
        whole = ssm.list_command_invocations(CommandId=command_id, Details=True)
        assert {each["InstanceId"]: each["Status"] for each in whole["CommandInvocations"]} == {
            database: "Success",
            web: "Failed",
        }
        (one,) = ssm.list_command_invocations(InstanceId=web)["CommandInvocations"]
        assert one["CommandPlugins"] == []


def test_targets_are_found_by_tag() -> None:
    with LocalAws(scenario()) as aws:
        _, web = launched(aws, DATABASE, WEB)
        ssm = aws.client("ssm")
        tag = {"Key": "tag:AWSElasticDisasterRecoverySourceServerID", "Values": [WEB]}
        command_id = ssm.send_command(Targets=[tag], DocumentName=SCRIPT)["Command"]["CommandId"]
        (only,) = ssm.list_command_invocations(CommandId=command_id)["CommandInvocations"]
        assert only["InstanceId"] == web
        nobody = {"Key": "tag:Name", "Values": ["nobody"]}
        command = ssm.send_command(Targets=[nobody], DocumentName=SCRIPT)["Command"]
        assert (command["Status"], command["StatusDetails"]) == ("Success", "NoInstancesInTag")


def test_commands_are_refused_as_aws_does() -> None:
    with LocalAws(scenario("ParameterNames: [commands]")) as aws:
        (instance_id,) = launched(aws, DATABASE)
        send_command = aws.client("ssm").send_command
        one = [instance_id]
        unknown = {"InstanceIds": one, "DocumentName": "Nothing"}
        assert refused(send_command, **unknown) == "InvalidDocument"
        twice = {"InstanceIds": one * 2, "DocumentName": SCRIPT}
        assert refused(send_command, **twice) == "DuplicateInstanceId"
        gone = {"InstanceIds": ["i-00000000000000000"], "DocumentName": SCRIPT}
        assert refused(send_command, **gone) == "InvalidInstanceId"
        assert refused(send_command, DocumentName=SCRIPT) == "InvalidInstanceId"
        other = {"InstanceIds": one, "DocumentName": SCRIPT, "Parameters": {"script": ["x"]}}
        assert refused(send_command, **other) == "InvalidParameters"
        assert aws.control("GET", "effects")[1]["Effects"] == []


def test_a_command_is_refused_until_systems_manager_knows_the_instance() -> None:
    with LocalAws(scenario(server="SsmAgentSeconds: 60")) as aws:
        (instance_id,) = launched(aws, DATABASE)
        arguments = {"InstanceIds": [instance_id], "DocumentName": SCRIPT}
        assert refused(aws.client("ssm").send_command, **arguments) == "InvalidInstanceId"
        aws.pass_time(60)
        send(aws, instance_id)
        aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
        assert refused(aws.client("ssm").send_command, **arguments) == "InvalidInstanceId"


def test_unknown_commands_and_invocations_are_refused() -> None:
    with LocalAws(scenario()) as aws:
        database, web = launched(aws, DATABASE, WEB)
        ssm, nothing = aws.client("ssm"), "0" * 36
        command_id = send(aws, database)
        get, cancel = ssm.get_command_invocation, ssm.cancel_command
        assert refused(get, CommandId=nothing, InstanceId=web) == "InvalidCommandId"
        assert refused(get, CommandId=command_id, InstanceId=web) == "InvocationDoesNotExist"
        assert refused(cancel, CommandId=nothing) == "InvalidCommandId"
        assert refused(ssm.list_commands, CommandId=nothing) == "InvalidCommandId"


def test_a_cancelled_command_is_cancelling_then_cancelled() -> None:
    with LocalAws(scenario("Seconds: 100")) as aws:
        database, web = launched(aws, DATABASE, WEB)
        command_id = send(aws, database, web)
        aws.pass_time(5)
        aws.client("ssm").cancel_command(CommandId=command_id, InstanceIds=[web])
        assert invocation(aws, command_id, web)["Status"] == "Cancelling"
        aws.pass_time(5)
        assert invocation(aws, command_id, web)["Status"] == "Cancelled"
        assert invocation(aws, command_id, database)["Status"] == "InProgress"
        aws.client("ssm").cancel_command(CommandId=command_id)
        aws.pass_time(200)
        assert invocation(aws, command_id, database)["Status"] == "Cancelled"


def test_cancelling_a_command_that_is_over_changes_nothing() -> None:
    with LocalAws(scenario()) as aws:
        (instance_id,) = launched(aws, DATABASE)
        command_id = send(aws, instance_id)
        aws.pass_time(60)
        aws.client("ssm").cancel_command(CommandId=command_id)
        aws.pass_time(60)
        assert invocation(aws, command_id, instance_id)["Status"] == "Success"


def test_commands_are_listed_by_document_time_and_status() -> None:
    with LocalAws(scenario("Seconds: 20")) as aws:
        (instance_id,) = launched(aws, DATABASE)
        first = send(aws, instance_id)
        aws.pass_time(60)
        between = datetime.fromtimestamp(aws.now - 30, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        second = send(aws, instance_id)
        aws.pass_time(5)
        assert listed(aws) == [second, first]
        assert listed(aws, InvokedAfter=between) == [second]
        assert listed(aws, InvokedBefore=between) == [first]
        assert listed(aws, Status="InProgress") == [second]
        assert listed(aws, Status="Success", DocumentName=SCRIPT) == [first]
        assert listed(aws, ExecutionStage="Complete") == [first]
        assert listed(aws, DocumentName="Other") == []
        list_commands = aws.client("ssm").list_commands
        wrong = [{"key": "Comment", "value": "x"}]
        assert refused(list_commands, Filters=wrong) == "InvalidFilterKey"


def test_times_are_those_of_the_clock_of_aws() -> None:
    with LocalAws(scenario(more="ClockOffsetSeconds: -3600")) as aws:
        (instance_id,) = launched(aws, DATABASE)
        send(aws, instance_id)
        ours = datetime.fromtimestamp(aws.now - 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        (command,) = aws.client("ssm").list_commands()["Commands"]
        assert command["RequestedDateTime"].timestamp() == aws.now - 3600
        assert listed(aws, InvokedAfter=ours) == []


def test_lists_can_name_a_command_late() -> None:
    with LocalAws(scenario("ListedAfterSeconds: 10")) as aws:
        (instance_id,) = launched(aws, DATABASE)
        command_id = send(aws, instance_id)
        assert listed(aws) == []
        assert invocation(aws, command_id, instance_id)["Status"] == "Pending"
        aws.pass_time(10)
        assert listed(aws) == [command_id]


def test_lists_have_pages() -> None:
    with LocalAws(scenario()) as aws:
        (instance_id,) = launched(aws, DATABASE)
        commands = set()
        for _ in range(5):
            commands.add(send(aws, instance_id))
            aws.pass_time(1)
        pages = (
            aws.client("ssm")
            .get_paginator("list_commands")
            .paginate(PaginationConfig={"PageSize": 2})
        )
        found = [each["CommandId"] for page in pages for each in page["Commands"]]
        assert len(found) == 5
        assert set(found) == commands
        list_commands = aws.client("ssm").list_commands
        assert refused(list_commands, NextToken="eA==") == "InvalidNextToken"


def test_each_accepted_command_is_in_the_ledger_once() -> None:
    lost = "Faults: [{Service: ssm, Operation: SendCommand, Effect: answer-lost, Times: 1}]"
    with LocalAws(scenario(more=lost)) as aws:
        (instance_id,) = launched(aws, DATABASE)
        with pytest.raises(ConnectionClosedError):
            send(aws, instance_id, comment="attempt 1")
        (command_id,) = listed(aws)
        (effect,) = aws.control("GET", "effects")[1]["Effects"]
        assert effect["Kind"] == "ssm.SendCommand"
        assert (effect["Key"], effect["IsRepeat"]) == ("attempt 1", False)
        assert (effect["AccountId"], effect["Region"]) == ("123456789012", "us-west-2")
        assert effect["Details"] == {
            "CommandId": command_id,
            "DocumentName": SCRIPT,
            "InstanceIds": [instance_id],
            "Parameters": {"commands": ["uptime"]},
        }


def test_commands_of_another_region_or_account_are_unknown() -> None:
    with LocalAws(scenario()) as aws:
        (instance_id,) = launched(aws, DATABASE)
        send(aws, instance_id)
        keys = {"aws_access_key_id": "210987654321", "aws_secret_access_key": "x"}
        for other in (aws.client("ssm", "us-east-1"), aws.client("ssm", **keys)):
            assert other.list_commands()["Commands"] == []
            arguments = {"InstanceIds": [instance_id], "DocumentName": SCRIPT}
            assert refused(other.send_command, **arguments) == "InvalidInstanceId"
