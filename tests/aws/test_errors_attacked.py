"""What an answer decides, and what it must not: points 3, 4, 11 and 12 of issue 14."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.httpsession import URLLib3Session

from activities.launch.launch_activities import LaunchActivities
from aws import sessions as aws_module
from aws.drs.client import DrsClient
from aws.errors import AwsError
from aws.sessions import AwsSessions
from recovery.plan.model import Server, Target
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import (
    OTHER_ACCOUNT,
    REGION,
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


# 3: an answer that is not proven to be AWS's


@pytest.mark.xfail(strict=True, reason="issue 14, point 3: the status alone is believed")
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


@pytest.mark.xfail(strict=True, reason="issue 14, point 3: the status alone is believed")
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


@pytest.mark.xfail(strict=True, reason="issue 14, point 3: the launch is given up at once")
async def test_html_of_a_gateway_before_drs_does_not_end_a_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = launch(aws.servers())
    async with middlebox(403, "text/html", HTML) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        error = await Attempt(temporal).run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable


@pytest.mark.xfail(strict=True, reason="issue 14, point 3: it is taken for STS's lasting refusal")
async def test_html_of_a_gateway_before_sts_does_not_end_a_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = launch(aws.servers())
    async with middlebox(403, "text/html", HTML) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        error = await Attempt(temporal).run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable


# 4: what can pass


@pytest.mark.xfail(strict=True, reason="issue 14, point 4: every 4xx that is not listed is lasting")
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
@pytest.mark.xfail(strict=True, reason="issue 14, point 4: a skewed clock ends the wave")
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
    request = launch(servers)
    service, operation = call.split(".")
    aws.fault(operation, Service=service, Error=code, Times=1)
    first = Attempt(temporal)
    error = await first.run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable
    assert code in temporal.waiting()[-1].reason
    result = await launch_result(first.next(), launches, request)
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert len(aws.accepted(servers[0])) == 1


# 11: what is lasting


@pytest.mark.xfail(strict=True, reason="issue 14, point 11: only attempt 1 ends, the others wait")
@pytest.mark.parametrize("number", [2, 7])
async def test_an_account_without_drs_fails_the_launch_at_once_in_every_attempt(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, number: int
) -> None:
    nowhere = Target(region="eu-west-1")
    request = launch([Server(source_server_id=server_id(1))], target=nowhere)
    reason = await failure_reason(Attempt(temporal, number=number), launches, request)
    assert "UninitializedAccount" in reason


# 12: STS


@pytest.mark.xfail(strict=True, reason="issue 14, point 12: the environment decides which STS")
@pytest.mark.parametrize("role", [None, ROLE])
@pytest.mark.parametrize(
    "how", ["AWS_STS_REGIONAL_ENDPOINTS", "the profile", "AWS_ENDPOINT_URL_STS"]
)
async def test_sts_is_asked_in_the_targets_region_whatever_the_environment_says(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, role: str | None
) -> None:
    asked: list[str] = []

    def send(_: URLLib3Session, request: Any) -> Any:
        asked.append(str(urlsplit(request.url).hostname))
        raise EndpointConnectionError(endpoint_url=request.url)

    monkeypatch.setattr(URLLib3Session, "send", send)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    match how:
        case "AWS_STS_REGIONAL_ENDPOINTS":
            monkeypatch.setenv(how, "legacy")
        case "AWS_ENDPOINT_URL_STS":
            monkeypatch.setenv(how, "https://sts.us-east-1.amazonaws.com")
        case _:
            profile = tmp_path / "config"
            profile.write_text("[default]\nsts_regional_endpoints = legacy\n")
            monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    with pytest.raises(AwsError):
        await DrsClient(AwsSessions(), Target(region=REGION, role_arn=role)).account_id()
    assert set(asked) == {"sts.us-west-2.amazonaws.com"}


# 1: STS has the same time as DRS


@pytest.mark.xfail(strict=True, reason="issue 14, point 1: STS has botocore's 60 s, five times")
async def test_an_sts_that_hangs_is_given_up_after_the_same_time_as_drs(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_module, "READ_TIMEOUT_SECONDS", 0.2)
    hung: list[asyncio.StreamWriter] = []

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.append(writer)

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{host}:{port}")
        api = DrsClient(AwsSessions(), Target(region=REGION, role_arn=ROLE))
        looking = asyncio.create_task(api.jobs_since(0.0))
        done, _ = await asyncio.wait([looking], timeout=2.0)
        server.close()
        for writer in hung:
            writer.close()
        with pytest.raises(AwsError):
            await looking
    assert done
