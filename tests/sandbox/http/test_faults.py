"""Faults of the scenario, as the caller sees them."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from tests.sandbox.local_aws import DATABASE, TWO_SERVERS, LocalAws, error_of, server_id

# Moto warns about errors that are not in the model of the service.
pytestmark = pytest.mark.filterwarnings(r"ignore:Exception\(InjectedError\)")


def with_fault(fault: str) -> str:
    """Return the scenario of two servers with a fault."""
    return f"{TWO_SERVERS}\nFaults: [{{{fault}}}]"


def outcome(call: Any, **arguments: Any) -> str:
    """Return OK, an error code, or the name of a connection error."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error_of(error)["error"])
    except ConnectionClosedError:
        return "ConnectionClosedError"
    return "OK"


def test_throttling_applies_as_often_as_specified_with_a_retry_after_header() -> None:
    fault = "Operation: StartRecovery, Error: ThrottlingException, Times: 3, RetryAfterSeconds: 7"
    with LocalAws(with_fault(fault)) as aws:
        for _ in range(3):
            with pytest.raises(ClientError) as refusal:
                aws.launch(DATABASE)
            error = error_of(refusal.value)
            assert (error["status"], error["error"]) == (429, "ThrottlingException")
            assert (error["retryAfterSeconds"], error["serviceCode"]) == ("7", "drs")
        aws.launch(DATABASE)
        assert len(aws.drs.describe_jobs()["items"]) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("InternalServerException", 500),
        ("AccessDeniedException", 403),
        ("ConflictException", 409),
        ("ServiceQuotaExceededException", 402),
        ("UninitializedAccountException", 400),
        ("ExpiredTokenException", 400),
        ("ServiceUnavailable", 503),
    ],
)
def test_an_error_has_its_http_status(error: str, status: int) -> None:
    with LocalAws(with_fault(f"Operation: StartRecovery, Error: {error}")) as aws:
        with pytest.raises(ClientError) as refusal:
            aws.launch(DATABASE)
        response = error_of(refusal.value)
        assert (response["error"], response["status"]) == (error, status)


@pytest.mark.parametrize(
    ("service", "operation", "call", "error", "status"),
    [
        ("sts", "GetCallerIdentity", "get_caller_identity", "Throttling", 400),
        ("sts", "GetCallerIdentity", "get_caller_identity", "InternalFailure", 500),
        ("dynamodb", "ListTables", "list_tables", "InternalServerError", 500),
        (
            "dynamodb",
            "ListTables",
            "list_tables",
            "ProvisionedThroughputExceededException",
            400,
        ),
        ("sqs", "ListQueues", "list_queues", "RequestThrottled", 400),
    ],
)
def test_any_service_can_fail_in_its_own_protocol(
    service: str, operation: str, call: str, error: str, status: int
) -> None:
    fault = f"Service: {service}, Operation: {operation}, Error: {error}, Times: 1"
    with LocalAws(with_fault(fault)) as aws:
        client = aws.client(service)
        with pytest.raises(ClientError) as refusal:
            getattr(client, call)()
        response = error_of(refusal.value)
        assert (response["error"], response["status"]) == (error, status)
        getattr(client, call)()


def test_a_lost_response_leaves_a_job() -> None:
    fault = "Operation: StartRecovery, Effect: answer-lost, Times: 1"
    with LocalAws(with_fault(fault)) as aws:
        with pytest.raises(ConnectionClosedError):
            aws.launch(DATABASE)
        assert len(aws.drs.describe_jobs()["items"]) == 1


def test_a_dropped_request_is_not_executed() -> None:
    with LocalAws(with_fault("Operation: StartRecovery, Effect: drop, Times: 1")) as aws:
        with pytest.raises(ConnectionClosedError):
            aws.launch(DATABASE)
        assert aws.drs.describe_jobs()["items"] == []


def test_a_delay_sends_the_response_late() -> None:
    fault = "Operation: DescribeJobs, Effect: delay, Seconds: 0.3, Times: 1"
    with LocalAws(with_fault(fault)) as aws:
        began = time.monotonic()
        aws.drs.describe_jobs()
        assert time.monotonic() - began > 0.3


def test_a_rate_applies_about_that_often_and_repeats_with_the_same_seed() -> None:
    runs = []
    for _ in range(2):
        fault = "Operation: DescribeJobs, Error: InternalServerException, Rate: 0.2"
        with LocalAws(with_fault(fault)) as aws:
            runs.append([outcome(aws.drs.describe_jobs) for _ in range(100)])
    assert runs[0] == runs[1]
    assert 8 <= Counter(runs[0])["InternalServerException"] <= 35


def test_a_fault_can_be_limited_to_a_region() -> None:
    scenario = f"""
SourceServers:
  - {{SourceServerId: {DATABASE}}}
  - {{SourceServerId: {server_id(1)}, Region: eu-west-1}}
Faults: [{{Operation: '*', Error: ServiceUnavailable, Region: eu-west-1}}]
"""
    with LocalAws(scenario) as aws:
        assert outcome(aws.drs.describe_jobs) == "OK"
        assert outcome(aws.drs_client("eu-west-1").describe_jobs) == "ServiceUnavailable"


def test_the_control_api_adds_and_removes_faults_and_counts_calls() -> None:
    with LocalAws() as aws:
        body = "Faults: [{Operation: DescribeJobs, Effect: answer-lost, Times: 1}]"
        assert aws.control("POST", "scenario", body) == (200, {"Status": "OK"})
        assert outcome(aws.drs.describe_jobs) == "ConnectionClosedError"
        unbounded = '{"Faults": [{"Operation": "DescribeJobs", "Error": "ThrottlingException"}]}'
        aws.control("POST", "scenario", unbounded)
        assert outcome(aws.drs.describe_jobs) == "ThrottlingException"
        assert aws.control("DELETE", "faults")[0] == 200
        assert outcome(aws.drs.describe_jobs) == "OK"
        outcome(aws.drs.delete_job, jobID="drsjob-00000000000000000")
        assert aws.control("GET", "calls")[1] == {
            "Calls": {
                "drs.DescribeJobs": {"answer-lost": 1, "ThrottlingException": 1, "OK": 1},
                "drs.DeleteJob": {"ResourceNotFoundException": 1},
            },
            "FaultsApplied": {
                "drs.DescribeJobs answer-lost": 1,
                "drs.DescribeJobs ThrottlingException": 1,
            },
        }


def test_the_control_api_returns_the_reason_of_an_error() -> None:
    with LocalAws() as aws:
        status, response = aws.control("POST", "scenario", "Faults: [{Operation: LaunchRocket}]")
        assert status == 400
        assert "Faults.0" in response["Error"]
        assert aws.control("GET", "nothing")[0] == 404
        assert aws.control("GET", "health")[1]["Status"] == "OK"


@pytest.mark.parametrize(("effect", "jobs"), [("gateway-before", 0), ("gateway-after", 1)])
@pytest.mark.parametrize("body", ["html", "json"])
@pytest.mark.parametrize("status", [403, 404, 502])
def test_a_gateway_answers_instead_of_aws_before_or_after_the_request_is_executed(
    effect: str, jobs: int, body: str, status: int
) -> None:
    keys = f"Operation: StartRecovery, Effect: {effect}, Status: {status}, Body: {body}, Times: 1"
    with LocalAws(with_fault(keys)) as aws:
        with pytest.raises((ClientError, ResponseParserError)) as refusal:
            aws.launch(DATABASE)
        if isinstance(refusal.value, ClientError):
            metadata = refusal.value.response["ResponseMetadata"]
            assert metadata["HTTPStatusCode"] == status
            assert body in metadata["HTTPHeaders"]["content-type"]
            assert not [name for name in metadata["HTTPHeaders"] if name.startswith("x-amzn")]
        assert len(aws.drs.describe_jobs()["items"]) == jobs


def test_a_service_can_hang_until_its_callers_give_up_while_others_answer() -> None:
    with LocalAws(with_fault("Service: dynamodb, Operation: '*', Effect: hang")) as aws:
        aws.read_timeout = 0.3
        with pytest.raises(ReadTimeoutError):
            aws.client("dynamodb").list_tables()
        assert outcome(aws.drs.describe_jobs) == "OK"


def test_a_whole_region_can_hang_while_another_answers() -> None:
    fault = "Service: '*', Operation: '*', Region: us-west-2, Effect: hang"
    with LocalAws(with_fault(fault)) as aws:
        aws.read_timeout = 0.3
        for service, call in (("drs", "describe_jobs"), ("sts", "get_caller_identity")):
            with pytest.raises(ReadTimeoutError):
                getattr(aws.client(service), call)()
        aws.read_timeout = 60.0
        assert outcome(aws.client("sts", "us-east-1").get_caller_identity) == "OK"


def test_a_hanging_request_is_not_executed_and_ends_when_released() -> None:
    with (
        LocalAws(with_fault("Operation: StartRecovery, Effect: hang, Times: 1")) as aws,
        ThreadPoolExecutor(1) as threads,
    ):
        hanging = threads.submit(outcome, lambda: aws.launch(DATABASE))
        while aws.control("POST", "release")[1]["Released"] == 0:
            time.sleep(0.01)
        assert hanging.result() == "ConnectionClosedError"
        assert aws.drs.describe_jobs()["items"] == []


def test_credentials_can_come_slowly() -> None:
    with LocalAws(with_fault("Service: sts, Operation: '*', Effect: delay, Seconds: 0.3")) as aws:
        began = time.monotonic()
        assert outcome(aws.client("sts").get_caller_identity) == "OK"
        assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("service", "operation", "error"),
    [
        ("drs", "describe_jobs", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ],
)
def test_a_clock_that_is_wrong_is_a_signature_that_is_refused(
    service: str, operation: str, error: str
) -> None:
    with LocalAws(with_fault(f"Service: {service}, Operation: '*', Error: {error}")) as aws:
        with pytest.raises(ClientError) as refusal:
            getattr(aws.client(service), operation)()
        response = error_of(refusal.value)
        assert (response["error"], response["status"]) == (error, 403)


@pytest.mark.parametrize("offset", [3600, -3600])
def test_the_clock_of_drs_can_be_ahead_or_behind(offset: int) -> None:
    with LocalAws(f"ClockOffsetSeconds: {offset}\n{TWO_SERVERS}") as aws:
        job = aws.job(aws.launch(DATABASE))
        created = datetime.fromisoformat(job["creationDateTime"])
        assert created.timestamp() == aws.now + offset
        moment = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert len(aws.drs.describe_jobs(filters={"fromDate": moment})["items"]) == 1
        (event,) = aws.server.control.ledger("123456789012")["Backends"][0]["Events"]
        assert event["Time"] == aws.now


def test_an_operation_of_another_service_that_is_not_there_is_named_and_not_retried() -> None:
    with LocalAws() as aws:
        with pytest.raises(ClientError) as refusal:
            aws.client("ssm").describe_instance_properties()
        response = error_of(refusal.value)
        assert (response["status"], response["error"]) == (400, "UnsupportedOperationException")
        assert "DescribeInstanceProperties of ssm" in response["text"]


@pytest.mark.parametrize(
    ("service", "operation", "error", "status"),
    [
        ("ssm", "ListCommands", "ThrottlingException", 400),
        ("ssm", "ListCommands", "InternalServerError", 500),
        ("ec2", "DescribeInstances", "RequestLimitExceeded", 503),
        ("ec2", "DescribeInstances", "UnauthorizedOperation", 403),
    ],
)
def test_systems_manager_and_ec2_fail_by_operation(
    service: str, operation: str, error: str, status: int
) -> None:
    fault = f"Service: {service}, Operation: {operation}, Error: {error}, Times: 1"
    with LocalAws(with_fault(fault)) as aws:
        call = getattr(aws.client(service), xform_name(operation))
        with pytest.raises(ClientError) as refusal:
            call()
        response = error_of(refusal.value)
        assert (response["error"], response["status"]) == (error, status)
        assert outcome(call) == "OK"


@pytest.mark.parametrize(
    ("effect", "result", "accepted"),
    [("answer-lost", "ConnectionClosedError", 1), ("drop", "ConnectionClosedError", 0)],
)
def test_a_termination_in_ec2_is_executed_although_its_answer_is_lost(
    effect: str, result: str, accepted: int
) -> None:
    with LocalAws() as aws:
        aws.launch(DATABASE)
        aws.pass_time(600)
        (instance,) = aws.instances(DATABASE)
        keys = f"Service: ec2, Operation: TerminateInstances, Mentions: [{DATABASE}]"
        aws.control("POST", "scenario", f"Faults: [{{{keys}, Effect: {effect}, Times: 1}}]")
        call = aws.client("ec2").terminate_instances
        assert outcome(call, InstanceIds=[instance["ec2InstanceID"]]) == result
        assert len(aws.control("GET", "effects")[1]["Effects"]) == accepted


def test_an_answer_of_systems_manager_comes_late() -> None:
    fault = "Service: ssm, Operation: ListCommands, Effect: delay, Seconds: 0.3, Times: 1"
    with LocalAws(with_fault(fault)) as aws:
        ssm = aws.client("ssm")
        began = time.monotonic()
        ssm.list_commands()
        assert time.monotonic() - began > 0.3
