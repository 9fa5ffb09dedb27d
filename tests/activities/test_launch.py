"""Launching against the local AWS: once per launch ID, guarded, resumed, called off."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from activities.launch.drs_activities import DrsActivities
from temporalio.exceptions import ApplicationError

from activities.launch import attempt as launching
from activities.launch import guard as launch_guard
from aws.drs.client import DrsClient
from aws.drs.live_instances import live_recoveries
from aws.drs.models import Job, RecoveryInstance
from aws.sessions import AwsSessions
from aws.targets import TargetClients
from contract.launch import LaunchRequest, LaunchResult
from recovery.execution.server import LaunchStatus
from recovery.plan.model import Server, Target
from settings import Settings
from tests.activities.conftest import (
    ACCOUNT,
    REGION,
    TARGET,
    Attempt,
    LocalAws,
    Temporal,
    until,
)

LAUNCH_ID = "crm-1/database/1/0"


def launch(servers: Sequence[Server], **fields: Any) -> LaunchRequest:
    return LaunchRequest(
        **{
            "launch_id": LAUNCH_ID,
            "target": TARGET,
            "servers": list(servers),
            "is_drill": True,
            "since": time.time(),
        }
        | fields
    )


def seconds(delay: timedelta | None) -> float:
    assert delay is not None
    return delay.total_seconds()


async def test_a_launch_gives_each_server_its_job_and_the_time_drs_accepted_it(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers(2)
    before = time.time()
    result = await Attempt(temporal).run(drs.launch, launch(servers))
    (accepted,) = aws.accepted(servers[0])
    assert result.job_id == accepted["JobId"]
    assert result.account_id == ACCOUNT
    assert accepted["Tags"] == {"drs-waves:launch-id": LAUNCH_ID}
    assert [s.recovery_job_id for s in result.servers] == [result.job_id] * 2
    assert [s.launch_status for s in result.servers] == [LaunchStatus.PENDING] * 2
    assert result.accepted_time is not None
    assert before - 0.001 <= result.accepted_time <= time.time()


@pytest.mark.parametrize("effect", ["answer-lost", "answer-cut"])
async def test_after_a_lost_answer_the_job_is_found_and_not_asked_for_again(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, effect: str
) -> None:
    servers = aws.servers(2)
    request = launch(servers)
    aws.fault("StartRecovery", Effect=effect, Times=1)
    first = Attempt(temporal)
    error = await first.refused(drs.launch, request)
    assert (error.type, error.non_retryable) == ("UnclearAnswer", False)
    assert first.heartbeats[-1]["Unanswered"] is True
    result = await Attempt(temporal, number=2, details=first.heartbeats[-1]).run(
        drs.launch, request
    )
    (accepted,) = aws.accepted(servers[0])
    assert result.job_id == accepted["JobId"]
    assert aws.calls("StartRecovery") == 1


async def test_a_listing_of_jobs_that_breaks_off_is_not_taken_for_one_without_ours(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    attempt = Attempt(temporal)
    await attempt.refused(drs.launch, request)
    aws.fault("DescribeJobs", Effect="answer-cut", Times=12)
    result = None
    for number in range(2, 30):
        attempt = Attempt(temporal, number=number, details=attempt.heartbeats[-1])
        with suppress(ApplicationError):
            result = await attempt.run(drs.launch, request)
            break
    assert result is not None
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


async def test_a_call_that_never_arrived_is_asked_again_once_the_job_was_looked_for_in_vain(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, fast: Settings
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="drop", Times=1)
    first = Attempt(temporal)
    await first.refused(drs.launch, request)
    began = time.monotonic()
    result = await Attempt(temporal, number=2, details=first.heartbeats[-1]).run(
        drs.launch, request
    )
    assert time.monotonic() - began >= fast.absent_after_seconds
    assert result.job_id
    assert len(aws.accepted(servers[0])) == 1
    waits = temporal.told("launch_waits")
    assert waits[-1].reason == "Waiting to learn whether DRS accepted the launch"


async def test_a_job_that_shows_up_late_is_still_found(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    first = Attempt(temporal)
    await first.refused(drs.launch, request)
    jobs_since, looks = DrsClient.jobs_since, 0

    async def jobs_late(api: DrsClient, moment: float) -> list[Job]:
        nonlocal looks
        looks += 1
        return await jobs_since(api, moment) if looks > 2 else []

    monkeypatch.setattr(DrsClient, "jobs_since", jobs_late)
    result = await Attempt(temporal, number=2, details=first.heartbeats[-1]).run(
        drs.launch, request
    )
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


@pytest.mark.parametrize("number", [1, 2, 7])
async def test_an_attempt_that_inherits_nothing_adopts_the_job_that_is_there(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, number: int
) -> None:
    servers = aws.servers()
    request = launch(servers)
    first = await Attempt(temporal).run(drs.launch, request)
    again = await Attempt(temporal, number=number).run(drs.launch, request)
    assert again == first
    assert len(aws.accepted(servers[0])) == 1


async def test_a_later_attempt_without_heartbeats_looks_for_a_job_before_it_asks(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, fast: Settings
) -> None:
    servers = aws.servers()
    began = time.monotonic()
    await Attempt(temporal, number=2).run(drs.launch, launch(servers))
    assert time.monotonic() - began >= fast.absent_after_seconds
    assert len(aws.accepted(servers[0])) == 1


async def test_nothing_is_asked_while_it_cannot_be_seen_whether_there_is_a_job(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    error = await Attempt(temporal, number=2).refused(drs.launch, launch(servers))
    assert (error.type, error.non_retryable) == ("LaunchInDoubt", False)
    assert aws.calls("StartRecovery") == 0


async def test_a_retry_of_the_wave_is_another_launch(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    first = await Attempt(temporal).run(drs.launch, launch(servers))
    aws.pass_time(700)
    again = launch(servers, launch_id="crm-1/database/2/0", wanted_since=time.time() + aws.ahead)
    second = await Attempt(temporal).run(drs.launch, again)
    assert first.job_id != second.job_id
    assert len(aws.accepted(servers[0])) == 2


async def test_a_call_that_takes_too_long_to_prepare_is_not_made(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "_FENCE_SECONDS", -1.0)
    error = await Attempt(temporal).refused(drs.launch, launch(aws.servers()))
    assert not error.non_retryable
    assert "too slowly" in error.message
    assert aws.calls("StartRecovery") == 0


async def test_that_the_call_is_under_way_is_in_the_heartbeat_before_it_is_made(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    aws.fault("StartRecovery", Effect="delay", Seconds=0.3)
    attempt = Attempt(temporal)
    running = asyncio.create_task(attempt.run(drs.launch, launch(aws.servers())))
    await until(lambda: aws.struck() == 1)
    # Temporal may have got any of them, as heartbeats are throttled.
    assert attempt.heartbeats
    assert all(beat["Unanswered"] for beat in attempt.heartbeats)
    await running


async def test_a_launch_called_off_in_mid_call_still_returns_its_job(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    aws.fault("StartRecovery", Effect="delay", Seconds=0.3)
    attempt = Attempt(temporal)
    running = asyncio.create_task(attempt.run(drs.launch, launch(servers)))
    await until(lambda: aws.struck() == 1)
    attempt.environment.cancel()
    result = await running
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]


async def test_a_launch_called_off_before_its_call_asks_for_nothing(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeRecoveryInstances", Effect="delay", Seconds=0.3)
    attempt = Attempt(temporal)
    running = asyncio.create_task(attempt.run(drs.launch, launch(aws.servers())))
    await until(lambda: aws.struck() == 1)
    attempt.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert aws.calls("StartRecovery") == 0


async def test_finding_a_launch_that_was_called_off_never_asks_for_one(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = launch(servers)
    assert await Attempt(temporal).run(drs.find_launch, request) is None
    assert aws.calls("StartRecovery") == 0
    started = await Attempt(temporal).run(drs.launch, request)
    found = await Attempt(temporal).run(drs.find_launch, request)
    assert isinstance(found, LaunchResult)
    assert found.job_id == started.job_id
    aws.fault("DescribeJobs", Error="ThrottlingException")
    error = await Attempt(temporal).refused(drs.find_launch, request)
    assert not error.non_retryable


async def test_a_server_missing_from_an_adopted_job_is_not_taken_for_launched(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    asked, left_out = aws.servers(2)
    job = await Attempt(temporal).run(drs.launch, launch([asked]))
    result = await Attempt(temporal).run(drs.launch, launch([asked, left_out]))
    first, second = result.servers
    assert first.recovery_job_id == job.job_id
    assert second.recovery_job_id is None
    assert second.launch_status is LaunchStatus.FAILED
    assert str(job.job_id) in str(second.reason)


# The guard


async def test_a_drill_waits_for_the_guard_to_become_readable_and_is_refused_in_the_end(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    request = launch(aws.servers())
    aws.fault("DescribeRecoveryInstances", Error="ThrottlingException")
    first = Attempt(temporal)
    error = await first.refused(drs.launch, request)
    assert not error.non_retryable
    assert "live instance of a real recovery" in temporal.told("launch_waits")[-1].reason
    left = first.heartbeats[-1]
    for waited, lasting in ((100, False), (launch_guard.GUARD_SECONDS, True)):
        details = left | {"GuardUnreadSince": left["GuardUnreadSince"] - waited}
        error = await Attempt(temporal, number=2, details=details).refused(drs.launch, request)
        assert error.non_retryable == lasting
    assert error.message.startswith("Nothing was launched")
    assert aws.calls("StartRecovery") == 0


async def test_a_recovery_goes_on_waiting_for_a_guard_that_cannot_be_read(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_guard, "GUARD_SECONDS", 0.0)
    servers = aws.servers()
    request = launch(servers, is_drill=False)
    aws.fault("DescribeRecoveryInstances", Error="ThrottlingException", Times=3)
    first = Attempt(temporal)
    error = await first.refused(drs.launch, request)
    assert not error.non_retryable
    assert aws.calls("StartRecovery") == 0
    await Attempt(temporal, number=2, details=first.heartbeats[-1]).run(drs.launch, request)
    assert aws.accepted(servers[0])[0]["IsDrill"] is False


async def test_a_drill_that_may_not_read_the_guard_is_refused_at_once(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeRecoveryInstances", Error="AccessDeniedException")
    error = await Attempt(temporal).refused(drs.launch, launch(aws.servers()))
    assert (error.type, error.non_retryable) == ("AccessDenied", True)
    assert aws.calls("StartRecovery") == 0


async def test_the_guard_is_read_before_each_call_and_not_only_before_the_first(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Error="ThrottlingException", Times=1)
    first = Attempt(temporal)
    await first.refused(drs.launch, request)
    aws.apply(
        SourceServers=[
            {"SourceServerId": servers[0].source_server_id, "LiveRecoveryInstance": "RECOVERY"}
        ]
    )
    result = await Attempt(temporal, number=2, details=first.heartbeats[-1]).run(
        drs.launch, request
    )
    assert result.job_id is None
    assert result.accepted_time is None
    assert "live instance" in str(result.servers[0].reason)
    assert aws.accepted(servers[0]) == []


async def test_the_override_holds_for_the_servers_it_names_only(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    named, other = aws.servers(2, LiveRecoveryInstance="RECOVERY")
    request = launch([named, other], relaunch=[named.source_server_id])
    result = await Attempt(temporal).run(drs.launch, request)
    assert result.servers[0].recovery_job_id == result.job_id
    assert result.servers[1].launch_status is LaunchStatus.FAILED
    assert len(aws.accepted(named)) == 1
    assert aws.accepted(other) == []


@pytest.mark.parametrize("is_drill", [False, None])
@pytest.mark.parametrize("state", ["RUNNING", "STOPPED", "PENDING", "SOMETHING_NEW", None])
def test_an_instance_counts_as_live_unless_it_is_known_to_be_a_drill_or_gone(
    state: str | None, is_drill: bool | None
) -> None:
    one = RecoveryInstance(source_server_id="s-1", ec2_instance_state=state, is_drill=is_drill)
    assert live_recoveries([one]) == {"s-1": one}


@pytest.mark.parametrize(
    "gone",
    [
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="RUNNING", is_drill=True),
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="TERMINATED"),
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="SHUTTING-DOWN"),
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="NOT_FOUND"),
    ],
)
def test_a_drills_instance_or_one_that_is_gone_guards_nothing(gone: RecoveryInstance) -> None:
    assert live_recoveries([gone]) == {}
    live = RecoveryInstance(source_server_id="s-1", ec2_instance_state="RUNNING")
    assert live_recoveries([live, gone]) == live_recoveries([gone, live]) == {"s-1": live}


# Troubles


async def test_another_account_than_the_plan_names_launches_nothing(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    target = Target(region=REGION, account_id="999999999999")
    error = await Attempt(temporal).refused(drs.launch, launch(aws.servers(), target=target))
    assert (error.type, error.non_retryable) == ("Invalid", True)
    assert "999999999999" in error.message
    assert ACCOUNT in error.message
    assert aws.calls("StartRecovery") == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", "Throttled"),
        ("ServiceQuotaExceededException", "QuotaExceeded"),
        ("ConflictException", "Conflict"),
        ("InternalServerException", "UnclearAnswer"),
    ],
)
async def test_what_can_pass_is_tried_again_by_temporal(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, code: str, kind: str
) -> None:
    aws.fault("StartRecovery", Error=code)
    error = await Attempt(temporal).refused(drs.launch, launch(aws.servers()))
    assert (error.type, error.non_retryable) == (kind, False)
    assert seconds(error.next_retry_delay) > 0
    # A conflict is told as the job that causes it.
    assert ("another job" if kind == "Conflict" else code) in error.message
    assert aws.calls("StartRecovery") == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ValidationException", "Invalid"),
        ("AccessDeniedException", "AccessDenied"),
        ("UninitializedAccountException", "UninitializedAccount"),
    ],
)
async def test_what_cannot_pass_ends_the_launch(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, code: str, kind: str
) -> None:
    aws.fault("StartRecovery", Error=code)
    error = await Attempt(temporal).refused(drs.launch, launch(aws.servers()))
    assert (error.type, error.non_retryable) == (kind, True)
    assert code in error.message
    assert aws.calls("StartRecovery") == 1


async def test_a_refused_call_leaves_nothing_to_look_for(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, fast: Settings
) -> None:
    request = launch(aws.servers())
    slow = fast.model_copy(update={"absent_after_seconds": 600.0})
    aws.fault("StartRecovery", Error="ThrottlingException", Times=1)
    first = Attempt(temporal)
    await first.refused(drs.launch, request)
    assert first.heartbeats[-1]["Unanswered"] is False
    patient = DrsActivities(TargetClients(AwsSessions()), slow)
    async with asyncio.timeout(60):
        await Attempt(temporal, number=2, details=first.heartbeats[-1]).run(patient.launch, request)


async def test_the_next_try_comes_no_sooner_than_aws_asks(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    aws.fault("StartRecovery", Error="ThrottlingException", RetryAfterSeconds=50)
    error = await Attempt(temporal).refused(drs.launch, launch(aws.servers()))
    assert 40 <= seconds(error.next_retry_delay) <= 60


async def test_aws_out_of_reach_is_waited_for(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    request = launch(aws.servers())
    aws.server.stop()
    error = await Attempt(temporal).refused(drs.launch, request)
    assert (error.type, error.non_retryable) == ("Unreachable", False)


async def test_the_wave_is_told_once_what_its_launch_waits_for(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    request = launch(aws.servers())
    aws.fault("StartRecovery", Error="ServiceQuotaExceededException")
    details = None
    for number in (1, 2, 3):
        attempt = Attempt(temporal, number=number, details=details)
        await attempt.refused(drs.launch, request)
        details = attempt.heartbeats[-1]
    (waits,) = temporal.told("launch_waits")
    assert waits.reason.startswith("Waiting for quota")


async def test_a_launch_does_not_depend_on_the_wave_hearing_of_it(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    temporal.is_down = True
    aws.fault("StartRecovery", Error="ThrottlingException", Times=1)
    first = Attempt(temporal)
    assert not (await first.refused(drs.launch, launch(servers))).non_retryable
    await Attempt(temporal, number=2, details=first.heartbeats[-1]).run(drs.launch, launch(servers))
    assert len(aws.accepted(servers[0])) == 1


async def test_a_conflict_names_the_job_in_the_way_even_where_it_cannot_be_read(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    servers = aws.servers(RunningJob=True)
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    aws.fault("StartRecovery", Error="ConflictException")
    error = await Attempt(temporal).refused(drs.launch, launch(servers))
    assert error.type == "AccessDenied"
    aws.clear_faults()
    error = await Attempt(temporal).refused(drs.launch, launch(servers))
    assert error.type == "Conflict"
    reason = temporal.told("launch_waits")[-1].reason
    assert "drsjob-" in reason
    assert servers[0].source_server_id in reason


@pytest.mark.parametrize("form", ["z", "offset"])
async def test_the_time_of_acceptance_is_read_from_both_forms_of_a_timestamp(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, form: str
) -> None:
    servers = aws.servers()
    aws.apply(TimestampForm=form)
    result = await Attempt(temporal).run(drs.launch, launch(servers))
    (job,) = aws.client("drs").describe_jobs()["items"]
    created = job["creationDateTime"]
    assert created.endswith("Z") == (form == "z")
    assert result.accepted_time == datetime.fromisoformat(created).timestamp()
