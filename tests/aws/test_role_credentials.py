"""Whom the sessions in a role are named after, and what of it STS may refuse."""

import asyncio
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import pytest
from botocore.httpsession import URLLib3Session

from aws.drs.client import DrsClient
from aws.drs.job_poller import JobPoller
from aws.errors import AwsError, AwsErrorKind
from aws.role_credentials import acting_for
from aws.sessions import AwsSessions
from recovery.access.allow_list import AllowedTargets, AllowList
from recovery.access.session_identity import SessionIdentity
from recovery.plan.model import Target
from recovery.plan.target_roles import TargetRole
from tests.aws_in_process import OTHER_ACCOUNT, REGION, LocalAws

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"
TARGET = Target(region=REGION, role_arn=ROLE)
ALICE = SessionIdentity.of("crm", "crm-0123456789ab", "alice@example.com")
BOB = SessionIdentity.of("web", "web-ba9876543210", "bob")
NOT_AUTHORIZED = f"User: x is not authorized to perform: {{}} on resource: {ROLE}"

pytestmark = pytest.mark.filterwarnings("ignore:Exception.InjectedError")


@pytest.fixture
def assumed(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The parameters of each AssumeRole, in the order of the calls."""
    aws.servers(AccountId=OTHER_ACCOUNT)
    calls: list[dict[str, str]] = []
    send = URLLib3Session.send

    def recorded(session: URLLib3Session, request: Any) -> Any:
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        parameters = dict(parse_qsl(body))
        if parameters.get("Action") == "AssumeRole":
            calls.append(parameters)
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", recorded)
    return calls


@contextmanager
def refusing(aws: LocalAws, *parameters: str, **error: str) -> Iterator[None]:
    """Inside the block, STS refuses an AssumeRole with any of these parameters."""
    what = {"Error": "AccessDenied"} | error
    aws.fault("AssumeRole", Service="sts", Mentions=list(parameters), **what)
    yield
    aws.clear_faults()


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "aws.role_credentials"]


async def test_calls_for_an_execution_are_made_in_a_session_of_it_and_its_actor(
    assumed: list[dict[str, str]],
) -> None:
    with acting_for(ALICE):
        await DrsClient(AwsSessions(), TARGET).jobs_since(0.0)
    (call,) = assumed
    assert call["RoleSessionName"] == "crm-0123456789ab,alice@example.com"
    assert call["SourceIdentity"] == "alice@example.com"
    tags = {call[f"Tags.member.{n}.Key"]: call[f"Tags.member.{n}.Value"] for n in range(1, 4)}
    assert tags == ALICE.tags


async def test_each_execution_costs_one_assume_role_in_a_target_however_much_it_calls(
    aws: LocalAws, assumed: list[dict[str, str]]
) -> None:
    sessions = AwsSessions()
    apis = [DrsClient(sessions, TARGET) for _ in range(2)]

    async def work(identity: SessionIdentity | None) -> None:
        with acting_for(identity):
            for api in apis:
                await api.account_id()
                await asyncio.gather(*(api.jobs_since(0.0) for _ in range(5)))

    await work(None)
    await asyncio.gather(*(work(each) for each in (ALICE, BOB, None, ALICE, BOB)))
    await work(ALICE)
    names = sorted(call["RoleSessionName"] for call in assumed)
    assert names == ["crm-0123456789ab,alice@example.com", "drs-waves", "web-ba9876543210,bob"]
    assert aws.calls("GetCallerIdentity", "sts") == 1


async def test_a_poller_that_executions_share_has_the_session_of_the_worker(
    assumed: list[dict[str, str]],
) -> None:
    poller = JobPoller(DrsClient(AwsSessions(), TARGET), pause_seconds=0.01)
    for identity in (ALICE, BOB):
        with acting_for(identity):
            await poller.next(0.0)
    assert [call["RoleSessionName"] for call in assumed] == ["drs-waves"]


async def test_the_external_id_is_that_of_the_allow_list(assumed: list[dict[str, str]]) -> None:
    entry = AllowedTargets(
        account_ids=("*",), regions=("*",), role_arns=(ROLE,), external_id="given-4f1c"
    )
    await DrsClient(AwsSessions(AllowList((entry,), "list.yaml")), TARGET).jobs_since(0.0)
    assert [call.get("ExternalId") for call in assumed] == ["given-4f1c"]


@pytest.mark.parametrize(
    ("parameter", "permission", "kept"),
    [
        ("SourceIdentity", "sts:SetSourceIdentity", "Tags.member.1.Key"),
        ("Tags", "sts:TagSession", "SourceIdentity"),
    ],
)
async def test_what_a_role_refuses_is_left_out_with_one_warning_and_stops_nothing(
    aws: LocalAws,
    assumed: list[dict[str, str]],
    caplog: pytest.LogCaptureFixture,
    *,
    parameter: str,
    permission: str,
    kept: str,
) -> None:
    sessions = AwsSessions()
    api = DrsClient(sessions, TARGET)
    caplog.set_level(logging.WARNING, "aws.role_credentials")
    with refusing(aws, parameter, Message=NOT_AUTHORIZED.format(permission)):
        for identity in (ALICE, BOB):
            with acting_for(identity):
                assert await api.jobs_since(0.0) == []
    # The second execution does not ask for it again.
    assert len(assumed) == 3
    assert all(kept in call for call in assumed)
    warned = warnings_in(caplog)
    assert len(warned) == 1
    assert f"Allow {permission} in the role's trust policy" in warned[0]
    assert sessions.warnings(TARGET) == warned


async def test_a_role_may_refuse_both(aws: LocalAws, assumed: list[dict[str, str]]) -> None:
    api = DrsClient(AwsSessions(), TARGET)
    tags = NOT_AUTHORIZED.format("sts:TagSession")
    identity = NOT_AUTHORIZED.format("sts:SetSourceIdentity")
    aws.fault("AssumeRole", Service="sts", Error="AccessDenied", Message=tags, Mentions=["Tags"])
    with refusing(aws, "SourceIdentity", Message=identity), acting_for(ALICE):
        assert await api.jobs_since(0.0) == []
    assert len(assumed) == 3


@pytest.mark.parametrize("error", ["AccessDenied", "ValidationError", "PackedPolicyTooLarge"])
async def test_a_refusal_that_names_neither_stops_nothing_either(
    aws: LocalAws, assumed: list[dict[str, str]], error: str
) -> None:
    api = DrsClient(AwsSessions(), TARGET)
    with refusing(aws, "SourceIdentity", "Tags", Error=error), acting_for(ALICE):
        assert await api.jobs_since(0.0) == []
    assert [("Tags.member.1.Key" in call, "SourceIdentity" in call) for call in assumed] == [
        (True, True),
        (False, False),
    ]


async def test_a_role_that_may_not_be_assumed_at_all_leaves_nothing_out_afterwards(
    aws: LocalAws, assumed: list[dict[str, str]]
) -> None:
    sessions = AwsSessions()
    api = DrsClient(sessions, TARGET)
    with refusing(aws, "Action"), pytest.raises(AwsError, match="AccessDenied") as caught:
        await api.jobs_since(0.0)
    assert caught.value.kind is AwsErrorKind.ACCESS_DENIED
    assert sessions.warnings(TARGET) == []
    await api.jobs_since(0.0)
    assert "SourceIdentity" in assumed[-1]


async def test_an_sts_that_is_throttled_leaves_nothing_out(
    aws: LocalAws, assumed: list[dict[str, str]]
) -> None:
    sessions = AwsSessions()
    with refusing(aws, "SourceIdentity", Error="Throttling"), pytest.raises(AwsError):
        await DrsClient(sessions, TARGET).jobs_since(0.0)
    assert all("SourceIdentity" in call for call in assumed)
    assert sessions.warnings(TARGET) == []


def tags_and_identity(calls: list[dict[str, str]]) -> list[tuple[bool, bool]]:
    return [("Tags.member.1.Key" in call, "SourceIdentity" in call) for call in calls]


@pytest.mark.parametrize("error", ["PackedPolicyTooLarge", "InvalidParameterValue"])
async def test_what_sts_refuses_of_one_execution_is_left_out_of_that_one_only(
    aws: LocalAws, assumed: list[dict[str, str]], caplog: pytest.LogCaptureFixture, error: str
) -> None:
    sessions = AwsSessions()
    api = DrsClient(sessions, TARGET)
    with refusing(aws, "Tags", Error=error), acting_for(ALICE):
        assert await api.jobs_since(0.0) == []
    assert sessions.warnings(TARGET) == []
    for warned in warnings_in(caplog):
        assert error in warned
        assert "the session crm-0123456789ab,alice@example.com" in warned
        assert "Allow" not in warned
    assert len(warnings_in(caplog)) == 2
    with acting_for(BOB):
        await api.jobs_since(0.0)
    assert tags_and_identity(assumed[-1:]) == [(True, True)]


def refuse_names(aws: LocalAws) -> None:
    """As a trust policy with a condition on sts:RoleSessionName does."""
    message = NOT_AUTHORIZED.format("sts:AssumeRole")
    names = ["RoleSessionName=crm-", "RoleSessionName=web-"]
    aws.fault("AssumeRole", Service="sts", Error="AccessDenied", Message=message, Mentions=names)


async def test_a_role_that_refuses_the_names_of_sessions_is_assumed_with_the_plain_one(
    aws: LocalAws, assumed: list[dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    sessions = AwsSessions()
    api = DrsClient(sessions, TARGET)
    refuse_names(aws)
    with acting_for(ALICE):
        assert await api.jobs_since(0.0) == []
    assert assumed[-1]["RoleSessionName"] == "drs-waves"
    assert tags_and_identity(assumed) == [(True, True), (False, False), (False, False)]
    # What was refused is the name; source identity and tags are asked for again.
    with acting_for(BOB):
        assert await api.jobs_since(0.0) == []
    assert assumed[3]["RoleSessionName"] == "drs-waves"
    assert tags_and_identity(assumed[3:]) == [(True, True)]
    (warned,) = warnings_in(caplog)
    assert "Allow other names than drs-waves" in warned
    assert "sts:RoleSessionName" in warned
    assert sessions.warnings(TARGET) == [warned]


FAULTS: list[dict[str, Any]] = [
    {"Error": "ServiceUnavailable"},
    {"Error": "Throttling"},
    {"Effect": "drop"},
]


@pytest.mark.parametrize("what", FAULTS)
async def test_while_sts_fails_a_new_execution_signs_with_the_valid_session_of_the_worker(
    aws: LocalAws,
    assumed: list[dict[str, str]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    what: dict[str, Any],
) -> None:
    api = DrsClient(AwsSessions(), TARGET)
    await api.jobs_since(0.0)
    aws.fault("AssumeRole", Service="sts", **what)
    for identity in (ALICE, BOB):
        with acting_for(identity):
            await asyncio.gather(*(api.jobs_since(0.0) for _ in range(3)))
    # One attempt, which botocore makes three times, for both.
    assert len(assumed) == 4
    (warned,) = warnings_in(caplog)
    assert f"STS gives no new sessions in {ROLE}" in warned
    aws.clear_faults()
    now = time.monotonic()
    monkeypatch.setattr("aws.role_credentials.time.monotonic", lambda: now + 600)
    with acting_for(BOB):
        await api.jobs_since(0.0)
    assert assumed[-1]["RoleSessionName"] == "web-ba9876543210,bob"
    assert len(assumed) == 5


async def test_a_session_that_cannot_be_renewed_signs_until_its_end(
    aws: LocalAws, assumed: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = DrsClient(AwsSessions(), TARGET)
    with acting_for(ALICE):
        await api.jobs_since(0.0)
        aws.fault("AssumeRole", Service="sts", Error="ServiceUnavailable")
        began = time.time()
        for minutes in (50, 58):
            now = began + minutes * 60
            monkeypatch.setattr("aws.role_credentials.time.time", partial(float, now))
            assert await api.jobs_since(0.0) == []
        monkeypatch.setattr("aws.role_credentials.time.time", lambda: began + 3600)
        with pytest.raises(AwsError, match="ServiceUnavailable"):
            await api.jobs_since(0.0)
    assert len(assumed) == 7


async def test_a_lasting_refusal_of_an_execution_is_not_signed_by_the_worker(
    aws: LocalAws, assumed: list[dict[str, str]]
) -> None:
    api = DrsClient(AwsSessions(), TARGET)
    await api.jobs_since(0.0)
    with refusing(aws, "Action"), acting_for(ALICE), pytest.raises(AwsError, match="AccessDenied"):
        await api.jobs_since(0.0)
    assert [call["RoleSessionName"] for call in assumed[-2:]] == [ALICE.session_name, "drs-waves"]


ENDS = ("", "-look", "-terminate")
SPLIT = AllowList(
    (
        AllowedTargets(
            account_ids=("*",),
            regions=("*",),
            role_arns=(ROLE,),
            look_role="drs-waves-look",
            terminate_role="drs-waves-terminate",
        ),
    ),
    "list.yaml",
)


async def test_each_call_is_signed_with_the_role_for_it(
    aws: LocalAws, assumed: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (server,) = aws.servers(count=1, AccountId=OTHER_ACCOUNT)
    sessions = AwsSessions(SPLIT)
    api = DrsClient(sessions, TARGET)
    signed: list[tuple[str, str]] = []
    send = URLLib3Session.send

    def recorded(session: URLLib3Session, request: Any) -> Any:
        key = request.headers["Authorization"].decode().split("Credential=")[1].split("/")[0]
        signed.append((request.url.rpartition("/")[2], key))
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", recorded)
    with acting_for(ALICE):
        await api.renew_credentials()
        assert [call["RoleArn"] for call in assumed] == [ROLE]
        await api.start_recovery([server], is_drill=True, launch_ids=["x"], not_after=math.inf)
        await asyncio.gather(
            api.jobs_since(0.0), api.account_id(), api.source_servers([server.source_server_id])
        )
        with pytest.raises(AwsError):
            await api.terminate(["i-00000000000000000"], not_after=math.inf)
        roles = {
            sessions._roles[TARGET].of(role).get_frozen_credentials().access_key: role
            for role in TargetRole
        }
    assert {name: roles[key] for name, key in signed if key in roles} == {
        "StartRecovery": TargetRole.LAUNCH,
        "": TargetRole.LAUNCH,
        "DescribeJobs": TargetRole.LOOK,
        "DescribeSourceServers": TargetRole.LOOK,
        "TerminateRecoveryInstances": TargetRole.TERMINATE,
    }
    assert len(assumed) == 3


async def test_each_role_has_a_session_of_the_execution(assumed: list[dict[str, str]]) -> None:
    sessions = AwsSessions(SPLIT)
    for identity in (ALICE, BOB):
        with acting_for(identity):
            for role in TargetRole:
                sessions.assume(TARGET, role)
    names = [(call["RoleArn"].removeprefix(ROLE), call["SourceIdentity"]) for call in assumed]
    assert names == [(role, actor) for actor in ("alice@example.com", "bob") for role in ENDS]


async def test_a_role_that_cannot_be_assumed_is_named_and_the_others_work(
    aws: LocalAws, assumed: list[dict[str, str]]
) -> None:
    api = DrsClient(AwsSessions(SPLIT), TARGET)
    with refusing(aws, "drs-waves-look", Message="not authorized"):
        with pytest.raises(AwsError, match=f"not authorized .*{ROLE}-look") as caught:
            await api.jobs_since(0.0)
        assert caught.value.kind is AwsErrorKind.ACCESS_DENIED
        assert await api.account_id() == OTHER_ACCOUNT
    assert await api.jobs_since(0.0) == []


async def test_what_each_role_refuses_is_a_warning_of_its_own(
    aws: LocalAws, assumed: list[dict[str, str]]
) -> None:
    sessions = AwsSessions(SPLIT)
    with refusing(aws, "SourceIdentity", Message="sts:SetSourceIdentity"), acting_for(ALICE):
        for role in TargetRole:
            sessions.assume(TARGET, role)
    named = sessions.warnings(TARGET)
    assert len(named) == 3
    assert all(f"{ROLE}{end}," in each for end, each in zip(ENDS, named, strict=True))
