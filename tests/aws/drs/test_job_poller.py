"""One poll of DRS for all callers: each gets its own jobs, and none waits for another."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import pytest

from activities.watch.watch_activities import WatchActivities
from aws.drs.client import DrsClient
from aws.drs.job_poller import JobPoller
from aws.drs.models import Job, JobLogItem, RecoveryInstance
from aws.errors import AwsError, AwsErrorKind
from recovery.plan.model import Server
from tests.activities.watch.test_watch import launched_by, statuses, watch
from tests.aws_in_process import Attempt, LocalAws, Temporal, until

PAUSE = 0.02


@dataclass
class Drs:
    """DRS, which notes what it is asked.

    Attributes:
        running: the jobs in progress, by job ID when they were created (seconds before now).
        listed: since when jobs were listed (seconds before now), one a call.
        asked: job IDs that were asked for, a list a call.
        errors: the errors of the next calls, one each.
    """

    running: dict[str, float] = field(default_factory=dict)
    over: dict[str, float] = field(default_factory=dict)
    listed: list[float] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    logs_read: list[str] = field(default_factory=list)

    async def job_log(self, job_id: str) -> list[JobLogItem]:
        """The log, which says how often it was read."""
        self.logs_read.append(job_id)
        number = len(self.logs_read)
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        return [JobLogItem(event=f"READ_{number}")]

    async def recovery_instances(self, server_ids: Sequence[str]) -> list[RecoveryInstance]:
        """Those of the servers."""
        self.asked.append(list(server_ids))
        await asyncio.sleep(0)
        if "malformed" in server_ids:
            raise AwsError(AwsErrorKind.INVALID, "1 validation error")
        return [RecoveryInstance(source_server_id=each) for each in server_ids]

    async def jobs_from(self, moment: float) -> list[Job]:
        """The jobs created since then."""
        now = time.time()
        self.listed.append(now - moment)
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        return [self._job(i) for i, ago in self._all.items() if now - ago >= moment]

    async def jobs(self, job_ids: Sequence[str]) -> list[Job]:
        """Those that it knows."""
        self.asked.append(list(job_ids))
        if any("malformed" in job_id for job_id in job_ids):
            raise AwsError(AwsErrorKind.INVALID, "1 validation error")
        return [self._job(job_id) for job_id in job_ids if job_id in self._all]

    @property
    def _all(self) -> dict[str, float]:
        return self.over | self.running

    def _job(self, job_id: str) -> Job:
        created = datetime.fromtimestamp(time.time() - self._all[job_id], UTC).isoformat()
        status = "STARTED" if job_id in self.running else "COMPLETED"
        end = None if job_id in self.running else created
        return Job(job_id=job_id, creation_date_time=created, status=status, end_date_time=end)

    def poller(self, pause: float = PAUSE) -> JobPoller:
        """Looks at it."""
        return JobPoller(cast(DrsClient, self), pause_seconds=pause)


def names(jobs: Sequence[Job]) -> list[str]:
    return [job.job_id for job in jobs]


def jobs(*names_: str, ago: float = 10.0) -> dict[str, float]:
    return dict.fromkeys(names_, ago)


async def test_a_hundred_callers_share_one_call_per_poll() -> None:
    drs = Drs(jobs("shared", *(f"job-{number}" for number in range(100))))
    poller = drs.poller()

    async def follow(number: int) -> None:
        for _ in range(3):
            assert names(await poller.jobs([f"job-{number}", "shared"])) == [
                f"job-{number}",
                "shared",
            ]

    await asyncio.gather(*(follow(number) for number in range(100)))
    assert (len(drs.listed), drs.asked) == (3, [])


async def test_each_poll_lists_no_more_than_what_may_have_changed() -> None:
    drs = Drs(jobs("running", ago=2000.0), jobs("ended", ago=9000.0))
    poller = drs.poller()
    await poller.jobs(["running"])
    await poller.jobs(["running"])
    assert drs.listed[0] == pytest.approx(86_400.0, abs=5)
    assert drs.listed[1] == pytest.approx(2000.0 + 60 * PAUSE, abs=5)
    listing = await poller.listed(time.time() - 10_000)
    assert names(listing.jobs) == ["running", "ended"]


async def test_a_listing_is_no_older_than_requested_and_not_read_twice() -> None:
    drs = Drs(jobs("a"))
    poller = drs.poller(pause=1000.0)
    seen = await poller.listed(time.time() - 100)
    assert await poller.listed(time.time() - 100) == seen
    assert await poller.listed(time.time() - 100, seen_after=seen.time) == seen
    assert len(drs.listed) == 1
    assert (await poller.listed(time.time() - 100, seen_after=time.time())).time > seen.time
    assert (await poller.listed(time.time() - 10 * 86_400)).jobs
    assert drs.listed[-1] == pytest.approx(10 * 86_400, abs=5)


async def test_a_job_that_drs_deleted_is_read_by_its_id_and_then_unknown() -> None:
    drs = Drs(jobs("a", "b"))
    poller = drs.poller()
    assert names(await poller.jobs(["a", "b"])) == ["a", "b"]
    del drs.running["a"]
    assert names(await poller.jobs(["a", "b"])) == ["b"]
    assert drs.asked == [["a"]]
    assert names((await poller.listed(0.0)).jobs) == ["b"]


async def test_a_caller_that_expects_nothing_soon_polls_rarely_but_never_delays_others() -> None:
    drs = Drs(jobs("a", ago=1.0) | jobs("b"))
    poller = drs.poller(pause=0.05)
    await poller.jobs(["a"], soon=False)
    began = time.monotonic()
    await poller.jobs(["a"], soon=False)
    assert time.monotonic() - began > 0.11
    poller = drs.poller(pause=1000.0)
    await poller.jobs(["a"])
    patient = asyncio.create_task(poller.jobs(["a"], soon=False))
    await asyncio.sleep(0.01)
    listing = await poller.listed(time.time(), seen_after=time.time())
    assert names(listing.jobs) == ["a", "b"]
    assert names(await patient) == ["a"]


@pytest.mark.parametrize(
    "error", [AwsError(AwsErrorKind.THROTTLED, "slow down"), RuntimeError("a defect")]
)
async def test_an_error_is_raised_for_every_caller_and_the_next_poll_works(
    error: Exception,
) -> None:
    drs = Drs(jobs("a", "b"), errors=[error])
    poller = drs.poller()
    asked = [poller.jobs(["a"]), poller.jobs(["b"])]
    assert await asyncio.gather(*asked, return_exceptions=True) == [error, error]
    assert names(await poller.jobs(["a"])) == ["a"]


async def test_a_cancelled_caller_affects_no_other_and_is_not_polled_for() -> None:
    drs = Drs(jobs("stays"))
    poller = drs.poller()
    await poller.jobs(["stays"])
    gone = asyncio.create_task(poller.jobs(["gone"]))
    stays = asyncio.create_task(poller.jobs(["stays"]))
    await asyncio.sleep(0)
    gone.cancel()
    assert names(await stays) == ["stays"]
    assert drs.asked == []


async def test_an_invalid_id_does_not_hide_the_other_jobs() -> None:
    poller = Drs(jobs("a", "b")).poller()
    asked = [poller.jobs(["a"]), poller.jobs(["malformed"]), poller.jobs(["b"])]
    first, refused, last = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, AwsError)
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert names(first) + names(last) == ["a", "b"]


async def test_watches_of_several_waves_share_their_polls(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    waves: list[Server] = aws.servers(20)
    jobs = [launched_by(aws, server) for server in waves]
    running = [
        asyncio.create_task(Attempt(temporal).run(watches.watch_servers, watch(servers)))
        for servers in jobs
    ]
    await until(lambda: aws.calls("DescribeJobs") >= 10)
    aws.pass_time(600)
    results = await asyncio.gather(*running)
    assert all(statuses(each) == [("LAUNCHED", "YES")] for each in results)
    watched = {id(task) for task in running}
    assert aws.calls("DescribeJobs") < 3 * len(watched)


async def test_a_log_is_read_once_per_poll_for_all_callers() -> None:
    drs = Drs(running=jobs("one"))
    poller = drs.poller()
    await poller.jobs(["one"])
    first = await asyncio.gather(poller.log("one"), poller.log("one"), poller.log("two"))
    assert [log[0].event for log in first] == ["READ_1", "READ_1", "READ_2"]
    assert (await poller.log("one"))[0].event == "READ_1"
    await poller.jobs(["one"])
    assert (await poller.log("one"))[0].event == "READ_3"


async def test_a_log_that_could_not_be_read_is_read_again_for_the_next_caller() -> None:
    drs = Drs(errors=[AwsError(AwsErrorKind.THROTTLED, "slow down")])
    poller = drs.poller()
    with pytest.raises(AwsError):
        await poller.log("one")
    assert (await poller.log("one"))[0].event == "READ_2"


async def test_the_instances_of_waves_that_end_together_are_read_together() -> None:
    drs = Drs()
    poller = drs.poller()
    servers = [[f"s-{n}", f"s-{n}b"] for n in range(100)]
    found = await asyncio.gather(*(poller.instances(some) for some in servers))
    assert [[each.source_server_id for each in some] for some in found] == servers
    assert len(drs.asked) == 1


async def test_a_server_that_drs_rejects_does_not_hide_the_instances_of_others() -> None:
    poller = Drs().poller()
    good, bad = await asyncio.gather(
        poller.instances(["s-1"]), poller.instances(["malformed"]), return_exceptions=True
    )
    assert [each.source_server_id for each in cast(list[RecoveryInstance], good)] == ["s-1"]
    assert isinstance(bad, AwsError)


async def test_a_hint_makes_the_next_poll_due_for_callers_that_wait() -> None:
    drs = Drs(jobs("ours"))
    poller = drs.poller(pause=3600.0)
    await poller.jobs(["ours"])
    waiting = asyncio.create_task(poller.jobs(["ours"]))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    # An hour and the share of it after which a hint may be followed ago.
    poller._last -= 0.2 * 3600.0
    assert poller.look_soon("ours")
    assert names(await asyncio.wait_for(waiting, 5)) == ["ours"]


async def test_hints_poll_no_more_often_than_once_in_their_interval() -> None:
    drs = Drs(jobs("ours"))
    poller = drs.poller(pause=3600.0)
    await poller.jobs(["ours"])
    waiting = asyncio.create_task(poller.jobs(["ours"]))
    for _ in range(50):
        assert poller.look_soon("ours")
        await asyncio.sleep(0)
    assert (len(drs.listed), waiting.done()) == (1, False)
    waiting.cancel()


async def test_hints_do_not_shorten_the_pause_after_a_call_that_failed() -> None:
    drs = Drs(jobs("ours"), errors=[AwsError(AwsErrorKind.THROTTLED, "slow down")])
    poller = drs.poller(pause=3600.0)
    with pytest.raises(AwsError):
        await poller.jobs(["ours"])
    waiting = asyncio.create_task(poller.jobs(["ours"]))
    await asyncio.sleep(0)
    poller._last -= 0.2 * 3600.0
    assert poller.look_soon("ours")
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()


async def test_a_hint_about_a_job_that_nobody_waits_for_is_for_another_worker() -> None:
    drs = Drs(jobs("ours", "theirs"))
    poller = drs.poller()
    await poller.jobs(["ours"])
    assert poller.look_soon("ours")
    assert not poller.look_soon("theirs")
