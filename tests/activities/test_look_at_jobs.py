"""The launcher's look-out for jobs that its launches wait for."""

import asyncio

import pytest
from activities.launch.drs_activities import DrsActivities
from contract.jobs import LookAtJobs

from aws.drs.client import DrsClient
from aws.sessions import AwsSessions
from tests.activities.conftest import TARGET, Attempt, LocalAws, Temporal


async def started(aws: LocalAws) -> str:
    """A job in progress."""
    job = await DrsClient(AwsSessions(), TARGET).start_recovery(
        aws.servers(1), is_drill=True, launch_ids=["crm-1/db/1/1"], not_after=float("inf")
    )
    return job.job_id


async def test_a_change_of_the_jobs_in_progress_is_told(aws: LocalAws, drs: DrsActivities) -> None:
    job_id = await started(aws)
    news = await Attempt(Temporal()).run(drs.look_at_jobs, LookAtJobs(target=TARGET, seen=[]))
    assert news.jobs == {job_id: 1}
    aws.pass_time(7200)
    over = LookAtJobs(target=TARGET, seen=[job_id])
    assert (await Attempt(Temporal()).run(drs.look_at_jobs, over)).jobs == {}


async def test_a_job_that_came_and_went_unseen_is_told(aws: LocalAws, drs: DrsActivities) -> None:
    job_id = await started(aws)
    aws.pass_time(7200)
    unlisted = LookAtJobs(target=TARGET, seen=[], asked_for=[job_id])
    news = await Attempt(Temporal()).run(drs.look_at_jobs, unlisted)
    assert (news.jobs, news.listed) == ({}, [job_id])
    nothing = Attempt(Temporal()).run(drs.look_at_jobs, LookAtJobs(target=TARGET, seen=[]))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(nothing, 1)
