"""The clean-up: an instance reported as terminated is terminated, for any responses."""

import time
from typing import Any

import pytest

from activities import cleanup as cleaning
from activities.cleanup import CleanupActivities
from activities.launch.launch_activities import LaunchActivities
from aws.drs.client import DrsClient
from aws.drs.models import RecoveryInstance
from aws.targets import TargetClients
from contract.cleanup import TargetScope, TerminateRequest
from recovery.execution.cleanup_state import LaunchedInstance
from sandbox.drs import responses
from settings import Settings
from tests.activities.launch.test_attempt import LAUNCH_ID, launch
from tests.activities.launch.test_guard import lists_no_instances
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal, launch_result


async def launched(
    aws: LocalAws, launches: LaunchActivities, cleanup: CleanupActivities, temporal: Temporal
) -> list[LaunchedInstance]:
    """Instances of two servers, found by the clean-up."""
    scope = await drilled(aws, launches, temporal)
    found = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert sorted(i.source_server_id for i in found.instances) == sorted(scope.server_ids)
    return found.instances


async def drilled(aws: LocalAws, launches: LaunchActivities, temporal: Temporal) -> TargetScope:
    """A drill of two servers, which are up, as its clean-up sees it."""
    servers = aws.servers(2)
    began = time.time()
    job = await launch_result(Attempt(temporal), launches, launch(servers))
    aws.pass_time(3600)
    return TargetScope(
        target=TARGET,
        server_ids=[s.source_server_id for s in servers],
        job_ids=[str(job.job_id)],
        launch_prefix=LAUNCH_ID.partition("/")[0] + "/",
        since=began,
    )


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
async def test_a_clean_up_that_needs_no_account_does_not_wait_for_sts(
    aws: LocalAws, launches: LaunchActivities, cleanup: CleanupActivities, temporal: Temporal
) -> None:
    scope = await drilled(aws, launches, temporal)
    aws.fault("GetCallerIdentity", Service="sts", Error="AccessDenied")
    found = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert len(found.instances) == 2


@pytest.fixture
def cleanup(fast: Settings) -> CleanupActivities:
    """The activities under test."""
    return CleanupActivities(TargetClients(fast), fast)


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


async def test_a_drills_clean_up_leaves_a_recovery_that_somebody_started_in_the_console(
    aws: LocalAws, cleanup: CleanupActivities, temporal: Temporal
) -> None:
    (server,) = aws.servers()
    began = time.time()
    asked: Any = [{"sourceServerID": server.source_server_id}]
    job_id = aws.client("drs").start_recovery(sourceServers=asked, isDrill=False)["job"]["jobID"]
    aws.pass_time(3600)
    scope = TargetScope(
        target=TARGET,
        server_ids=[server.source_server_id],
        job_ids=[job_id],
        launch_prefix="crm-1/",
        since=began,
    )
    found = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert found.instances == []


async def test_an_attempt_that_was_replaced_terminates_nothing(
    aws: LocalAws,
    launches: LaunchActivities,
    cleanup: CleanupActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instances = await launched(aws, launches, cleanup, temporal)
    monkeypatch.setattr(cleaning, "TERMINATION_TIMEOUT_SECONDS", 60.0)
    temporal.replaced = True
    request = TerminateRequest(target=TARGET, instances=instances)
    left = await Attempt(temporal).run(cleanup.terminate, request)
    assert all("Temporal did not confirm" in str(each.reason) for each in left)
    assert len(left) == len(instances)
    assert aws.calls("TerminateRecoveryInstances") == 0


async def test_instances_that_are_gone_are_no_conflict(
    aws: LocalAws, launches: LaunchActivities, cleanup: CleanupActivities, temporal: Temporal
) -> None:
    instances = await launched(aws, launches, cleanup, temporal)
    ids = [each.recovery_instance_id for each in instances]
    aws.client("drs").terminate_recovery_instances(recoveryInstanceIDs=ids)
    aws.pass_time(3600)
    aws.fault("TerminateRecoveryInstances", Error="ConflictException")
    request = TerminateRequest(target=TARGET, instances=instances)
    assert await Attempt(temporal).run(cleanup.terminate, request) == []


async def test_instances_that_are_not_listed_are_not_gone_for_a_conflict_alone(
    aws: LocalAws,
    launches: LaunchActivities,
    cleanup: CleanupActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instances = await launched(aws, launches, cleanup, temporal)
    monkeypatch.setattr(cleaning, "TERMINATION_TIMEOUT_SECONDS", 60.0)
    lists_no_instances(monkeypatch)
    aws.fault("TerminateRecoveryInstances", Error="ConflictException")
    request = TerminateRequest(target=TARGET, instances=instances)
    left = await Attempt(temporal).run(cleanup.terminate, request)
    assert len(left) == len(instances)
    assert all("ConflictException" in str(each.reason) for each in left)


async def test_instances_that_drs_launched_and_does_not_list_may_exist(
    aws: LocalAws,
    launches: LaunchActivities,
    cleanup: CleanupActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scope = await drilled(aws, launches, temporal)
    found = await Attempt(temporal).run(cleanup.find_instances, scope)
    ids = [each.recovery_instance_id for each in found.instances]
    with monkeypatch.context() as listing:
        lists_no_instances(listing)
        blind = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert sorted(each.source_server_id for each in blind.left) == sorted(scope.server_ids)
    aws.client("drs").terminate_recovery_instances(recoveryInstanceIDs=ids)
    aws.pass_time(3600)
    gone = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert (gone.instances, gone.left) == ([], [])


@pytest.mark.parametrize("untold", ["is_drill", "recovery_instance_id"])
async def test_instances_that_drs_describes_in_part_are_left_and_said_to_be(
    aws: LocalAws,
    launches: LaunchActivities,
    cleanup: CleanupActivities,
    *,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
    untold: str,
) -> None:
    scope = await drilled(aws, launches, temporal)
    recovery_instances = DrsClient.recovery_instances

    async def in_part(api: DrsClient, ids: list[str]) -> list[RecoveryInstance]:
        listed = await recovery_instances(api, ids)
        return [each.model_copy(update={untold: None}) for each in listed]

    monkeypatch.setattr(DrsClient, "recovery_instances", in_part)
    found = await Attempt(temporal).run(cleanup.find_instances, scope)
    assert found.instances == []
    assert sorted(each.source_server_id for each in found.left) == sorted(scope.server_ids)
    assert all("DRS does not report" in str(each.reason) for each in found.left)


async def test_an_instance_that_drs_may_not_terminate_is_left_with_the_permission_that_lacks(
    aws: LocalAws,
    launches: LaunchActivities,
    cleanup: CleanupActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instances = await launched(aws, launches, cleanup, temporal)
    monkeypatch.setattr(responses, "first_lacked", lambda *_: "ec2:TerminateInstances")
    left = await until_gone(aws, cleanup, temporal, instances, monkeypatch)
    assert len(left) == len(still_up(aws, instances)) == 2
    for instance in left:
        assert str(instance.reason).startswith("CLEANUP_FAIL: ")
        assert "(ec2:TerminateInstances)" in str(instance.reason)
