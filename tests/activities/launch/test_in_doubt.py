"""Launches whose job DRS may have or not have, and jobs of others in the way."""

import time
from collections.abc import Callable

import pytest
from temporalio.exceptions import ApplicationError

from activities.launch.launch_activities import LaunchActivities
from aws.drs.client import DrsClient
from aws.drs.models import Job
from contract.launch import LaunchAnswer, LaunchRequest
from recovery.execution.server import LaunchStatus
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server
from settings import Settings
from tests.activities.launch.test_attempt import LAUNCH_ID, launch
from tests.aws_in_process import (
    Attempt,
    LocalAws,
    Temporal,
    batch,
    launch_result,
    postponed_launch,
)

LAUNCH = LaunchAnswer(launch_id=LAUNCH_ID)


def foreign_job(aws: LocalAws, *servers: Server, is_drill: bool = True) -> str:
    """A job that another client starts in the console, without tags."""
    asked = [{"sourceServerID": s.source_server_id} for s in servers]
    answer = aws.client("drs").start_recovery(sourceServers=asked, isDrill=is_drill)
    return str(answer["job"]["jobID"])


async def in_doubt(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, request: LaunchRequest
) -> ApplicationError:
    """Launch with a dropped call, and search the job without success."""
    aws.fault("StartRecovery", Effect="drop", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    if request.is_drill:
        foreign_job(aws, *request.servers)
    second = first.next()
    error = await second.run_failing(launches.launch_batch, batch(request))
    assert second.heartbeats[-1]["Unanswered"] is True
    return error


def answered(request: LaunchRequest, answer: LaunchAnswer) -> LaunchRequest:
    return request.model_copy(update={"answer": answer})


async def test_an_untagged_job_that_matches_launches_nothing_and_asks_the_operator(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers(2)
    error = await in_doubt(aws, launches, temporal, launch(servers))
    assert (error.type, error.non_retryable) == ("LaunchInDoubt", False)
    waiting = temporal.waiting()[-1]
    assert waiting.waiting_for is WaitingFor.LAUNCH_DECISION
    assert waiting.launch_id == LAUNCH_ID
    (job,) = aws.client("drs").describe_jobs()["items"]
    for fact in (job["jobID"], "untagged", servers[0].source_server_id, "adopt-job", "UTC"):
        assert fact in waiting.reason
    assert len(aws.accepted(servers[0])) == 1


async def test_an_operator_adopts_the_job_that_matches(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers(2)
    request = launch(servers)
    await in_doubt(aws, launches, temporal, request)
    (job,) = aws.client("drs").describe_jobs()["items"]
    adopt = answered(request, LaunchAnswer(launch_id=LAUNCH_ID, job_id=job["jobID"]))
    result = await launch_result(Attempt(temporal), launches, adopt)
    assert result.job_id == job["jobID"]
    assert [s.recovery_job_id for s in result.servers] == [job["jobID"]] * 2
    assert not any(s.taken_over for s in result.servers)
    assert len(aws.accepted(servers[0])) == 1


@pytest.mark.parametrize("wrong", ["unknown", "of other servers", "of the other mode"])
async def test_a_job_that_cannot_be_the_launchs_is_not_adopted(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, wrong: str
) -> None:
    servers, others = aws.servers(2), aws.servers(1)
    jobs: dict[str, Callable[[], str]] = {
        "unknown": lambda: "drsjob-00000000000000000",
        "of other servers": lambda: foreign_job(aws, *others),
        "of the other mode": lambda: foreign_job(aws, *servers, is_drill=False),
    }
    request = launch(servers)
    adopt = answered(request, LaunchAnswer(launch_id=LAUNCH_ID, job_id=jobs[wrong]()))
    before = aws.calls("StartRecovery")
    error = await Attempt(temporal).run_failing(launches.launch_batch, batch(adopt))
    assert error.type == "LaunchInDoubt"
    assert "cannot be adopted" in temporal.waiting()[-1].reason
    assert aws.calls("StartRecovery") == before


async def test_after_launch_anyway_servers_are_launched_once_no_job_holds_them(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers(1, Outcome="failed-early")
    request = launch(servers)
    await in_doubt(aws, launches, temporal, request)
    aws.pass_time(600)
    result = await launch_result(Attempt(temporal), launches, answered(request, LAUNCH))
    first, second = aws.accepted(servers[0])
    assert result.job_id == second["JobId"] != first["JobId"]


async def test_while_jobs_cannot_be_read_only_an_operators_answer_launches(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="drop", Times=1)
    await (first := Attempt(temporal)).run_failing(launches.launch_batch, batch(request))
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    second = first.next()
    error = await second.run_failing(launches.launch_batch, batch(request))
    assert error.type == "LaunchInDoubt"
    assert "DescribeJobs" in temporal.waiting()[-1].reason
    assert aws.calls("StartRecovery") == 1
    signals = len(temporal.signals)
    third = second.next()
    assert (await third.run_failing(launches.launch_batch, batch(request))).type == "LaunchInDoubt"
    assert len(temporal.signals) == signals
    result = await launch_result(Attempt(temporal), launches, answered(request, LAUNCH))
    assert result.job_id
    assert len(aws.accepted(servers[0])) == 1


async def test_an_answer_holds_for_one_unanswered_call_only(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    request = answered(launch(servers), LAUNCH)
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    for details in (first.heartbeats[-1], None):
        result = await launch_result(
            Attempt(temporal, number=2, details=details), launches, request
        )
        assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


async def test_a_job_whose_tags_describe_jobs_leaves_out_is_still_known_by_them(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    jobs_since = DrsClient.jobs_since

    async def stripped(api: DrsClient, moment: float) -> list[Job]:
        return [j.model_copy(update={"tags": {}}) for j in await jobs_since(api, moment)]

    monkeypatch.setattr(DrsClient, "jobs_since", stripped)
    second = first.next()
    result = await launch_result(second, launches, request)
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


async def test_an_attempt_that_was_replaced_asks_for_nothing(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    temporal.replaced = True
    error = await Attempt(temporal).run_failing(launches.launch_batch, batch(launch(aws.servers())))
    assert not error.non_retryable
    assert "Temporal did not confirm" in error.message
    assert aws.calls("StartRecovery") == 0


async def test_a_run_after_a_reset_looks_for_the_job_of_the_run_before(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, fast: Settings
) -> None:
    began = time.monotonic()
    request = launch(aws.servers()).model_copy(update={"possibly_sent": True})
    await launch_result(Attempt(temporal), launches, request)
    assert time.monotonic() - began >= fast.absent_after_seconds


async def test_a_clock_that_jumps_does_not_shorten_the_search(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    fast: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers = aws.servers()
    request = launch(servers)
    aws.fault("StartRecovery", Effect="drop", Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, batch(request))
    began, really = time.monotonic(), time.time
    monkeypatch.setattr("time.time", lambda: really() + 7200)
    second = first.next()
    await launch_result(second, launches, request)
    assert time.monotonic() - began >= fast.absent_after_seconds
    assert len(aws.accepted(servers[0])) == 1


# Jobs of others


async def test_a_blocking_job_is_named_and_waited_for_without_a_decision(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    held, free = aws.servers(2)
    job_id = foreign_job(aws, held)
    before = aws.calls("StartRecovery")
    postponed = await postponed_launch(Attempt(temporal), launches, launch([held, free]))
    assert (postponed.waiting_for, postponed.job_ids) == (WaitingFor.OTHER_JOB, [job_id])
    assert f"{job_id} (START_DRILL) has {held.source_server_id}" in postponed.reason
    assert aws.calls("StartRecovery") == before


async def test_what_a_blocking_job_launched_is_taken_over_and_the_rest_is_launched(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    held, broken, free = [*aws.servers(1), *aws.servers(1, Outcome="failed-early"), *aws.servers(1)]
    request = launch([held, broken, free])
    job_id = foreign_job(aws, held, broken)
    await postponed_launch(Attempt(temporal), launches, request)
    aws.pass_time(700)
    result = await launch_result(Attempt(temporal), launches, request)
    taken, *launched = result.servers
    assert (taken.recovery_job_id, taken.taken_over) == (job_id, True)
    assert {s.recovery_job_id for s in launched} == {result.job_id} != {job_id}
    assert not any(s.taken_over for s in launched)
    assert [len(aws.accepted(s)) for s in (held, broken, free)] == [1, 2, 1]


async def test_a_drills_job_that_blocks_a_recovery_is_waited_for_and_never_taken_over(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    job_id = foreign_job(aws, *servers)
    request = launch(servers, is_drill=False)
    await postponed_launch(Attempt(temporal), launches, request)
    aws.pass_time(700)
    result = await launch_result(Attempt(temporal), launches, request)
    assert result.job_id != job_id
    assert [a["IsDrill"] for a in aws.accepted(servers[0])] == [True, False]


async def test_all_of_a_wave_taken_over_needs_no_job_of_its_own(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers(2)
    request = launch(servers)
    job_id = foreign_job(aws, *servers)
    aws.pass_time(700)
    result = await launch_result(Attempt(temporal), launches, request)
    assert result.job_id is None
    assert result.accepted_time is not None
    assert [s.recovery_job_id for s in result.servers] == [job_id] * 2
    assert all(s.launch_status is LaunchStatus.PENDING for s in result.servers)


async def test_what_ended_before_the_request_is_launched_again(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers()
    job_id = foreign_job(aws, *servers)
    aws.pass_time(700)
    request = launch(servers, requested_time=time.time() + 600)
    result = await launch_result(Attempt(temporal), launches, request)
    assert result.job_id != job_id
    assert len(aws.accepted(servers[0])) == 2


async def test_an_attempt_that_was_replaced_asks_no_operator(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    temporal.replaced = True
    second = Attempt(temporal, number=2)
    error = await second.run_failing(launches.launch_batch, batch(launch(aws.servers())))
    assert "Temporal did not confirm" in error.message
    assert WaitingFor.LAUNCH_DECISION not in {each.waiting_for for each in temporal.waiting()}
