"""The clean-up: an instance reported as terminated is terminated, for any responses."""

import time
from typing import Any

import pytest

from activities.cleanup import CleanupActivities
from activities.launch.launch_activities import LaunchActivities
from aws.drs.client import DrsClient
from aws.drs.models import RecoveryInstance
from aws.sessions import AwsSessions
from aws.targets import TargetClients
from contract.cleanup import TargetScope, TerminateRequest
from recovery.execution.cleanup_state import LaunchedInstance
from settings import Settings
from tests.activities.launch.test_attempt import LAUNCH_ID, launch
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal, launch_result


async def launched(
    aws: LocalAws, launches: LaunchActivities, cleanup: CleanupActivities, temporal: Temporal
) -> list[LaunchedInstance]:
    """Instances of two servers, found by the clean-up."""
    servers = aws.servers(2)
    began = time.time()
    job = await launch_result(Attempt(temporal), launches, launch(servers))
    aws.pass_time(3600)
    ids = [s.source_server_id for s in servers]
    scope = TargetScope(
        target=TARGET,
        server_ids=ids,
        job_ids=[job.job_id],
        launch_prefix=LAUNCH_ID.partition("/")[0] + "/",
        since=began,
    )
    found = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert sorted(i.source_server_id for i in found.instances) == sorted(ids)
    return found.instances


@pytest.fixture
def cleanup(fast: Settings) -> CleanupActivities:
    """The activities under test."""
    return CleanupActivities(TargetClients(AwsSessions()), fast)


def still_up(aws: LocalAws, instances: list[LaunchedInstance]) -> list[str]:
    """Those that the ledger says exist."""
    ours = {i.recovery_instance_id for i in instances}
    return [
        up["RecoveryInstanceId"]
        for backend in aws.server.control.ledger()["Backends"]
        for server in backend["Servers"]
        for up in server["InstancesUp"]
        if up["RecoveryInstanceId"] in ours
    ]


async def until_gone(
    aws: LocalAws,
    cleanup: CleanupActivities,
    temporal: Temporal,
    instances: list[LaunchedInstance],
    monkeypatch: pytest.MonkeyPatch,
) -> list[LaunchedInstance]:
    """Terminate them, while AWS's time passes with every poll."""
    recovery_instances = DrsClient.recovery_instances

    async def later(api: DrsClient, ids: list[str]) -> list[RecoveryInstance]:
        aws.pass_time(60)
        return await recovery_instances(api, ids)

    monkeypatch.setattr(DrsClient, "recovery_instances", later)
    request = TerminateRequest(target=TARGET, instances=instances)
    attempt: Any = Attempt(temporal)
    return list(await attempt.run(cleanup.terminate, request))


async def test_one_empty_listing_does_not_end_the_clean_up(
    aws: LocalAws,
    launches: LaunchActivities,
    cleanup: CleanupActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instances = await launched(aws, launches, cleanup, temporal)
    recovery_instances, calls = DrsClient.recovery_instances, 0

    async def nothing_at_first(api: DrsClient, ids: list[str]) -> list[RecoveryInstance]:
        nonlocal calls
        calls += 1
        return await recovery_instances(api, ids) if calls > 1 else []

    monkeypatch.setattr(DrsClient, "recovery_instances", nothing_at_first)
    aws.fault("TerminateRecoveryInstances", Error="ThrottlingException", Times=3)
    assert await until_gone(aws, cleanup, temporal, instances, monkeypatch) == []
    aws.pass_time(3600)
    assert still_up(aws, instances) == []


@pytest.mark.xfail(
    strict=True, reason="a clean-up takes the conflict of an instance that is gone for a refusal"
)
async def test_a_truncated_response_is_not_an_empty_one(
    aws: LocalAws,
    launches: LaunchActivities,
    cleanup: CleanupActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instances = await launched(aws, launches, cleanup, temporal)
    aws.fault("DescribeRecoveryInstances", Effect="answer-cut", Times=1)
    error = await Attempt(temporal).run_failing(
        cleanup.terminate, TerminateRequest(target=TARGET, instances=instances)
    )
    assert not error.non_retryable
    assert "bytes arrived" in error.message
    # The next attempt meets instances that are being terminated, and those that are gone.
    assert await until_gone(aws, cleanup, temporal, instances, monkeypatch) == []
    assert still_up(aws, instances) == []
