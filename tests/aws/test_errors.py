"""What an answer of AWS decides, and what an answer of something else must not."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from activities.launch import attempt as launching
from activities.launch.launch_activities import LaunchActivities
from aws.drs.client import DrsClient
from aws.errors import AwsError, AwsErrorKind
from aws.sessions import AwsSessions
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server, Target
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import (
    ACCOUNT,
    OTHER_ACCOUNT,
    TARGET,
    Attempt,
    LocalAws,
    Temporal,
    batch,
    failure_reason,
    launch_result,
)
from tests.recovery.plans import server_id

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"
# Of which STS must say the account before a launch.
IN_ACCOUNT = TARGET.model_copy(update={"account_id": ACCOUNT})
HTML = b"<html><head><title>Forbidden</title></head><body>Request blocked.</body></html>"


def refusal(code: str, status: int) -> ClientError:
    """What boto3 raises for an error that is marked as AWS's."""
    headers = {"x-amzn-errortype": code, "x-amzn-requestid": "0f3b52a1-c7d9"}
    answer: Any = {
        "Error": {"Code": code, "Message": "because"},
        "ResponseMetadata": {
            "HTTPStatusCode": status,
            "HTTPHeaders": headers,
            "RequestId": headers["x-amzn-requestid"],
        },
    }
    return ClientError(answer, "StartRecovery")


@asynccontextmanager
async def middlebox(status: int, kind: str, body: bytes) -> AsyncIterator[str]:
    """Something on the way that answers in DRS's place; its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} No\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 407, 409, 413, 429, 451])
async def test_html_of_a_gateway_is_unclear_whatever_its_status_and_never_a_refusal(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with middlebox(status, "text/html", HTML) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        with pytest.raises(AwsError) as caught:
            await DrsClient(AwsSessions(), TARGET).start_recovery(
                [Server(source_server_id=server_id(1))],
                is_drill=True,
                launch_ids=["crm-1/db/1/0"],
                not_after=math.inf,
            )
    assert not caught.value.kind.had_no_effect
    assert caught.value.kind.is_retryable


@pytest.mark.parametrize("body", [b'{"message": "Forbidden"}', b"{}", b""])
async def test_json_of_a_gateway_without_a_mark_of_aws_is_no_refusal(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    async with middlebox(403, "application/json", body) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        with pytest.raises(AwsError) as caught:
            await DrsClient(AwsSessions(), TARGET).start_recovery(
                [Server(source_server_id=server_id(1))],
                is_drill=True,
                launch_ids=["crm-1/db/1/0"],
                not_after=math.inf,
            )
    assert not caught.value.kind.had_no_effect
    assert caught.value.kind.is_retryable


async def test_html_of_a_gateway_before_drs_does_not_end_a_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = launch(aws.servers())
    async with middlebox(403, "text/html", HTML) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        error = await Attempt(temporal).run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable


async def test_html_of_a_gateway_before_sts_does_not_end_a_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = launch(aws.servers(), target=IN_ACCOUNT)
    async with middlebox(403, "text/html", HTML) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        error = await Attempt(temporal).run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidSignatureException", 403),
        ("SignatureDoesNotMatch", 403),
        ("IncompleteSignatureException", 400),
        ("OptInRequired", 403),
        ("RequestAbortedException", 400),
        ("SomethingNew", 400),
        ("SomethingNew", 418),
    ],
)
def test_an_error_of_aws_that_is_not_known_to_be_lasting_can_pass(code: str, status: int) -> None:
    assert AwsError.of(refusal(code, status), "StartRecovery").kind.is_retryable


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ValidationException", 400),
        ("AccessDeniedException", 403),
        ("ResourceNotFoundException", 404),
        ("UninitializedAccountException", 400),
    ],
)
def test_an_error_of_aws_that_is_known_to_be_lasting_stays_so(code: str, status: int) -> None:
    assert not AwsError.of(refusal(code, status), "StartRecovery").kind.is_retryable


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("drs.StartRecovery", "InvalidSignatureException"),
        ("drs.StartRecovery", "SomethingNew"),
        ("sts.GetCallerIdentity", "SignatureDoesNotMatch"),
    ],
)
async def test_a_launch_waits_out_what_can_pass_and_says_what_it_met(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, call: str, code: str
) -> None:
    servers = aws.servers()
    request = launch(servers, target=IN_ACCOUNT)
    service, operation = call.split(".")
    aws.fault(operation, Service=service, Error=code, Times=1)
    first = Attempt(temporal)
    error = await first.run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable
    assert code in temporal.waiting()[-1].reason
    result = await launch_result(first.next(), launches, request)
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert len(aws.accepted(servers[0])) == 1


@pytest.mark.parametrize("number", [2, 7])
async def test_an_account_without_drs_fails_the_launch_at_once_in_every_attempt(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, number: int
) -> None:
    nowhere = Target(region="eu-west-1")
    request = launch([Server(source_server_id=server_id(1))], target=nowhere)
    reason = await failure_reason(Attempt(temporal, number=number), launches, request)
    assert "UninitializedAccount" in reason


async def test_a_withdrawn_launch_in_an_account_without_drs_has_no_job(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    nowhere = Target(region="eu-west-1")
    request = launch([Server(source_server_id=server_id(1))], target=nowhere)
    assert await Attempt(temporal).run(launches.find_launch, request) is None


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
async def test_an_error_that_lasts_asks_an_operator_to_remove_its_cause(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "_LASTING_SECONDS", 0.0)
    aws.fault("StartRecovery", Error="SomethingNew", Times=2)
    request = launch(aws.servers())
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    second = first.next()
    await second.run_failing(launches.launch_batch, batch(request))
    asked = temporal.waiting()[-1]
    assert asked.waiting_for is WaitingFor.OPERATOR
    assert "SomethingNew" in asked.reason
    assert "cancel-wave" in asked.reason
    assert (await launch_result(second.next(), launches, request)).job_id


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
async def test_a_refusal_of_unknown_cause_holds_up_only_the_launch_that_it_concerns(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("StartRecovery", Error="SomethingNew", Times=1)
    first, second = aws.servers(2)
    requests = launch([first]), launch([second], launch_id="crm-1/app/1/0")
    result = await Attempt(temporal).run(launches.launch_batch, batch(*requests))
    assert result.split
    assert not result.in_doubt


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"{}", b'{"items": []}'])
@pytest.mark.parametrize("service", ["DRS", "STS"])
async def test_a_success_without_a_mark_of_aws_is_unclear(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, body: bytes, service: str
) -> None:
    async with middlebox(200, "application/json", body) as url:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        api = DrsClient(AwsSessions(), TARGET)
        with pytest.raises(AwsError) as caught:
            await (api.jobs_since(0.0) if service == "DRS" else api.account_id())
    assert caught.value.kind is AwsErrorKind.UNCLEAR
