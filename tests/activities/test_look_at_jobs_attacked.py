"""An error is not "no jobs": point 10 of issue 14."""

import pytest
from activities.launch.drs_activities import DrsActivities
from contract.jobs import LookAtJobs
from temporalio.exceptions import ApplicationError

from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal


async def look(drs: DrsActivities, temporal: Temporal) -> dict[str, object] | str:
    """What one look tells, but for when; the kind of the error where it fails."""
    try:
        told = await Attempt(temporal).run(drs.look_at_jobs, LookAtJobs(target=TARGET))
    except ApplicationError as error:
        return str(error.type)
    return told.model_dump(exclude={"time"})


@pytest.mark.xfail(strict=True, reason="issue 14, point 10: both are told as no jobs in progress")
@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
async def test_jobs_that_cannot_be_read_are_not_told_as_no_jobs(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal, code: str
) -> None:
    aws.servers()
    aws.fault("DescribeJobs", Error=code)
    unread = await look(drs, temporal)
    aws.clear_faults()
    none_in_progress = await look(drs, temporal)
    assert unread != none_in_progress
