"""Reading which jobs run: at once, after launches have gathered, or once the jobs have changed."""

import asyncio
import time

import pytest

from activities.watch.watch_activities import WatchActivities
from aws.drs.client import DrsClient
from aws.sessions import AwsSessions
from contract.launch import RunningJobsRequest
from recovery.launch.admission import Quotas
from settings import Settings
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal


async def started(aws: LocalAws, servers: int = 1) -> str:
    """A job in progress."""
    job = await DrsClient(AwsSessions(), TARGET).start_recovery(
        aws.servers(servers), is_drill=True, launch_ids=["crm-1/db/1/1"], not_after=float("inf")
    )
    return job.job_id


async def test_running_jobs_are_read_with_their_servers_and_the_quotas(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal, fast: Settings
) -> None:
    job_id = await started(aws, servers=3)
    aws.apply(Quotas={"JobsInProgress": 7, "ServersInAllJobs": 200, "ServersInJob": 50})
    before = time.time()
    found = await Attempt(temporal).run(
        watches.read_running_jobs, RunningJobsRequest(target=TARGET, accepted=[job_id, "drsjob-x"])
    )
    assert (found.jobs, found.listed) == ({job_id: 3}, [job_id])
    assert found.quotas == Quotas(jobs=7, servers=200, servers_per_job=50)
    assert found.poll_seconds == fast.scaled_poll_seconds
    assert before <= found.time <= time.time()


async def test_a_change_of_the_running_jobs_is_returned(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    job_id = await started(aws)
    none_ran = RunningJobsRequest(target=TARGET, seen=[])
    found = await Attempt(temporal).run(watches.read_running_jobs, none_ran)
    assert found.jobs == {job_id: 1}
    aws.pass_time(7200)
    one_ran = RunningJobsRequest(target=TARGET, seen=[job_id])
    assert (await Attempt(temporal).run(watches.read_running_jobs, one_ran)).jobs == {}


async def test_a_job_that_started_and_ended_between_polls_is_returned(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    job_id = await started(aws)
    aws.pass_time(7200)
    unlisted = RunningJobsRequest(target=TARGET, seen=[], accepted=[job_id])
    found = await Attempt(temporal).run(watches.read_running_jobs, unlisted)
    assert (found.jobs, found.listed) == ({}, [job_id])
    unchanged = RunningJobsRequest(target=TARGET, seen=[])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Attempt(temporal).run(watches.read_running_jobs, unchanged), 1)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
async def test_jobs_that_cannot_be_read_are_an_error_and_not_no_jobs(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal, code: str
) -> None:
    await started(aws)
    aws.fault("DescribeJobs", Error=code)
    at_once = RunningJobsRequest(target=TARGET)
    assert code in (await Attempt(temporal).run(watches.read_running_jobs, at_once)).error
    aws.clear_faults()
    assert (await Attempt(temporal).run(watches.read_running_jobs, at_once)).error == ""


async def test_a_wait_for_a_change_returns_a_lasting_error_once_and_its_end(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    job_id = await started(aws)
    aws.fault("DescribeJobs", Error="AccessDeniedException", Times=1)
    a_change = RunningJobsRequest(target=TARGET, seen=[job_id])
    waiting = asyncio.create_task(Attempt(temporal).run(watches.read_running_jobs, a_change))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    aws.fault("DescribeJobs", Error="AccessDeniedException")
    error = (await waiting).error
    assert "AccessDeniedException" in error
    known = a_change.model_copy(update={"error": error})
    waiting = asyncio.create_task(Attempt(temporal).run(watches.read_running_jobs, known))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    aws.clear_faults()
    found = await waiting
    assert (found.error, found.jobs) == ("", {job_id: 1})


async def test_launches_gather_for_as_many_polls_as_asked_less_what_they_waited(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal, fast: Settings
) -> None:
    aws.servers()
    for waited, expected in ((0.0, 0.4), (0.3, 0.1)):
        request = RunningJobsRequest(
            target=TARGET,
            gather_polls=0.4 / fast.scaled_poll_seconds,
            waited_seconds=waited,
        )
        assert watches._gather_seconds(request) == pytest.approx(expected)
        began = time.monotonic()
        await Attempt(temporal).run(watches.read_running_jobs, request)
        assert time.monotonic() - began >= expected
