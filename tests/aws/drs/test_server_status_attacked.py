"""A job that is over before its servers are: point 6 of issue 14."""

import pytest

from aws.drs.models import Job
from aws.drs.server_status import ServerStatusTracker
from contract.watch import WatchedServer
from recovery.execution.server import LaunchStatus, ServerResult
from tests.recovery.plans import server_id

NOW = 1_732_323_600.0
JOB = "drsjob-1"


def job(launch_status: str) -> Job:
    """A job that DRS says is over."""
    servers = [{"sourceServerID": server_id(1), "launchStatus": launch_status}]
    answer = {"jobID": JOB, "status": "COMPLETED", "participatingServers": servers}
    return Job.model_validate(answer)


@pytest.mark.xfail(strict=True, reason="issue 14, point 6: the second look, 4 s later, decides")
@pytest.mark.parametrize("lagging", ["PENDING", "IN_PROGRESS"])
def test_a_server_whose_status_follows_its_completed_job_seconds_later_is_up(lagging: str) -> None:
    server = WatchedServer(result=ServerResult(source_server_id=server_id(1), recovery_job_id=JOB))
    watch = ServerStatusTracker([server], lookup_seconds=120.0)
    for look in range(4):
        watch.apply_job(job(lagging), now=NOW + 4 * look)
        (result,) = watch.results
        assert result.launch_status is not LaunchStatus.FAILED
    watch.apply_job(job("LAUNCHED"), now=NOW + 16)
    (result,) = watch.results
    assert result.launch_status is LaunchStatus.LAUNCHED


def test_a_server_that_its_completed_job_never_launched_fails_in_the_end() -> None:
    server = WatchedServer(result=ServerResult(source_server_id=server_id(1), recovery_job_id=JOB))
    watch = ServerStatusTracker([server], lookup_seconds=120.0)
    for look in range(400):
        watch.apply_job(job("PENDING"), now=NOW + 4 * look)
    (result,) = watch.results
    assert result.launch_status is LaunchStatus.FAILED
