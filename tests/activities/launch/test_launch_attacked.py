"""Launching under attack: points 1, 2, 3, 5 and 6 of issue 14. The ledger is the judge."""

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from temporalio.exceptions import ApplicationError

from activities.cleanup import CleanupActivities
from activities.launch import attempt as launching
from activities.launch.launch_activities import LaunchActivities
from activities.targets import TargetActivities
from aws.drs.client import DrsClient
from aws.errors import AwsError
from aws.sessions import AwsSessions
from aws.targets import TargetClients
from contract.cleanup import TargetScope
from contract.launch import LaunchRequest
from contract.readiness import Finding
from recovery.execution.server import LaunchStatus
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from sandbox.drs.models import DRSBackend
from settings import Settings
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import (
    OTHER_ACCOUNT,
    REGION,
    TARGET,
    Attempt,
    LocalAws,
    Temporal,
    batch,
    launch_activities,
    launch_result,
)

HOUR = 3600.0
DEAD_SNAPSHOT = "pit-0123456789abcdef0"
HTML = b"<html><body>Request blocked.</body></html>"

Answer = tuple[int, str, bytes]
Change = Callable[[str, Answer], Answer]


@asynccontextmanager
async def gateway(aws: LocalAws, change: Change) -> AsyncIterator[str]:
    """A gateway before DRS that passes requests on and may change the answers; its URL."""
    behind = str(urlsplit(aws.server.endpoint_url).netloc)

    def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(behind, timeout=10)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.headers.get("x-amzn-errortype", ""), answer.read()
        finally:
            connection.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        size = next((int(v) for k, v in headers.items() if k.lower() == "content-length"), 0)
        body = await reader.readexactly(size)
        answer = await asyncio.to_thread(ask, method, path, headers, body)
        status, error, content = change(path.strip("/"), answer)
        kind = "text/html" if content.startswith(b"<") else "application/json"
        told = [
            f"HTTP/1.1 {status} Any",
            f"Content-Type: {kind}",
            f"Content-Length: {len(content)}",
        ]
        if content != HTML:
            told += ["x-amzn-requestid: 0f3b52a1-c7d9"]
            told += [f"x-amzn-errortype: {error}"] if error else []
        writer.write("\r\n".join([*told, "Connection: close", "", ""]).encode() + content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def try_to_launch(
    launches: LaunchActivities, temporal: Temporal, request: LaunchRequest
) -> None:
    """Make one attempt, whatever comes of it."""
    with suppress(ApplicationError):
        await Attempt(temporal).run(launches.launch_batch, batch(request))


async def recovered(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, servers: list[Server]
) -> str:
    """Recover servers for real, as another plan did; the job's ID."""
    request = launch(servers, launch_id="erp-1/all/1/0", is_drill=False)
    result = await launch_result(Attempt(temporal), launches, request)
    aws.pass_time(HOUR)
    assert result.job_id is not None
    return result.job_id


def instances_up(aws: LocalAws, server: Server) -> list[dict[str, Any]]:
    """The instances of a server that the ledger says exist."""
    return [
        up
        for backend in aws.server.control.ledger()["Backends"]
        for each in backend["Servers"]
        if each["SourceServerId"] == server.source_server_id
        for up in each["InstancesUp"]
    ]


def lists_no_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let DescribeRecoveryInstances say that there is nothing, whatever there is."""
    monkeypatch.setattr(DRSBackend, "describe_recovery_instances", lambda *_, **__: [])


@pytest.fixture
def cleanup(fast: Settings) -> CleanupActivities:
    """The clean-up's activities."""
    return CleanupActivities(TargetClients(fast), fast)


# 1: a fence holds until the bytes leave


@pytest.mark.xfail(strict=True, reason="issue 14, point 1: checked before credentials are resolved")
async def test_a_call_whose_credentials_come_too_late_is_not_sent(aws: LocalAws) -> None:
    servers = aws.servers(1, AccountId=OTHER_ACCOUNT)
    aws.fault("AssumeRole", Service="sts", Effect="delay", Seconds=0.8)
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"
    api = DrsClient(AwsSessions(), Target(region=REGION, role_arn=role))
    not_after = time.monotonic() + 0.4
    with suppress(AwsError):
        await api.start_recovery(
            servers, is_drill=True, launch_ids=["crm-1/db/1/0"], not_after=not_after
        )
    assert aws.accepted(servers[0]) == []
    assert aws.calls("StartRecovery") == 0


class SlowFromTheFenceOn(Temporal):
    """Confirms the attempt, after which credentials take long to renew."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker
        self.confirmed: list[float] = []

    async def heartbeat(self, details: Any, **how: Any) -> None:
        self.confirmed.append(time.time())
        self.marker.touch()


@pytest.mark.xfail(strict=True, reason="issue 14, point 1: checked before credentials are resolved")
async def test_no_launch_arrives_later_than_its_fence_allows_however_slow_credentials_are(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fence = 0.3
    monkeypatch.setattr(launching, "_FENCE_SECONDS", fence)
    marker, script, profile = (tmp_path / each for each in ("slow", "credentials", "config"))
    # Credentials that end so soon are renewed before each call.
    script.write_text(
        f"#!/bin/sh\n[ -e {marker} ] && sleep 0.8\n"
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"key\\", \\"SecretAccessKey\\": \\"s\\", '
        '\\"SessionToken\\": \\"t\\", '
        '\\"Expiration\\": \\"$(date -u -d +5minutes +%Y-%m-%dT%H:%M:%SZ)\\"}"\n'
    )
    script.chmod(0o700)
    profile.write_text(f"[default]\ncredential_process = {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    temporal = SlowFromTheFenceOn(marker)
    servers = aws.servers()
    launches = launch_activities(fast)
    await try_to_launch(launches, temporal, launch(servers))
    (confirmed, *_) = temporal.confirmed
    late = [each["Time"] - confirmed for each in aws.accepted(servers[0])]
    assert all(seconds <= fence + 0.2 for seconds in late)


# 2: absence is not proof


@pytest.mark.xfail(strict=True, reason="issue 14, point 2: an empty listing is believed")
@pytest.mark.parametrize("is_drill", [True, False])
async def test_a_server_that_a_recoverys_job_launched_is_live_though_no_instance_is_listed(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
    is_drill: bool,
) -> None:
    servers = aws.servers()
    recovery = await recovered(aws, launches, temporal, servers)
    lists_no_instances(monkeypatch)
    now = time.time() + aws.ahead
    await try_to_launch(launches, temporal, launch(servers, is_drill=is_drill, since=now))
    aws.pass_time(HOUR)
    assert [each["JobId"] for each in aws.accepted(servers[0])] == [recovery]
    assert [each["JobId"] for each in instances_up(aws, servers[0])] == [recovery]


async def test_a_server_whose_recovery_drs_has_terminated_can_be_drilled(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    await recovered(aws, launches, temporal, servers)
    (up,) = instances_up(aws, servers[0])
    aws.client("drs").terminate_recovery_instances(recoveryInstanceIDs=[up["RecoveryInstanceId"]])
    aws.pass_time(HOUR)
    now = time.time() + aws.ahead
    result = await launch_result(Attempt(temporal), launches, launch(servers, since=now))
    assert result.job_id == aws.accepted(servers[0])[-1]["JobId"]
    assert len(aws.accepted(servers[0])) == 2


@pytest.mark.xfail(strict=True, reason="issue 14, point 2: an empty listing is believed")
async def test_a_dry_run_does_not_call_such_a_server_ready(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    fast: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers = aws.servers()
    recovery = await recovered(aws, launches, temporal, servers)
    lists_no_instances(monkeypatch)
    findings = await readiness(temporal, fast, servers)
    assert [f.blocks for f in findings if recovery in f.message] == [True]


@pytest.mark.xfail(strict=True, reason="issue 14, point 2: the kind of the job is not looked at")
async def test_a_drills_clean_up_leaves_a_recovery_that_somebody_started_in_the_console(
    aws: LocalAws, cleanup: CleanupActivities, temporal: Temporal
) -> None:
    (server,) = aws.servers()
    began = time.time()
    asked: Any = [{"sourceServerID": server.source_server_id}]
    job_id = aws.client("drs").start_recovery(sourceServers=asked, isDrill=False)["job"]["jobID"]
    aws.pass_time(HOUR)
    scope = TargetScope(
        target=TARGET,
        server_ids=[server.source_server_id],
        job_ids=[job_id],
        launch_prefix="crm-1/",
        since=began,
    )
    found = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert found.instances == []


# 3: an answer that is not proven to be AWS's


@pytest.mark.xfail(strict=True, reason="issue 14, point 3: the launch ends, though DRS has the job")
@pytest.mark.parametrize("status", [403, 404])
async def test_a_launch_that_a_gateway_answers_with_html_is_looked_for_and_not_asked_again(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    def blocked(operation: str, answer: Answer) -> Answer:
        return (status, "", HTML) if operation == "StartRecovery" else answer

    servers = aws.servers()
    request = launch(servers)
    async with gateway(aws, blocked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        first = Attempt(temporal)
        error = await first.run_failing(launches.launch_batch, batch(request))
        assert not error.non_retryable
        assert first.heartbeats[-1]["Unanswered"] is True
        result = await launch_result(first.next(), launches, request)
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


@pytest.mark.xfail(strict=True, reason="issue 14, point 3: it is taken for a lasting refusal")
async def test_html_of_a_gateway_does_not_say_that_the_guard_may_not_be_read(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocked(operation: str, answer: Answer) -> Answer:
        return (403, "", HTML) if operation == "DescribeRecoveryInstances" else answer

    async with gateway(aws, blocked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        error = await Attempt(temporal).run_failing(
            launches.launch_batch, batch(launch(aws.servers()))
        )
    assert not error.non_retryable
    assert aws.calls("StartRecovery") == 0


# 5: one server's fault is its own


@pytest.mark.xfail(strict=True, reason="issue 14, point 5: the whole launch is refused")
@pytest.mark.parametrize("names_it", [True, False])
async def test_a_dead_snapshot_of_one_server_holds_back_none_of_the_others(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, names_it: bool
) -> None:
    first, dead, last = aws.servers(3)
    dead.recovery_snapshot_id = DEAD_SNAPSHOT
    if not names_it:
        message = "One of the parameters is not valid"
        what = {"Error": "ValidationException", "Message": message}
        aws.fault("StartRecovery", Mentions=[DEAD_SNAPSHOT], **what)
    result = await launch_result(Attempt(temporal), launches, launch([first, dead, last]))
    assert aws.accepted(dead) == []
    for server, told in ((first, result.servers[0]), (last, result.servers[2])):
        assert told.reason is None
        (accepted,) = aws.accepted(server)
        assert told.recovery_job_id == accepted["JobId"]
    assert result.servers[1].launch_status is LaunchStatus.FAILED
    assert result.servers[1].recovery_job_id is None
    assert "Validation" in str(result.servers[1].reason)


async def readiness(temporal: Temporal, fast: Settings, servers: list[Server]) -> list[Finding]:
    """What a dry run of a plan of one wave finds."""
    plan = RecoveryPlan(
        plan_id="crm",
        region=REGION,
        waves=[Wave(wave_id="db", region=REGION, servers=servers)],
    )
    targets = TargetActivities(TargetClients(fast), fast)
    return (await Attempt(temporal).run(targets.check_readiness, plan)).findings


@pytest.mark.xfail(strict=True, reason="issue 14, point 5: a dry run does not look at snapshots")
async def test_a_dry_run_says_that_a_snapshot_is_dead(
    aws: LocalAws, temporal: Temporal, fast: Settings
) -> None:
    healthy, dead = aws.servers(2)
    dead.recovery_snapshot_id = DEAD_SNAPSHOT
    (found,) = await readiness(temporal, fast, [healthy, dead])
    assert found.source_server_id == dead.source_server_id
    assert DEAD_SNAPSHOT in found.message
    assert found.blocks


# 6: bad items do not blind


def _a_job(**fields: Any) -> dict[str, Any]:
    return {
        "jobID": "drsjob-0123456789abcdef0",
        "type": "LAUNCH",
        "initiatedBy": "START_DRILL",
        "status": "STARTED",
        "creationDateTime": "2022-12-07T19:15:38.846723+00:00",
        "participatingServers": [{"sourceServerID": "s-fffffffffffffffff"}],
        "tags": {},
    } | fields


ODD_JOBS = {
    "a tag that is null": _a_job(tags={"Owner": None}),
    "no ID": {key: value for key, value in _a_job().items() if key != "jobID"},
    "a server without form": _a_job(participatingServers=["s-fffffffffffffffff"]),
    "a status that is a number": _a_job(status=7),
    "nothing": {},
}


@pytest.mark.xfail(strict=True, reason="issue 14, point 6: the whole listing counts as unread")
@pytest.mark.parametrize("odd", ODD_JOBS.values(), ids=ODD_JOBS.keys())
async def test_an_odd_job_of_somebody_else_does_not_hold_up_a_launch(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
    odd: dict[str, Any],
) -> None:
    def with_odd_one(operation: str, answer: Answer) -> Answer:
        status, error, content = answer
        if operation == "DescribeJobs" and not error:
            told = json.loads(content)
            told["items"].insert(0, odd)
            content = json.dumps(told).encode()
        return status, error, content

    servers = aws.servers()
    async with gateway(aws, with_odd_one) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        result = await launch_result(Attempt(temporal), launches, launch(servers))
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]


@pytest.mark.xfail(strict=True, reason="issue 14, point 6: the whole listing counts as unread")
async def test_an_odd_instance_of_another_server_does_not_blind_the_guard(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {"recoveryInstanceID": "i-0123456789abcdef0", "sourceServerID": "s-" + "f" * 17,
           "jobID": 7, "isDrill": None}  # fmt: skip

    def with_odd_one(operation: str, answer: Answer) -> Answer:
        status, error, content = answer
        if operation == "DescribeRecoveryInstances" and not error:
            told = json.loads(content)
            told["items"].insert(0, odd)
            content = json.dumps(told).encode()
        return status, error, content

    live, free = *aws.servers(LiveRecoveryInstance="RECOVERY"), *aws.servers()
    async with gateway(aws, with_odd_one) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        result = await launch_result(Attempt(temporal), launches, launch([live, free]))
    assert result.servers[0].launch_status is LaunchStatus.FAILED
    assert result.servers[1].recovery_job_id == aws.accepted(free)[0]["JobId"]
    assert aws.accepted(live) == []
