"""A server with a live real recovery is not launched: absence from a listing is no proof."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.launch.launch_activities import LaunchActivities
from contract.launch import LaunchRequest
from recovery.execution.server import LaunchStatus
from recovery.plan.model import Server
from sandbox.drs.models import DRSBackend
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import Attempt, LocalAws, Temporal, batch, launch_result
from tests.gateway import Answer, gateway

HOUR = 3600.0


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
