"""Automations of Systems Manager."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.sandbox.local_aws import LocalAws, error_of

DOCUMENT = "Promote-Db"
TOKEN = "0a4bd6c8-9a5b-4b3c-8a71-27de0f2a9f10"
PARAMETERS = {"InstanceId": ["i-0123456789abcdef0"]}


def scenario(keys: str = "", more: str = "") -> str:
    """Return a scenario with one automation document."""
    return f"Documents: [{{Name: {DOCUMENT}, {keys}}}]\n{more}"


def start(aws: LocalAws, **arguments: Any) -> str:
    """Start an automation, and return its ID."""
    given = {"DocumentName": DOCUMENT, "Parameters": PARAMETERS} | arguments
    started = aws.client("ssm").start_automation_execution(**given)
    return str(started["AutomationExecutionId"])


def execution(aws: LocalAws, execution_id: str) -> Any:
    """Return an automation."""
    ssm = aws.client("ssm")
    found = ssm.get_automation_execution(AutomationExecutionId=execution_id)
    return found["AutomationExecution"]


def status(aws: LocalAws, execution_id: str) -> str:
    """Return the status of an automation."""
    return str(execution(aws, execution_id)["AutomationExecutionStatus"])


def listed(aws: LocalAws, **filters: list[str]) -> list[str]:
    """Return the IDs of the automations that pass filters."""
    given = [{"Key": key, "Values": values} for key, values in filters.items()]
    arguments = {"Filters": given} if given else {}
    found = aws.client("ssm").describe_automation_executions(**arguments)
    return [each["AutomationExecutionId"] for each in found["AutomationExecutionMetadataList"]]


def effects(aws: LocalAws) -> list[tuple[str, str, bool]]:
    """Return kind, key and whether it is a repeat of each recorded act."""
    found = aws.control("GET", "effects")[1]["Effects"]
    return [(each["Kind"], each["Key"], each["IsRepeat"]) for each in found]


def refused(call: Any, **arguments: Any) -> str:
    """Return the error code of a refusal."""
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    return str(error_of(refusal.value)["error"])


def test_an_automation_is_pending_then_in_progress_then_successful_with_its_outputs() -> None:
    keys = "Seconds: 60, Outputs: {Endpoint: db.example.com, Addresses: [a, b]}"
    with LocalAws(scenario(keys)) as aws:
        execution_id = start(aws)
        assert status(aws, execution_id) == "Pending"
        aws.pass_time(30)
        assert status(aws, execution_id) == "InProgress"
        assert execution(aws, execution_id)["Outputs"] == {}
        aws.pass_time(60)
        done = execution(aws, execution_id)
        assert done["AutomationExecutionStatus"] == "Success"
        assert done["Outputs"] == {"Endpoint": ["db.example.com"], "Addresses": ["a", "b"]}
        assert done["Parameters"] == PARAMETERS
        assert done["ExecutionEndTime"] > done["ExecutionStartTime"]


@pytest.mark.parametrize(
    ("keys", "expected", "message"),
    [
        ("Outcome: failed, FailureMessage: no replica", "Failed", "no replica"),
        ("Outcome: timed-out", "TimedOut", "Failed by the scenario."),
        ("Outcome: stuck", "InProgress", None),
    ],
)
def test_an_automation_can_end_otherwise(keys: str, expected: str, message: str | None) -> None:
    with LocalAws(scenario(keys)) as aws:
        execution_id = start(aws)
        aws.pass_time(86_400)
        found = execution(aws, execution_id)
        assert found["AutomationExecutionStatus"] == expected
        assert found.get("FailureMessage") == message
        assert found["Outputs"] == {}


def test_a_client_token_starts_one_automation_only() -> None:
    with LocalAws(scenario()) as aws:
        first = start(aws, ClientToken=TOKEN)
        aws.pass_time(3600)
        assert start(aws, ClientToken=TOKEN.upper()) == first
        assert listed(aws) == [first]
        kind = "ssm.StartAutomationExecution"
        assert effects(aws) == [(kind, TOKEN, False), (kind, TOKEN, True)]


def test_a_client_token_with_other_parameters_is_refused() -> None:
    with LocalAws(scenario()) as aws:
        start(aws, ClientToken=TOKEN)
        again = aws.client("ssm").start_automation_execution
        other = {"DocumentName": DOCUMENT, "Parameters": {"InstanceId": ["i-1"]}}
        assert refused(again, ClientToken=TOKEN, **other) == "IdempotentParameterMismatch"
        assert len(listed(aws)) == 1


def test_the_same_token_in_another_region_is_another_automation() -> None:
    with LocalAws(scenario()) as aws:
        start(aws, ClientToken=TOKEN)
        other = aws.client("ssm", "us-east-1")
        other.start_automation_execution(
            DocumentName=DOCUMENT, Parameters=PARAMETERS, ClientToken=TOKEN
        )
        assert [repeat for _, _, repeat in effects(aws)] == [False, False]
        assert len(listed(aws)) == 1


def test_without_a_token_each_call_starts_one() -> None:
    with LocalAws(scenario()) as aws:
        assert start(aws) != start(aws)


def test_many_calls_with_one_token_at_the_same_time_start_one() -> None:
    with LocalAws(scenario()) as aws, ThreadPoolExecutor(8) as pool:
        client = aws.client("ssm")

        def call(_: int) -> str:
            started = client.start_automation_execution(DocumentName=DOCUMENT, ClientToken=TOKEN)
            return str(started["AutomationExecutionId"])

        assert len(set(pool.map(call, range(16)))) == 1
        assert [repeat for _, _, repeat in effects(aws)].count(False) == 1


def test_after_a_lost_answer_the_token_finds_the_automation() -> None:
    fault = "Operation: StartAutomationExecution, Effect: answer-lost, Times: 1"
    with LocalAws(scenario(more=f"Faults: [{{Service: ssm, {fault}}}]")) as aws:
        with pytest.raises(ConnectionClosedError):
            start(aws, ClientToken=TOKEN)
        assert listed(aws) == [start(aws, ClientToken=TOKEN)]
        assert [repeat for _, _, repeat in effects(aws)] == [False, True]


def test_an_automation_is_stopped() -> None:
    with LocalAws(scenario("Seconds: 600")) as aws:
        execution_id = start(aws)
        aws.pass_time(5)
        stop = aws.client("ssm").stop_automation_execution
        stop(AutomationExecutionId=execution_id)
        assert status(aws, execution_id) == "Cancelling"
        aws.pass_time(5)
        assert status(aws, execution_id) == "Cancelled"
        error = refused(stop, AutomationExecutionId=execution_id)
        assert error == "InvalidAutomationStatusUpdateException"
        assert effects(aws)[-1][:2] == ("ssm.StopAutomationExecution", execution_id)


def test_automations_are_listed_by_document_status_and_time() -> None:
    with LocalAws(scenario("Seconds: 20")) as aws:
        first = start(aws)
        aws.pass_time(60)
        between = datetime.fromtimestamp(aws.now - 30, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        second = start(aws)
        aws.pass_time(5)
        assert listed(aws) == [second, first]
        assert listed(aws, ExecutionStatus=["InProgress"]) == [second]
        assert listed(aws, StartTimeAfter=[between]) == [second]
        assert listed(aws, StartTimeBefore=[between]) == [first]
        assert listed(aws, DocumentNamePrefix=["Promote"]) == [second, first]
        assert listed(aws, DocumentNamePrefix=["Other"]) == []
        assert listed(aws, ExecutionId=[first]) == [first]


def test_unknown_documents_parameters_and_automations_are_refused() -> None:
    with LocalAws(scenario("ParameterNames: [InstanceId]")) as aws:
        ssm = aws.client("ssm")
        begin = ssm.start_automation_execution
        error = refused(begin, DocumentName="Nothing")
        assert error == "AutomationDefinitionNotFoundException"
        error = refused(begin, DocumentName="AWS-RunShellScript")
        assert error == "AutomationDefinitionNotFoundException"
        error = refused(begin, DocumentName=DOCUMENT, Parameters={"Other": ["x"]})
        assert error == "InvalidAutomationExecutionParametersException"
        nothing = {"AutomationExecutionId": "0" * 36}
        for call in (ssm.get_automation_execution, ssm.stop_automation_execution):
            assert refused(call, **nothing) == "AutomationExecutionNotFoundException"
        assert effects(aws) == []
