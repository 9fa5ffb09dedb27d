"""An error is not "no jobs": point 10 of issue 14."""

import pytest
from temporalio.exceptions import ApplicationError

from activities.watch.watch_activities import WatchActivities
from contract.launcher import RunningJobsRequest
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal


async def read(watches: WatchActivities, temporal: Temporal) -> dict[str, object] | str:
    """What is read, but for when; the kind of the error where it fails."""
    try:
        found = await Attempt(temporal).run(
            watches.read_running_jobs, RunningJobsRequest(target=TARGET)
        )
    except ApplicationError as error:
        return str(error.type)
    return found.model_dump(exclude={"time"})


@pytest.mark.xfail(strict=True, reason="issue 14, point 10: both are told as no running jobs")
@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
async def test_jobs_that_cannot_be_read_are_not_told_as_no_jobs(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal, code: str
) -> None:
    aws.servers()
    aws.fault("DescribeJobs", Error=code)
    unread = await read(watches, temporal)
    aws.clear_faults()
    none_run = await read(watches, temporal)
    assert unread != none_run
