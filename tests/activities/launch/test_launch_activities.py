"""Several launches in one job: each has its own result, and none is harmed by another."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from temporalio.service import RPCStatusCode

from activities.launch import launch_activities
from activities.launch.launch_activities import LaunchActivities
from aws.targets import TargetClients
from contract.launch import (
    BatchResult,
    LaunchAnswer,
    LaunchesSettled,
    LaunchRequest,
    LaunchResult,
    QueueLaunches,
    SendResults,
    WaveLaunches,
    settled_by_wave,
)
from recovery.execution.server import LaunchStatus
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server
from settings import Settings
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal, batch, until


def wave(name: str, servers: Sequence[Server], **fields: Any) -> LaunchRequest:
    """What a wave asks for."""
    return launch(
        servers,
        **{"launch_id": f"{name}-1/{name}/1/0", "wave_workflow_id": f"drs-wave/{name}"} | fields,
    )


def by_launch(result: BatchResult) -> dict[str, LaunchResult]:
    """The results by launch ID, in their order."""
    return {each.launch_id: each for each in result.results}


def foreign_job(aws: LocalAws, *servers: Server) -> str:
    """An untagged drill that another client starts in the console."""
    asked = [{"sourceServerID": s.source_server_id} for s in servers]
    answer = aws.client("drs").start_recovery(sourceServers=asked, isDrill=True)
    return str(answer["job"]["jobID"])


async def test_waves_share_a_job_and_each_launch_has_the_results_of_its_own_servers(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(2)), wave("erp", aws.servers(3))
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    (accepted,) = aws.accepted(crm.servers[0])
    assert len(accepted["SourceServerIds"]) == 5
    assert set(accepted["Tags"].values()) == {crm.launch_id, erp.launch_id}
    assert list(by_launch(result)) == [crm.launch_id, erp.launch_id]
    assert (result.job_id, result.in_doubt) == (accepted["JobId"], False)
    for request in (crm, erp):
        servers = by_launch(result)[request.launch_id].servers
        assert tuple(s.source_server_id for s in servers) == request.server_ids
        assert {s.recovery_job_id for s in servers} == {accepted["JobId"]}
    # The waves hear of it from the batch, and the launcher need not tell them.
    assert result.sent_to == [crm.wave_workflow_id, erp.wave_workflow_id]
    heard = temporal.sent("launches_settled")
    assert [each for settled in heard for each in settled.results] == result.results


async def test_a_wave_hears_from_a_batch_only_what_its_next_attempt_would_say_too(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    good, gone = (
        wave("crm", aws.servers(1)),
        wave("erp", [Server(source_server_id="s-" + "9" * 17)]),
    )
    result = await Attempt(temporal).run(launches.launch_batch, batch(good, gone))
    assert by_launch(result)[gone.launch_id].servers[0].launch_status is LaunchStatus.FAILED
    assert result.sent_to == [good.wave_workflow_id]
    (heard,) = temporal.sent("launches_settled")
    assert [each.launch_id for each in heard.results] == [good.launch_id]


async def test_a_wave_that_could_not_be_told_is_left_to_the_launcher(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    request = wave("crm", aws.servers(1))
    temporal.is_down = True
    result = await Attempt(temporal).run(launches.launch_batch, batch(request))
    assert (len(result.results), result.sent_to) == (1, [])


async def test_a_wave_that_has_not_started_gets_its_results_when_it_has(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch_activities, "_FIRST_PAUSE_SECONDS", 0.01)
    request = wave("crm", aws.servers(1), by_plan=True)
    not_found = RPCStatusCode.NOT_FOUND
    temporal.refuses = {"launches_settled": [not_found, not_found, RPCStatusCode.UNAVAILABLE]}
    result = await Attempt(temporal).run(launches.launch_batch, batch(request))
    assert (len(result.results), result.sent_to) == (1, [])
    settled = settled_by_wave(result.results, {request.launch_id: request})
    await Attempt(temporal).run(launches.send_results, SendResults(settled=settled))
    (heard,) = temporal.sent("launches_settled")
    assert heard.results == result.results


async def test_a_wave_that_never_starts_gets_its_results_only_for_a_while(
    launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_activities, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(launch_activities, "_COMING_SECONDS", 0.1)
    temporal.refuses = {"launches_settled": [RPCStatusCode.NOT_FOUND] * 1000}
    late = SendResults(settled={"drs-wave/crm": LaunchesSettled()})
    await Attempt(temporal).run(launches.send_results, late)
    assert temporal.sent("launches_settled") == []


async def test_launches_of_several_targets_are_not_queued_with_the_role_of_one(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    other = TARGET.model_copy(update={"role_arn": "arn:aws:iam::123456789012:role/other"})
    each = [wave("crm", aws.servers(1)), wave("erp", aws.servers(1), target=other)]
    for requests in (each, []):
        waves = [WaveLaunches(requests=requests, launch_before=time.time() + 60)]
        queue = QueueLaunches(waves=waves)
        failed = await Attempt(temporal).run_failing(launches.queue_launches, queue)
        assert failed.non_retryable
    assert temporal.started == []


@pytest.mark.parametrize("effect", ["answer-lost", "answer-cut"])
async def test_after_a_lost_response_each_launch_finds_the_shared_job(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, effect: str
) -> None:
    request = batch(wave("crm", aws.servers(2)), wave("erp", aws.servers(1)))
    aws.fault("StartRecovery", Effect=effect, Times=1)
    first = Attempt(temporal)
    await first.run_failing(launches.launch_batch, request)
    result = await first.next().run(launches.launch_batch, request)
    assert len(result.results) == 2
    assert aws.calls("StartRecovery") == 1


async def test_a_launch_of_a_lost_batch_finds_its_job_also_alone(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    await Attempt(temporal).run_failing(launches.launch_batch, batch(crm, erp))
    unsure = erp.model_copy(update={"possibly_sent": True})
    result = await Attempt(temporal).run(launches.launch_batch, batch(unsure))
    assert list(by_launch(result)) == [erp.launch_id]
    assert len(aws.accepted(erp.servers[0])) == 1


async def test_a_server_in_a_job_of_others_holds_back_only_its_own_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    theirs = foreign_job(aws, *erp.servers)
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    assert list(by_launch(result)) == [crm.launch_id]
    (postponed,) = result.postponed
    assert (postponed.launch_id, postponed.job_ids) == (erp.launch_id, [theirs])
    assert postponed.waiting_for is WaitingFor.OTHER_JOB
    assert theirs in postponed.reason
    assert aws.calls("StartRecovery") == 2


async def test_a_job_of_others_that_begins_meanwhile_holds_back_only_its_own_launch(
    aws: LocalAws, temporal: Temporal, fast: Settings
) -> None:
    clients = TargetClients(fast)
    launches = LaunchActivities(clients, fast)
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    request = batch(crm, erp)
    # What is listed is from before their job.
    await clients.poller(TARGET).listed(0.0)
    theirs = foreign_job(aws, *erp.servers)
    request.jobs_read_after -= 60
    result = await Attempt(temporal).run(launches.launch_batch, request)
    assert list(by_launch(result)) == [crm.launch_id]
    assert [(p.launch_id, p.job_ids) for p in result.postponed] == [(erp.launch_id, [theirs])]
    assert len(aws.accepted(crm.servers[0])) == 1


async def test_a_server_that_drs_does_not_know_fails_alone(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    unknown = Server(source_server_id="s-fffffffffffffffff")
    crm, erp = wave("crm", [*aws.servers(1), unknown]), wave("erp", aws.servers(1))
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    assert len(result.results) == 2
    up, failed = by_launch(result)[crm.launch_id].servers
    assert up.recovery_job_id == result.job_id
    assert failed.launch_status is LaunchStatus.FAILED


async def test_a_batch_that_is_refused_for_an_unnamed_launch_is_to_be_split(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    aws.fault("StartRecovery", Error="ValidationException", Mentions=[erp.server_ids[0]])
    both = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    assert (both.split, both.results, both.in_doubt) == (True, [], False)
    (up,) = (await Attempt(temporal).run(launches.launch_batch, batch(crm))).results
    assert up.job_id is not None
    (down,) = (await Attempt(temporal).run(launches.launch_batch, batch(erp))).results
    assert down.launch_id == erp.launch_id
    (failed,) = down.servers
    assert failed.launch_status is LaunchStatus.FAILED
    assert "ValidationException" in (failed.reason or "")


async def test_a_quota_that_is_reached_postpones_all(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    aws.fault("StartRecovery", Error="ServiceQuotaExceededException")
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    assert {p.launch_id for p in result.postponed} == {crm.launch_id, erp.launch_id}
    assert {p.waiting_for for p in result.postponed} == {WaitingFor.QUOTA}
    assert all(p.reason.startswith("Waiting for quota") for p in result.postponed)
    assert not result.in_doubt


async def test_what_a_batch_waits_for_is_signalled_once_for_each_wave(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm = [wave("crm", aws.servers(1), launch_id=f"crm-1/crm/1/{number}") for number in range(2)]
    request = batch(*crm, wave("erp", aws.servers(1)))
    aws.fault("StartRecovery", Error="ThrottlingException")
    temporal.is_down = True
    attempt = Attempt(temporal)
    await attempt.run_failing(launches.launch_batch, request)
    temporal.is_down = False
    for _ in range(2):
        attempt = attempt.next()
        await attempt.run_failing(launches.launch_batch, request)
    (progress,) = temporal.sent("batch_progress")
    assert [w.launch_id for w in progress.waiting] == ["crm-1/crm/1/0", "erp-1/erp/1/0"]
    assert {w.waiting_for for w in progress.waiting} == {WaitingFor.LAUNCH}
    assert not progress.uses_quota


async def test_what_an_operator_must_decide_is_signalled_for_each_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    parts = [
        wave("crm", aws.servers(1), launch_id=f"crm-1/crm/1/{number}", possibly_sent=True)
        for number in range(2)
    ]
    job_id = foreign_job(aws, *parts[0].servers, *parts[1].servers)
    error = await Attempt(temporal).run_failing(launches.launch_batch, batch(*parts))
    assert error.type == "LaunchInDoubt"
    searching, decided = temporal.sent("batch_progress")
    assert (searching.uses_quota, decided.uses_quota) == (True, False)
    decisions = decided.waiting
    assert [w.launch_id for w in decisions] == [part.launch_id for part in parts]
    assert {w.waiting_for for w in decisions} == {WaitingFor.LAUNCH_DECISION}
    assert all(job_id in w.reason for w in decisions)


async def test_a_launch_stays_in_doubt_while_another_finds_its_job(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm, erp = (wave(name, aws.servers(1), possibly_sent=True) for name in ("crm", "erp"))
    accepted = await Attempt(temporal).run(launches.launch_batch, batch(crm))
    # It may be of an earlier call for the second one; an operator must say so.
    foreign_job(aws, *erp.servers)
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    assert (list(by_launch(result)), result.job_id) == ([crm.launch_id], accepted.job_id)
    assert (result.postponed, result.in_doubt) == ([], True)


async def test_a_launch_in_doubt_does_not_hold_back_another(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    unsure = {"possibly_sent": True}
    crm, erp = wave("crm", aws.servers(1), **unsure), wave("erp", aws.servers(1), **unsure)
    foreign_job(aws, *crm.servers)
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    assert list(by_launch(result)) == [erp.launch_id]
    assert (result.postponed, result.in_doubt) == ([], True)
    assert len(aws.accepted(crm.servers[0])) == 1


async def test_an_operators_answer_counts_for_the_launch_it_names_only(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    first, second = (
        wave("crm", aws.servers(1), launch_id=f"crm-1/crm/1/{number}", possibly_sent=True)
        for number in range(2)
    )
    job_id = foreign_job(aws, *first.servers, *second.servers)
    answer = LaunchAnswer(launch_id=first.launch_id, job_id=job_id)
    answered = first.model_copy(update={"answer": answer})
    result = await Attempt(temporal).run(launches.launch_batch, batch(answered))
    assert (list(by_launch(result)), result.job_id) == ([first.launch_id], job_id)
    # The job does not belong to the other launch, whose servers are in a foreign job.
    other = await Attempt(temporal).run(launches.launch_batch, batch(second))
    assert (other.job_id, other.results) == (None, [])
    assert [(p.launch_id, p.job_ids) for p in other.postponed] == [(second.launch_id, [job_id])]
    assert aws.calls("StartRecovery") == 1


# One that has its job keeps it, whatever becomes of the others


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("DescribeRecoveryInstances", "AccessDeniedException"),
        ("StartRecovery", "ValidationException"),
    ],
)
async def test_a_launch_that_has_its_job_does_not_fail_with_another(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, operation: str, error: str
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    accepted = await Attempt(temporal).run(launches.launch_batch, batch(crm))
    aws.fault(operation, Error=error)
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    up, down = result.results
    assert (up.launch_id, up.job_id) == (crm.launch_id, accepted.job_id)
    assert [s.launch_status for s in up.servers] == [LaunchStatus.PENDING]
    assert (down.launch_id, down.job_id) == (erp.launch_id, None)
    assert error in str(down.servers[0].reason)


async def test_a_postponed_launch_does_not_fail_with_another(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    foreign_job(aws, *crm.servers)
    aws.fault("StartRecovery", Error="ValidationException")
    result = await Attempt(temporal).run(launches.launch_batch, batch(crm, erp))
    assert list(by_launch(result)) == [erp.launch_id]
    assert [p.launch_id for p in result.postponed] == [crm.launch_id]


async def test_a_server_that_is_taken_over_does_not_fail_with_the_rest_of_its_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    crm = wave("crm", aws.servers(2))
    theirs = foreign_job(aws, crm.servers[0])
    aws.pass_time(700)
    aws.fault("StartRecovery", Error="ValidationException")
    (result,) = (await Attempt(temporal).run(launches.launch_batch, batch(crm))).results
    taken_over, failed = result.servers
    assert (taken_over.recovery_job_id, taken_over.taken_over) == (theirs, True)
    assert failed.launch_status is LaunchStatus.FAILED


async def test_a_batch_cancelled_before_its_call_says_that_nothing_is_in_doubt(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeRecoveryInstances", Effect="delay", Seconds=0.5)
    attempt = Attempt(temporal)
    request = batch(wave("crm", aws.servers(1)))
    running = asyncio.create_task(attempt.run(launches.launch_batch, request))
    await until(aws.faults_applied)
    attempt.environment.cancel()
    aws.clear_faults()
    result = await running
    assert (result.results, result.in_doubt) == ([], False)
    assert aws.calls("StartRecovery") == 0


async def test_a_batch_cancelled_during_its_search_is_in_doubt(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    attempt = Attempt(temporal)
    request = batch(wave("crm", aws.servers(1), possibly_sent=True))
    running = asyncio.create_task(attempt.run(launches.launch_batch, request))
    await until(temporal.waiting)
    attempt.environment.cancel()
    result = await running
    assert (result.results, result.in_doubt) == ([], True)
    assert aws.calls("StartRecovery") == 0
