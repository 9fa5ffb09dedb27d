"""Several launches in one job: each has its own result, and none is harmed by another."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from activities.launch.drs_activities import DrsActivities
from temporalio import activity

from contract.launch import LaunchAnswer, LaunchRequest, LaunchResult, PackAnswer, PackRequest
from recovery.execution.server import LaunchStatus
from recovery.plan.model import Server
from tests.activities.conftest import Attempt, LocalAws, Temporal, until
from tests.activities.test_launch import launch


def wave(name: str, servers: Sequence[Server], **fields: Any) -> LaunchRequest:
    """What a wave wants."""
    return launch(
        servers,
        **{"launch_id": f"{name}-1/{name}/1/0", "wave_workflow_id": f"drs-wave/{name}"} | fields,
    )


def pack(*requests: LaunchRequest) -> PackRequest:
    return PackRequest(requests=list(requests), seen_time=time.time())


def results(temporal: Temporal) -> dict[str, LaunchResult]:
    """What waves were told, by launch ID."""
    told = temporal.told("launch_settled")
    return {result.launch_id: result for news in told for result in news.results}


async def test_waves_share_a_job_and_each_is_told_of_its_own_servers(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(2)), wave("erp", aws.servers(3))
    answer = await Attempt(temporal).run(drs.launch_pack, pack(crm, erp))
    (accepted,) = aws.accepted(crm.servers[0])
    assert len(accepted["SourceServerIds"]) == 5
    assert set(accepted["Tags"].values()) == {crm.launch_id, erp.launch_id}
    assert answer.settled == [crm.launch_id, erp.launch_id]
    assert (answer.job_id, answer.in_doubt) == (accepted["JobId"], False)
    told = results(temporal)
    for request in (crm, erp):
        servers = told[request.launch_id].servers
        assert tuple(s.source_server_id for s in servers) == request.server_ids
        assert {s.recovery_job_id for s in servers} == {accepted["JobId"]}


@pytest.mark.parametrize("effect", ["answer-lost", "answer-cut"])
async def test_after_a_lost_answer_each_finds_the_shared_job(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, effect: str
) -> None:
    request = pack(wave("crm", aws.servers(2)), wave("erp", aws.servers(1)))
    aws.fault("StartRecovery", Effect=effect, Times=1)
    first = Attempt(temporal)
    await first.refused(drs.launch_pack, request)
    again = Attempt(temporal, number=2, details=first.heartbeats[-1])
    answer = await again.run(drs.launch_pack, request)
    assert len(answer.settled) == 2
    assert aws.calls("StartRecovery") == 1


async def test_a_launch_of_a_lost_pack_finds_its_job_also_alone(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    aws.fault("StartRecovery", Effect="answer-lost", Times=1)
    await Attempt(temporal).refused(drs.launch_pack, pack(crm, erp))
    unsure = erp.model_copy(update={"maybe_asked": True})
    answer = await Attempt(temporal).run(drs.launch_pack, pack(unsure))
    assert answer.settled == [erp.launch_id]
    assert len(aws.accepted(erp.servers[0])) == 1


async def test_a_server_in_a_job_of_others_holds_back_only_its_own_wave(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    theirs = aws.client("drs").start_recovery(
        sourceServers=[{"sourceServerID": erp.server_ids[0]}], isDrill=True
    )["job"]["jobID"]
    answer = await Attempt(temporal).run(drs.launch_pack, pack(crm, erp))
    assert answer.settled == [crm.launch_id]
    (waits,) = answer.postponed
    assert (waits.launch_id, waits.job_ids) == (erp.launch_id, [theirs])
    (told,) = temporal.told("launch_waits")
    assert theirs in told.reason
    assert aws.calls("StartRecovery") == 2


async def test_a_job_of_others_that_begins_meanwhile_holds_back_only_its_own_wave(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    request = pack(crm, erp)
    # What is listed is from before their job.
    await drs._poller_of(crm.target).listed(0.0)
    aws.client("drs").start_recovery(
        sourceServers=[{"sourceServerID": erp.server_ids[0]}], isDrill=True
    )
    request.seen_time -= 60
    answer = await Attempt(temporal).run(drs.launch_pack, request)
    assert answer.settled == [crm.launch_id]
    assert [p.launch_id for p in answer.postponed] == [erp.launch_id]
    assert len(aws.accepted(crm.servers[0])) == 1


async def test_a_server_that_drs_does_not_know_fails_alone(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    unknown = Server(source_server_id="s-fffffffffffffffff")
    crm, erp = wave("crm", [*aws.servers(1), unknown]), wave("erp", aws.servers(1))
    answer = await Attempt(temporal).run(drs.launch_pack, pack(crm, erp))
    assert len(answer.settled) == 2
    up, failed = results(temporal)[crm.launch_id].servers
    assert up.recovery_job_id == answer.job_id
    assert failed.launch_status is LaunchStatus.FAILED


async def test_what_makes_the_call_fail_unnamed_is_looked_for_by_dividing(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    aws.fault("StartRecovery", Error="ValidationException", Mentions=[erp.server_ids[0]])
    both = await Attempt(temporal).run(drs.launch_pack, pack(crm, erp))
    assert (both.divide, both.settled, both.in_doubt) == (True, [], False)
    for request in (crm, erp):
        alone = await Attempt(temporal).run(drs.launch_pack, pack(request))
        assert alone.settled == [request.launch_id]
    told = results(temporal)
    assert told[crm.launch_id].job_id is not None
    (failed,) = told[erp.launch_id].servers
    assert failed.launch_status is LaunchStatus.FAILED
    assert "ValidationException" in (failed.reason or "")


async def test_a_quota_that_is_reached_postpones_all(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    crm, erp = wave("crm", aws.servers(1)), wave("erp", aws.servers(1))
    aws.fault("StartRecovery", Error="ServiceQuotaExceededException")
    answer = await Attempt(temporal).run(drs.launch_pack, pack(crm, erp))
    assert {p.launch_id for p in answer.postponed} == {crm.launch_id, erp.launch_id}
    assert all(p.reason.startswith("Waiting for quota") for p in answer.postponed)
    assert not answer.in_doubt


async def test_an_answer_that_waves_do_not_take_is_told_again_without_a_second_job(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    request = pack(wave("crm", aws.servers(1)), wave("erp", aws.servers(1)))
    temporal.is_down = True
    first = Attempt(temporal)
    await first.refused(drs.launch_pack, request)
    temporal.is_down = False
    again = Attempt(temporal, number=2, details=first.heartbeats[-1])
    answer = await again.run(drs.launch_pack, request)
    assert len(answer.settled) == len(results(temporal)) == 2
    assert aws.calls("StartRecovery") == 1


async def test_an_operators_answer_counts_for_all_launches_of_a_wave(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    first, second = aws.servers(1), aws.servers(1)
    job_id = aws.client("drs").start_recovery(
        sourceServers=[{"sourceServerID": s.source_server_id} for s in [*first, *second]],
        isDrill=True,
    )["job"]["jobID"]
    answered = {"answer": LaunchAnswer(job_id=job_id), "maybe_asked": True}
    parts = [
        wave("crm", servers, launch_id=f"crm-1/crm/1/{number}", **answered)
        for number, servers in enumerate((first, second))
    ]
    answer = await Attempt(temporal).run(drs.launch_pack, pack(*parts))
    assert (len(answer.settled), answer.job_id) == (2, job_id)
    assert aws.calls("StartRecovery") == 1


async def test_what_is_called_off_before_the_call_says_that_nothing_is_in_doubt(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.fault("DescribeRecoveryInstances", Effect="delay", Seconds=0.5)
    attempt = Attempt(temporal)
    request = pack(wave("crm", aws.servers(1)))
    running = asyncio.create_task(attempt.run(drs.launch_pack, request))
    await until(aws.struck)
    details = activity.ActivityCancellationDetails(cancel_requested=True)
    attempt.environment.cancel(details)
    aws.clear_faults()
    answer = await running
    assert isinstance(answer, PackAnswer)
    assert (answer.settled, answer.in_doubt) == ([], False)
    assert aws.calls("StartRecovery") == 0
