"""DRS's answers, parsed at the edge: what one of them lacks hides no other."""

from typing import Any, cast

from aws.drs.client import DrsApi
from aws.sessions import AwsSessions
from tests.activities.conftest import TARGET


class Session:
    """A stand-in for our sessions and their client, with one answer to DescribeJobs."""

    def __init__(self, *jobs: dict[str, Any]) -> None:
        self._jobs = list(jobs)

    def client(self, service: str, target: object, *, retries: bool) -> "Session":
        return self

    def describe_jobs(self, **asked: Any) -> dict[str, Any]:
        return {"items": self._jobs}


async def test_a_participant_without_an_id_does_not_hide_the_whole_answer() -> None:
    servers = [{"launchStatus": "LAUNCHED"}, {"sourceServerID": "s-1"}]
    session = Session({"jobID": "drsjob-1", "participatingServers": servers}, {"jobID": "drsjob-2"})
    found = await DrsApi(cast(AwsSessions, session), TARGET).jobs_since(0.0)
    assert [job.job_id for job in found] == ["drsjob-1", "drsjob-2"]
    assert found[0].server_ids == ("s-1",)
