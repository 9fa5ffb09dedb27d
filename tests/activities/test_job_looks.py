"""One look at DRS for everybody: each learns of its own jobs, and nobody waits for another."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from activities.aws import AwsTrouble, Trouble
from activities.drs import DrsActivities
from activities.drs_api import DrsApi, Job
from activities.job_looks import JobLooks
from recovery.plan import Server
from tests.activities.conftest import Attempt, LocalAws, Temporal, until
from tests.activities.test_watch import launched_by, statuses, watch

PAUSE = 0.02


@dataclass
class Drs:
    """DRS, which notes what it is asked.

    Attributes:
        trouble: how the next calls fail, one each.
    """

    asked: list[list[str]] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)

    async def jobs(self, job_ids: Sequence[str]) -> list[Job]:
        """Every job but those it has forgotten."""
        self.asked.append(list(job_ids))
        await asyncio.sleep(0)
        if any("malformed" in job_id for job_id in job_ids):
            raise AwsTrouble(Trouble.INVALID, "1 validation error")
        if self.trouble:
            raise self.trouble.pop(0)
        return [Job(job_id=job_id) for job_id in job_ids if "forgotten" not in job_id]

    def looks(self, pause: float = PAUSE) -> JobLooks:
        """Looks at it."""
        return JobLooks(cast(DrsApi, self), pause_seconds=pause)


def names(jobs: Sequence[Job]) -> list[str]:
    return [job.job_id for job in jobs]


async def test_a_hundred_askers_are_answered_by_one_call_a_tick() -> None:
    drs = Drs()
    looks = drs.looks()

    async def follow(number: int) -> None:
        for _ in range(3):
            assert names(await looks.jobs([f"job-{number}", "shared"])) == [
                f"job-{number}",
                "shared",
            ]

    await asyncio.gather(*(follow(number) for number in range(100)))
    assert len(drs.asked) == 3
    assert all(len(asked) == len(set(asked)) == 101 for asked in drs.asked)


async def test_who_asks_later_joins_the_next_look() -> None:
    drs = Drs()
    looks = drs.looks()
    await looks.jobs(["a"])
    first = asyncio.create_task(looks.jobs(["a"]))
    await asyncio.sleep(0)
    second = asyncio.create_task(looks.jobs(["b", "forgotten"]))
    assert names(await first) == ["a"]
    assert names(await second) == ["b"]
    assert drs.asked == [["a"], ["a", "b", "forgotten"]]


@pytest.mark.parametrize(
    "trouble", [AwsTrouble(Trouble.THROTTLED, "slow down"), RuntimeError("a defect")]
)
async def test_trouble_is_told_to_everybody_and_passes(trouble: Exception) -> None:
    drs = Drs(trouble=[trouble])
    looks = drs.looks()
    asked = [looks.jobs(["a"]), looks.jobs(["b"])]
    assert await asyncio.gather(*asked, return_exceptions=True) == [trouble, trouble]
    assert names(await looks.jobs(["a"])) == ["a"]


async def test_who_is_cancelled_disturbs_nobody_and_is_not_asked_for() -> None:
    drs = Drs()
    looks = drs.looks()
    await looks.jobs(["a"])
    gone = asyncio.create_task(looks.jobs(["gone"]))
    stays = asyncio.create_task(looks.jobs(["stays"]))
    await asyncio.sleep(0)
    gone.cancel()
    assert names(await stays) == ["stays"]
    assert drs.asked[1:] == [["stays"]]


async def test_an_id_that_drs_refuses_hides_nothing_of_the_others() -> None:
    looks = Drs().looks()
    asked = [looks.jobs(["a"]), looks.jobs(["malformed"]), looks.jobs(["b"])]
    first, refused, last = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, AwsTrouble)
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert names(first) + names(last) == ["a", "b"]


async def test_watches_of_several_waves_share_their_looks(
    aws: LocalAws, drs: DrsActivities, temporal: Temporal
) -> None:
    waves: list[Server] = aws.servers(20)
    jobs = [launched_by(aws, server) for server in waves]
    running = [
        asyncio.create_task(Attempt(temporal).run(drs.watch, watch(servers))) for servers in jobs
    ]
    await until(lambda: aws.calls("DescribeJobs") >= 10)
    aws.pass_time(600)
    results = await asyncio.gather(*running)
    assert all(statuses(each) == [("LAUNCHED", "YES")] for each in results)
    asked = [
        set(entry["Subjects"])
        for entry in aws.server.control.logged()["Calls"]
        if entry["Operation"] == "DescribeJobs"
    ]
    everybody = {str(servers[0].recovery_job_id) for servers in jobs}
    assert sum(everybody <= each for each in asked) >= 8
