"""Launching against the local AWS: once per launch ID, guarded, resumed, cancelled."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError

from activities import fence
from activities.launch import guard as launch_guard
from activities.launch.launch_activities import LaunchActivities
from aws.drs.client import DrsClient
from aws.drs.models import Job
from aws.targets import TargetClients
from contract.launch import LaunchAnswer, LaunchRequest, LaunchResult
from recovery.execution.server import LaunchStatus
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server, Target
from settings import Settings
from tests.aws_in_process import (
    ACCOUNT,
    REGION,
    TARGET,
    Attempt,
    LocalAws,
    Temporal,
    batch,
    failure_reason,
    launch_activities,
    launch_result,
    postponed_launch,
    until,
)
from tests.gateway import Answer, gateway

LAUNCH_ID = "crm-1/database/1/0"


def launch(servers: Sequence[Server], **fields: Any) -> LaunchRequest:
    return LaunchRequest(
        **{
            "launch_id": LAUNCH_ID,
            "target": TARGET,
            "servers": list(servers),
            "is_drill": True,
            "since": time.time(),
            "wave_workflow_id": "drs-wave/crm-1/database/1",
        }
        | fields
    )


def seconds(delay: timedelta | None) -> float:
    assert delay is not None
    return delay.total_seconds()


async def test_a_launch_gives_each_server_its_job_and_the_time_drs_accepted_it(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers(2)
    before = time.time()
    result = await launch_result(Attempt(temporal), launches, launch(servers))
    (accepted,) = aws.accepted(servers[0])
    assert result.job_id == accepted["JobId"]
    assert result.account_id == ACCOUNT
    assert accepted["Tags"] == {"drs-waves:launch-id": LAUNCH_ID}
    assert [s.recovery_job_id for s in result.servers] == [result.job_id] * 2
    assert [s.launch_status for s in result.servers] == [LaunchStatus.PENDING] * 2
    assert result.accepted_time is not None
    assert before - 0.001 <= result.accepted_time <= time.time()


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
@pytest.mark.parametrize("error", ["AccessDenied", "Throttling", "InternalFailure"])
async def test_a_launch_that_needs_no_account_does_not_wait_for_sts(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, error: str
) -> None:
    servers = aws.servers()
    aws.fault("GetCallerIdentity", Service="sts", Error=error)
    result = await launch_result(Attempt(temporal), launches, launch(servers))
    assert len(aws.accepted(servers[0])) == 1
    assert result.account_id is None


async def test_a_launch_that_needs_no_account_goes_on_while_sts_does_not_answer(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers = aws.servers()
    monkeypatch.setattr("aws.drs.client._ACCOUNT_SECONDS", 0.05)
    aws.fault("GetCallerIdentity", Service="sts", Effect="delay", Seconds=1.0)
    result = await launch_result(Attempt(temporal), launches, launch(servers))
    assert len(aws.accepted(servers[0])) == 1
    assert result.account_id is None


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
@pytest.mark.parametrize(
    "fields", [{"target": TARGET.model_copy(update={"account_id": ACCOUNT})}, {}]
)
async def test_an_unknown_account_that_the_plan_or_the_allow_list_needs_is_not_launched_in(
    aws: LocalAws, fast: Settings, temporal: Temporal, fields: dict[str, Any]
) -> None:
    servers = aws.servers()
    entry = {"AccountIds": ["1*"], "Regions": ["*"]}
    allow_list = None if fields else json.dumps({"Targets": [entry]})
    settings = fast.model_copy(update={"allow_list": allow_list})
    activities = LaunchActivities(TargetClients(settings), settings)
    request = batch(launch(servers, **fields))
    aws.fault("GetCallerIdentity", Service="sts", Error="Throttling")
    error = await Attempt(temporal).run_failing(activities.launch_batch, request)
    assert not error.non_retryable
    assert aws.calls("StartRecovery") == 0
    aws.clear_faults()
    await Attempt(temporal).run(activities.launch_batch, request)
    assert aws.calls("StartRecovery") == 1


@pytest.mark.parametrize("effect", ["answer-lost", "answer-cut"])
async def test_after_a_lost_response_the_job_is_found_and_not_requested_again(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, effect: str
) -> None:
    servers = aws.servers(2)
    request = launch(servers)
    aws.fault("StartRecovery", Effect=effect, Times=1)
    first = Attempt(temporal)
    error = await first.run_failing(launches.launch_batch, batch(request))
    assert (error.type, error.non_retryable) == ("UnclearAnswer", False)
    assert first.heartbeats[-1]["Unanswered"] is True
    result = await launch_result(first.next(), launches, request)
    (accepted,) = aws.accepted(servers[0])
    assert result.job_id == accepted["JobId"]
    assert aws.calls("StartRecovery") == 1


async def test_a_truncated_job_listing_is_not_a_listing_without_our_job(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    attempt = Attempt(temporal)
    await attempt.run_failing(launches.launch_batch, batch(request))
    aws.fault("DescribeJobs", Effect="answer-cut", Times=12)
    result = None
    for _ in range(28):
        attempt = attempt.next()
        with suppress(ApplicationError):
            result = await launch_result(attempt, launches, request)
            break
    assert result is not None
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


async def test_a_call_that_never_arrived_is_sent_again_after_the_search_finds_no_job(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, fast: Settings
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="drop", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    began = time.monotonic()
    result = await launch_result(first.next(), launches, request)
    assert time.monotonic() - began >= fast.absent_after_seconds
    assert result.job_id
    assert len(aws.accepted(servers[0])) == 1
    waiting = temporal.waiting()[-1]
    assert waiting.waiting_for is WaitingFor.LAUNCH
    assert waiting.reason == "Waiting for DRS to show whether it accepted the launch"


async def test_a_job_that_shows_up_late_is_still_found(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    jobs_since, calls = DrsClient.jobs_since, 0

    async def jobs_late(api: DrsClient, moment: float) -> list[Job]:
        nonlocal calls
        calls += 1
        return await jobs_since(api, moment) if calls > 2 else []

    monkeypatch.setattr(DrsClient, "jobs_since", jobs_late)
    result = await launch_result(first.next(), launches, request)
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


@pytest.mark.parametrize("number", [1, 2, 7])
async def test_an_attempt_without_heartbeat_details_adopts_the_existing_job(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, number: int
) -> None:
    servers = aws.servers()
    request = launch(servers)
    first = await launch_result(Attempt(temporal), launches, request)
    again = await launch_result(Attempt(temporal, number=number), launches, request)
    assert again == first
    assert len(aws.accepted(servers[0])) == 1


async def test_a_later_attempt_without_heartbeats_searches_the_job_before_it_calls(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, fast: Settings
) -> None:
    servers = aws.servers()
    began = time.monotonic()
    await launch_result(Attempt(temporal, number=2), launches, launch(servers))
    assert time.monotonic() - began >= fast.absent_after_seconds
    assert len(aws.accepted(servers[0])) == 1


async def test_nothing_is_launched_while_jobs_cannot_be_read(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    attempt = Attempt(temporal, number=2)
    error = await attempt.run_failing(launches.launch_batch, batch(launch(servers)))
    assert (error.type, error.non_retryable) == ("LaunchInDoubt", False)
    assert aws.calls("StartRecovery") == 0


async def test_a_retry_of_the_wave_is_another_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    first = await launch_result(Attempt(temporal), launches, launch(servers))
    aws.pass_time(700)
    again = launch(servers, launch_id="crm-1/database/2/0", requested_time=time.time() + aws.ahead)
    second = await launch_result(Attempt(temporal), launches, again)
    assert first.job_id != second.job_id
    assert len(aws.accepted(servers[0])) == 2


async def test_a_call_that_takes_too_long_to_prepare_is_not_made(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "FENCE_SECONDS", -1.0)
    error = await Attempt(temporal).run_failing(launches.launch_batch, batch(launch(aws.servers())))
    assert not error.non_retryable
    assert "too slowly" in error.message
    assert aws.calls("StartRecovery") == 0


async def test_the_heartbeat_says_that_the_call_may_be_sent_before_it_is(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("StartRecovery", Effect="delay", Seconds=0.3)
    attempt = Attempt(temporal)
    running = asyncio.create_task(launch_result(attempt, launches, launch(aws.servers())))
    await until(lambda: aws.faults_applied() == 1)
    # Temporal may have got any of them, as heartbeats are throttled.
    assert attempt.heartbeats
    assert all(beat["Unanswered"] for beat in attempt.heartbeats)
    await running


async def test_a_launch_cancelled_during_its_call_still_returns_its_job(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    aws.fault("StartRecovery", Effect="delay", Seconds=0.3)
    attempt = Attempt(temporal)
    running = asyncio.create_task(launch_result(attempt, launches, launch(servers)))
    await until(lambda: aws.faults_applied() == 1)
    attempt.environment.cancel()
    result = await running
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]


async def test_a_launch_whose_worker_stops_before_the_call_asks_for_nothing(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeRecoveryInstances", Effect="delay", Seconds=0.3)
    attempt = Attempt(temporal)
    running = asyncio.create_task(launch_result(attempt, launches, launch(aws.servers())))
    await until(lambda: aws.faults_applied() == 1)
    # The next attempt goes on; a cancellation by Temporal is in test_launch_batch.py.
    attempt.environment.cancel(ActivityCancellationDetails(worker_shutdown=True))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert aws.calls("StartRecovery") == 0


async def test_finding_a_withdrawn_launch_never_launches(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = launch(servers)
    assert await Attempt(temporal).run(launches.find_launch, request) is None
    assert aws.calls("StartRecovery") == 0
    started = await launch_result(Attempt(temporal), launches, request)
    found = await Attempt(temporal).run(launches.find_launch, request)
    assert isinstance(found, LaunchResult)
    assert found.job_id == started.job_id
    aws.fault("DescribeJobs", Error="ThrottlingException")
    error = await Attempt(temporal).run_failing(launches.find_launch, request)
    assert not error.non_retryable


async def test_a_server_that_an_adopted_job_lacks_is_not_launched(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    asked, left_out = aws.servers(2)
    job = await launch_result(Attempt(temporal), launches, launch([asked]))
    result = await launch_result(Attempt(temporal), launches, launch([asked, left_out]))
    first, second = result.servers
    assert first.recovery_job_id == job.job_id
    assert second.recovery_job_id is None
    assert second.launch_status is LaunchStatus.FAILED
    assert str(job.job_id) in str(second.reason)


# The guard


async def test_a_drill_waits_for_the_guard_to_become_readable_and_fails_in_the_end(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    request = launch(aws.servers())
    aws.fault("DescribeRecoveryInstances", Error="ThrottlingException")
    first = Attempt(temporal)
    error = await first.run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable
    assert "live instance of a real recovery" in temporal.waiting()[-1].reason
    left = first.heartbeats[-1]

    def after(seconds: float) -> Attempt:
        since = {"GuardUnreadSince": left["GuardUnreadSince"] - seconds}
        return Attempt(temporal, number=2, details=left | since)

    error = await after(100).run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable
    reason = await failure_reason(after(launch_guard.GUARD_SECONDS), launches, request)
    assert reason.startswith("Nothing was launched")
    assert aws.calls("StartRecovery") == 0


async def test_a_recovery_goes_on_waiting_for_a_guard_that_cannot_be_read(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_guard, "GUARD_SECONDS", 0.0)
    servers = aws.servers()
    request = launch(servers, is_drill=False)
    aws.fault("DescribeRecoveryInstances", Error="ThrottlingException", Times=3)
    first = Attempt(temporal)
    error = await first.run_failing(launches.launch_batch, batch(request))
    assert not error.non_retryable
    assert aws.calls("StartRecovery") == 0
    await launch_result(first.next(), launches, request)
    assert aws.accepted(servers[0])[0]["IsDrill"] is False


async def test_a_drill_that_may_not_read_the_guard_fails_at_once(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeRecoveryInstances", Error="AccessDeniedException")
    reason = await failure_reason(Attempt(temporal), launches, launch(aws.servers(2)))
    assert reason.startswith("Nothing was launched")
    assert "AccessDeniedException" in reason
    assert aws.calls("StartRecovery") == 0


async def test_the_guard_is_read_before_each_call_and_not_only_before_the_first(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Error="ThrottlingException", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    aws.apply(
        SourceServers=[
            {"SourceServerId": servers[0].source_server_id, "LiveRecoveryInstance": "RECOVERY"}
        ]
    )
    result = await launch_result(first.next(), launches, request)
    assert result.job_id is None
    assert result.accepted_time is None
    assert "live instance" in str(result.servers[0].reason)
    assert aws.accepted(servers[0]) == []


async def test_the_override_holds_for_the_servers_it_names_only(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    named, other = aws.servers(2, LiveRecoveryInstance="RECOVERY")
    request = launch([named, other], relaunch=[named.source_server_id])
    result = await launch_result(Attempt(temporal), launches, request)
    assert result.servers[0].recovery_job_id == result.job_id
    assert result.servers[1].launch_status is LaunchStatus.FAILED
    assert len(aws.accepted(named)) == 1
    assert aws.accepted(other) == []


# Errors of AWS


async def test_another_account_than_the_plan_names_launches_nothing(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    target = Target(region=REGION, account_id="999999999999")
    request = launch(aws.servers(2), target=target)
    reason = await failure_reason(Attempt(temporal), launches, request)
    assert "999999999999" in reason
    assert ACCOUNT in reason
    assert aws.calls("StartRecovery") == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", "Throttled"),
        ("InternalServerException", "UnclearAnswer"),
    ],
)
async def test_what_can_pass_is_tried_again_by_temporal(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, code: str, kind: str
) -> None:
    aws.fault("StartRecovery", Error=code)
    error = await Attempt(temporal).run_failing(launches.launch_batch, batch(launch(aws.servers())))
    assert (error.type, error.non_retryable) == (kind, False)
    assert seconds(error.next_retry_delay) > 0
    assert code in error.message
    assert aws.calls("StartRecovery") == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ServiceQuotaExceededException", (WaitingFor.QUOTA, "Waiting for quota: StartRecovery")),
        ("ConflictException", (WaitingFor.OTHER_JOB, "Waiting for another job: one with these ")),
    ],
)
async def test_what_a_job_must_end_for_is_postponed(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    code: str,
    reason: tuple[WaitingFor, str],
) -> None:
    aws.fault("StartRecovery", Error=code)
    postponed = await postponed_launch(Attempt(temporal), launches, launch(aws.servers()))
    assert postponed.waiting_for is reason[0]
    assert postponed.reason.startswith(reason[1])
    assert postponed.job_ids == []
    assert aws.calls("StartRecovery") == 1


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        # All, then each: the fault may be one server's.
        ("ValidationException", 3),
        ("AccessDeniedException", 3),
        ("UninitializedAccountException", 1),
    ],
)
async def test_what_cannot_pass_fails_the_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, code: str, calls: int
) -> None:
    aws.fault("StartRecovery", Error=code)
    reason = await failure_reason(Attempt(temporal), launches, launch(aws.servers(2)))
    assert code in reason
    assert aws.calls("StartRecovery") == calls


async def test_a_refused_call_leaves_nothing_to_look_for(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, fast: Settings
) -> None:
    request = launch(aws.servers())
    slow = fast.model_copy(update={"absent_after_seconds": 600.0})
    aws.fault("StartRecovery", Error="ThrottlingException", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    assert first.heartbeats[-1]["Unanswered"] is False
    async with asyncio.timeout(60):
        await launch_result(first.next(), launch_activities(slow), request)


async def test_the_next_try_comes_no_sooner_than_aws_asks(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("StartRecovery", Error="ThrottlingException", RetryAfterSeconds=50)
    error = await Attempt(temporal).run_failing(launches.launch_batch, batch(launch(aws.servers())))
    assert 40 <= seconds(error.next_retry_delay) <= 60


async def test_a_launch_waits_for_an_unreachable_aws(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    request = launch(aws.servers())
    aws.server.stop()
    error = await Attempt(temporal).run_failing(launches.launch_batch, batch(request))
    assert (error.type, error.non_retryable) == ("Unreachable", False)


async def test_the_launcher_is_signalled_once_what_a_launch_waits_for(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    request = launch(aws.servers())
    aws.fault("StartRecovery", Error="ThrottlingException")
    attempt = Attempt(temporal)
    for _ in range(3):
        await attempt.run_failing(launches.launch_batch, batch(request))
        attempt = attempt.next()
    (waiting,) = temporal.waiting()
    assert waiting.launch_id == request.launch_id
    assert waiting.reason.startswith("Waiting for DRS: StartRecovery: ThrottlingException")


async def test_a_launch_does_not_depend_on_its_signals(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    temporal.is_down = True
    aws.fault("StartRecovery", Error="ThrottlingException", Times=1)
    first = Attempt(temporal)
    request = launch(servers)
    assert not (await first.run_failing(launches.launch_batch, batch(request))).non_retryable
    await launch_result(first.next(), launches, request)
    assert len(aws.accepted(servers[0])) == 1


async def test_a_conflict_names_the_blocking_job_once_it_can_be_read(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers(RunningJob=True)
    answer = LaunchAnswer(launch_id=LAUNCH_ID)
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    # An operator who says "launch" is obeyed where DRS's jobs cannot be read.
    request = launch(servers, answer=answer)
    unread = await postponed_launch(Attempt(temporal), launches, request)
    assert "one that cannot be read (DescribeJobs: AccessDeniedException" in unread.reason
    assert unread.job_ids == []
    aws.clear_faults()
    read = await postponed_launch(Attempt(temporal), launches, request)
    assert [unread.waiting_for, read.waiting_for] == [WaitingFor.OTHER_JOB] * 2
    (job_id,) = read.job_ids
    assert job_id in read.reason
    assert servers[0].source_server_id in read.reason


@pytest.mark.parametrize("runs", ["", "crm-2"])
async def test_a_launch_of_an_execution_that_has_ended_is_not_sent(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, runs: str
) -> None:
    servers = aws.servers(2)
    temporal.plan_runs = runs
    reason = await failure_reason(Attempt(temporal), launches, launch(servers))
    assert reason == "not launched: the workflow of its plan is no longer open in Temporal"
    assert aws.accepted(servers[0]) == []


async def test_a_job_that_an_ended_execution_has_is_still_found(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    before = await launch_result(Attempt(temporal), launches, launch(servers))
    temporal.plan_runs = ""
    after = await launch_result(Attempt(temporal), launches, launch(servers, possibly_sent=True))
    assert after.job_id == before.job_id


async def test_a_launch_waits_while_temporal_does_not_say_whether_its_plan_is_open(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    temporal.plan_runs = None
    first = Attempt(temporal)
    error = await first.run_failing(launches.launch_batch, batch(launch(servers)))
    assert not error.non_retryable
    assert aws.accepted(servers[0]) == []
    temporal.plan_runs = "crm-1"
    await launch_result(first.next(), launches, launch(servers))
    assert len(aws.accepted(servers[0])) == 1


async def test_a_launch_fails_if_jobs_may_not_be_read(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    reason = await failure_reason(Attempt(temporal), launches, launch(aws.servers()))
    assert "DescribeJobs: AccessDeniedException" in reason
    assert aws.calls("StartRecovery") == 0


@pytest.mark.parametrize("form", ["z", "offset"])
async def test_the_time_of_acceptance_is_read_from_both_forms_of_a_timestamp(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, form: str
) -> None:
    servers = aws.servers()
    aws.apply(TimestampForm=form)
    result = await launch_result(Attempt(temporal), launches, launch(servers))
    (job,) = aws.client("drs").describe_jobs()["items"]
    created = job["creationDateTime"]
    assert created.endswith("Z") == (form == "z")
    assert result.accepted_time == datetime.fromisoformat(created).timestamp()


# Jobs of an unknown form


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
