"""The kinds of AWS errors, and the credentials of calls."""

import asyncio
import json
import math
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session
from botocore.loaders import JSONFileLoader, Loader

from aws import sessions as aws_module
from aws.drs.client import DrsClient
from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from aws.sessions import AwsSessions, CallThreads, call
from recovery.access.allow_list import AllowedTargets, AllowList
from recovery.plan.model import Server, Target
from tests.aws_in_process import ACCOUNT, OTHER_ACCOUNT, REGION, TARGET, LocalAws

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"

MARK = {"x-amzn-requestid": "0f3b52a1-c7d9"}


def refusal(code: str, status: int, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
    """What boto3 raises for an answer of AWS."""
    answer: Any = {
        "Error": {"Code": code, "Message": "because"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": MARK | (headers or {})},
    }
    return ClientError(answer | more, "StartRecovery")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 429, AwsErrorKind.THROTTLED),
        ("SomethingNew", 429, AwsErrorKind.THROTTLED),
        ("Throttling", 400, AwsErrorKind.THROTTLED),
        ("RequestLimitExceeded", 503, AwsErrorKind.THROTTLED),
        ("ServiceQuotaExceededException", 402, AwsErrorKind.QUOTA),
        ("ConflictException", 409, AwsErrorKind.CONFLICT),
        ("ExpiredTokenException", 403, AwsErrorKind.CREDENTIALS),
        ("ValidationException", 400, AwsErrorKind.INVALID),
        ("SomethingNew", 418, AwsErrorKind.REFUSED),
        ("AccessDeniedException", 403, AwsErrorKind.ACCESS_DENIED),
        ("ResourceNotFoundException", 404, AwsErrorKind.UNKNOWN_SERVER),
        ("UninitializedAccountException", 400, AwsErrorKind.UNINITIALIZED),
        ("InternalServerException", 500, AwsErrorKind.UNCLEAR),
        ("ServiceUnavailable", 503, AwsErrorKind.UNCLEAR),
        ("SomethingNew", 200, AwsErrorKind.UNCLEAR),
    ],
)
def test_each_answer_of_aws_has_its_kind(code: str, status: int, kind: AwsErrorKind) -> None:
    error = AwsError.of(refusal(code, status), "StartRecovery")
    assert error.kind is kind
    assert str(error).startswith(f"StartRecovery: {code}: because")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), AwsErrorKind.CREDENTIALS),
        (PartialCredentialsError(provider="env", cred_var="key"), AwsErrorKind.CREDENTIALS),
        (CredentialRetrievalError(provider="sso", error_msg="expired"), AwsErrorKind.CREDENTIALS),
        (ParamValidationError(report="Unknown parameter"), AwsErrorKind.INVALID),
        (EndpointConnectionError(endpoint_url="http://x"), AwsErrorKind.UNREACHABLE),
        (ConnectTimeoutError(endpoint_url="http://x"), AwsErrorKind.UNREACHABLE),
        (ProxyConnectionError(proxy_url="http://x", error="refused"), AwsErrorKind.UNREACHABLE),
    ],
)
def test_a_call_that_was_never_made_had_no_effect(error: BotoCoreError, kind: AwsErrorKind) -> None:
    classified = AwsError.of(error, "StartRecovery")
    assert classified.kind is kind
    assert classified.kind.had_no_effect


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="http://x"),
        ConnectionClosedError(endpoint_url="http://x", request=None, response=None),
        # TLS may break while the answer is read, as well as before the request was sent.
        SSLError(endpoint_url="https://x", error=OSError("EOF occurred in violation of protocol")),
        refusal("InternalServerException", 500),
        ValueError("not JSON"),
    ],
)
def test_a_call_whose_answer_is_lost_may_have_had_its_effect(error: Exception) -> None:
    classified = AwsError.of(error, "StartRecovery")
    assert not classified.kind.had_no_effect
    assert classified.kind.is_retryable


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("1.5", 1.5), ("", None), ("soon", None), ("-1", None)]
)
def test_the_pause_that_aws_asks_for_is_kept(header: str, seconds: float | None) -> None:
    error = refusal("ThrottlingException", 429, headers={"retry-after": header})
    assert AwsError.of(error, "StartRecovery").retry_after == seconds


def test_the_resource_that_aws_names_is_kept() -> None:
    error = refusal("ResourceNotFoundException", 404, resourceId="s-1")
    assert AwsError.of(error, "StartRecovery").resource_id == "s-1"


@pytest.mark.parametrize("kind", list(AwsErrorKind))
def test_only_a_permanent_error_ends_a_launch(kind: AwsErrorKind) -> None:
    lasting = {AwsErrorKind.INVALID, AwsErrorKind.NOT_ALLOWED, AwsErrorKind.ACCESS_DENIED,
               AwsErrorKind.UNKNOWN_SERVER, AwsErrorKind.UNINITIALIZED}  # fmt: skip
    assert kind.is_retryable == (kind not in lasting)


async def test_without_a_role_we_act_in_the_workers_own_account(aws: LocalAws) -> None:
    assert await DrsClient(AwsSessions(), TARGET).account_id() == ACCOUNT
    assert aws.calls("AssumeRole", "sts") == 0


async def test_a_role_is_assumed_once_through_the_regional_sts(
    aws: LocalAws,
) -> None:
    # A fault of calls to this Region only, to see which STS was called.
    aws.fault("AssumeRole", Service="sts", Effect="delay", Seconds=0.0, Region="eu-central-1")
    aws.servers(Region="eu-central-1", AccountId=OTHER_ACCOUNT)
    sessions = AwsSessions()
    api = DrsClient(sessions, Target(region="eu-central-1", role_arn=ROLE))
    assert await api.account_id() == OTHER_ACCOUNT
    assert await api.jobs_since(0.0) == []
    await asyncio.gather(*(api.jobs_since(0.0) for _ in range(5)))
    assert aws.calls("AssumeRole", "sts") == 1
    assert aws.faults_applied() == 1
    assert await DrsClient(sessions, TARGET).account_id() == ACCOUNT


async def test_credentials_of_a_role_renew_themselves_before_they_end(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.servers(AccountId=OTHER_ACCOUNT)
    api = DrsClient(AwsSessions(), Target(region=REGION, role_arn=ROLE))
    await api.jobs_since(0.0)
    now = time.time()
    monkeypatch.setattr("aws.role_credentials.time.time", lambda: now + 55 * 60)
    await api.jobs_since(0.0)
    assert aws.calls("AssumeRole", "sts") == 2


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
async def test_a_role_that_may_not_be_assumed_is_a_permanent_error_with_awss_message(
    aws: LocalAws,
) -> None:
    aws.fault("AssumeRole", Service="sts", Error="AccessDenied", Message="not authorized")
    with pytest.raises(AwsError, match="AccessDenied: not authorized") as caught:
        await DrsClient(AwsSessions(), Target(region=REGION, role_arn=ROLE)).account_id()
    assert caught.value.kind is AwsErrorKind.ACCESS_DENIED


async def test_a_worker_without_credentials_says_so(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for target in (TARGET, Target(region=REGION, role_arn=ROLE)):
        with pytest.raises(AwsError, match="no AWS credentials") as caught:
            await DrsClient(AwsSessions(), target).account_id()
        assert caught.value.kind is AwsErrorKind.CREDENTIALS


async def test_botocore_retries_reads_and_never_a_launch(aws: LocalAws) -> None:
    servers = aws.servers()
    api = DrsClient(AwsSessions(), TARGET)
    aws.fault("DescribeJobs", Error="ThrottlingException", Times=2)
    assert await api.jobs_since(0.0) == []
    assert aws.calls("DescribeJobs") == 3
    faults: list[dict[str, Any]] = [{"Error": "ThrottlingException"}, {"Effect": "drop"}]
    for what in faults:
        aws.clear_faults()
        aws.fault("StartRecovery", **what)
        before = aws.calls("StartRecovery")
        with pytest.raises(AwsError):
            await api.start_recovery(servers, is_drill=True, launch_ids=["x"], not_after=math.inf)
        assert aws.calls("StartRecovery") == before + 1


async def test_every_page_of_an_answer_is_read(aws: LocalAws) -> None:
    servers: list[Server] = aws.servers(450)
    ids = [s.source_server_id for s in servers]
    api = DrsClient(AwsSessions(), TARGET)
    assert sorted(s.source_server_id for s in await api.source_servers(ids)) == sorted(ids)
    assert aws.calls("DescribeSourceServers") >= 3


async def test_any_exception_of_a_call_is_an_aws_error_that_names_the_operation() -> None:
    def broken() -> None:
        raise RuntimeError("no idea")

    with pytest.raises(AwsError, match="Something: RuntimeError: no idea"):
        await call(CallThreads(), "Something", broken)


def allowing(*accounts: str, roles: tuple[str, ...] | None = None) -> AllowList:
    entry = AllowedTargets(account_ids=accounts, regions=(REGION,), role_arns=roles)
    return AllowList((entry,), "list.yaml")


@pytest.mark.parametrize(
    "target",
    [
        Target(region=REGION, role_arn=f"{ROLE}-admin"),
        Target(region="eu-central-1", role_arn=ROLE),
        Target(region="eu-central-1"),
        # The plan says that the role acts in an allowed account.
        Target(region=REGION, role_arn=f"arn:aws:iam::{ACCOUNT}:role/x", account_id=OTHER_ACCOUNT),
    ],
)
async def test_nothing_at_all_is_called_for_a_target_that_the_allow_list_does_not_have(
    aws: LocalAws, target: Target
) -> None:
    sessions = AwsSessions(allowing(OTHER_ACCOUNT, roles=(ROLE,)))
    for call_of in (DrsClient.account_id, lambda api: api.jobs_since(0.0)):
        with pytest.raises(TargetRefusedError, match=r"list\.yaml") as caught:
            await call_of(DrsClient(sessions, target))
        assert caught.value.kind is AwsErrorKind.NOT_ALLOWED
        assert target.region in str(caught.value)
    assert aws.server.control.calls()["Calls"] == {}


async def test_a_target_without_a_role_is_allowed_by_the_account_that_the_worker_really_has(
    aws: LocalAws,
) -> None:
    allowed = DrsClient(AwsSessions(allowing(ACCOUNT)), TARGET)
    aws.servers()
    assert await allowed.account_id() == ACCOUNT
    assert await allowed.jobs_since(0.0) == []
    claims = TARGET.model_copy(update={"account_id": OTHER_ACCOUNT})
    refused = DrsClient(AwsSessions(allowing(OTHER_ACCOUNT)), claims)
    for call_of in (DrsClient.account_id, lambda api: api.jobs_since(0.0)) * 2:
        with pytest.raises(TargetRefusedError, match=f"account {ACCOUNT}"):
            await call_of(refused)
    with pytest.raises(TargetRefusedError):
        await refused.endpoints()
    assert aws.calls("DescribeJobs") == 1
    assert aws.calls("GetCallerIdentity", "sts") == 3


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
async def test_an_own_account_that_sts_does_not_say_is_refused_only_until_it_does(
    aws: LocalAws,
) -> None:
    aws.servers()
    aws.fault("GetCallerIdentity", Service="sts", Error="Throttling", Times=3)
    api = DrsClient(AwsSessions(allowing(ACCOUNT)), TARGET)
    with pytest.raises(AwsError, match="GetCallerIdentity: Throttling") as caught:
        await api.jobs_since(0.0)
    assert caught.value.kind.is_retryable
    assert aws.calls("DescribeJobs") == 0
    assert await api.jobs_since(0.0) == []


async def test_an_allow_list_with_any_account_asks_sts_for_none(aws: LocalAws) -> None:
    aws.servers()
    aws.fault("GetCallerIdentity", Service="sts", Error="AccessDenied")
    assert await DrsClient(AwsSessions(allowing("*")), TARGET).jobs_since(0.0) == []
    assert aws.calls("GetCallerIdentity", "sts") == 0


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
async def test_in_an_account_that_sts_does_not_say_nothing_is_changed_if_the_plan_names_it(
    aws: LocalAws,
) -> None:
    servers = aws.servers()
    aws.fault("GetCallerIdentity", Service="sts", Error="AccessDenied")
    api = DrsClient(AwsSessions(), Target(region=REGION, account_id=ACCOUNT))
    assert await api.known_account() is None
    assert await api.jobs_since(0.0) == []
    with pytest.raises(AwsError, match="GetCallerIdentity: AccessDenied"):
        await api.start_recovery(servers, is_drill=True, launch_ids=["x"], not_after=math.inf)
    with pytest.raises(AwsError, match="GetCallerIdentity: AccessDenied"):
        await api.terminate(["i-1"], not_after=math.inf)
    assert aws.calls("StartRecovery") == aws.calls("TerminateRecoveryInstances") == 0


async def test_an_allow_list_costs_no_further_call_of_sts(aws: LocalAws) -> None:
    aws.servers()
    aws.servers(AccountId=OTHER_ACCOUNT)
    calls = []
    for allow_list in (None, allowing("*"), allowing("*", roles=(ROLE,))):
        sessions = AwsSessions(allow_list)
        role = None if allow_list is None or allow_list.targets[0].role_arns is None else ROLE
        api = DrsClient(sessions, Target(region=REGION, role_arn=role))
        before = aws.calls("GetCallerIdentity", "sts")
        await api.account_id()
        await api.jobs_since(0.0)
        await DrsClient(sessions, Target(region=REGION, role_arn=role)).account_id()
        calls.append(aws.calls("GetCallerIdentity", "sts") - before)
    assert calls == [1, 1, 1]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"items":',
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b'HTTP/1.1 400 Bad Request\r\nContent-Length: 40\r\n\r\n{"message":',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{"items":[]}',
    ],
)
@pytest.mark.parametrize("role", [None, ROLE])
async def test_an_answer_that_breaks_off_is_unclear(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, answer: bytes, role: str | None
) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", f"http://{host}:{port}")
        with pytest.raises(AwsError) as caught:
            await DrsClient(AwsSessions(), Target(region=REGION, role_arn=role)).jobs_since(0.0)
    assert caught.value.kind is AwsErrorKind.UNCLEAR


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


async def test_an_sts_that_hangs_is_given_up_soon(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_module, "ASSUME_TIMEOUT_SECONDS", 0.2)
    hung: list[asyncio.StreamWriter] = []

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.append(writer)

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{host}:{port}")
        api = DrsClient(AwsSessions(), Target(region=REGION, role_arn=ROLE))
        looking = asyncio.create_task(api.jobs_since(0.0))
        done, _ = await asyncio.wait([looking], timeout=8.0)
        server.close()
        for writer in hung:
            writer.close()
        with pytest.raises(AwsError):
            await looking
    assert done


@pytest.mark.parametrize("name", ["AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "AWS_DEFAULTS_MODE"])
async def test_no_variable_makes_botocore_repeat_a_launch(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    values = {
        "AWS_MAX_ATTEMPTS": "5",
        "AWS_RETRY_MODE": "adaptive",
        "AWS_DEFAULTS_MODE": "standard",
    }
    monkeypatch.setenv(name, values[name])
    sessions = AwsSessions()
    api = DrsClient(sessions, TARGET)
    aws.fault("StartRecovery", Effect="drop")
    with pytest.raises(AwsError):
        await api.start_recovery(aws.servers(), is_drill=True, launch_ids=["x"], not_after=math.inf)
    assert aws.calls("StartRecovery") == 1
    timeouts = sessions.client("drs", TARGET).meta.config
    assert (timeouts.connect_timeout, timeouts.read_timeout) == (5, 25)


def test_the_clients_of_a_service_share_what_is_large() -> None:
    sessions = AwsSessions()
    roles = [f"arn:aws:iam::{account}:role/drs-waves" for account in (ACCOUNT, OTHER_ACCOUNT)]
    targets = [Target(region=REGION, role_arn=role) for role in roles]
    first, second = (sessions.client("ec2", target) for target in targets)
    other = sessions.client("drs", targets[0])
    assert type(first).describe_instances is type(second).describe_instances
    assert first.describe_instances.__self__ is not second.describe_instances.__self__
    assert type(first).can_paginate is type(other).can_paginate
    assert not hasattr(other, "describe_instances")
    assert not first.meta.service_model._instance_cache
    contexts = {
        id(each._endpoint.http_session._manager.connection_pool_kw["ssl_context"])
        for each in (first, second, other)
    }
    assert len(contexts) == 1


@pytest.mark.parametrize("name", ["endpoints", "drs/2020-02-26/service-2"])
def test_only_documentation_is_left_out_of_botocores_models(name: str) -> None:
    def left_out(value: Any) -> Any:
        match value:
            case dict():
                texts = {"documentation"} if isinstance(value.get("documentation"), str) else set()
                return {key: left_out(each) for key, each in value.items() if key not in texts}
            case list():
                return [left_out(each) for each in value]
        return value

    path = str(Path(Loader.BUILTIN_DATA_PATH, name))
    models = aws_module.checked_session()._session.get_component("data_loader")
    ours = models.file_loader.load_file(path)
    assert ours == left_out(JSONFileLoader().load_file(path))
    assert "<p>" not in str(ours)


def test_a_member_of_a_model_may_be_named_documentation(tmp_path: Path) -> None:
    model = {"members": {"documentation": {"shape": "String"}}}
    (tmp_path / "model.json").write_text(json.dumps(model))
    assert aws_module._ModelFiles().load_file(str(tmp_path / "model")) == model
    assert aws_module._ModelFiles().load_file(str(tmp_path / "missing")) is None
