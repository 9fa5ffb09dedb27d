"""The review of earlier launches: what is up stays up, and unknown is not gone."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from temporalio.exceptions import ApplicationError

from activities.launch.launch_activities import LaunchActivities
from activities.review import Review
from activities.watch.watch_activities import WatchActivities
from aws.drs.client import DrsClient
from aws.drs.models import LAUNCH_ID_TAG, Job, RecoveryInstance
from aws.errors import AwsError, AwsErrorKind
from contract.launch import ReviewRequest
from recovery.execution.server import LaunchStatus, PostLaunch, ServerResult, Verified
from recovery.plan.fields import Impact
from tests.activities.launch.test_attempt import launch
from tests.activities.watch.test_watch import watch
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal, launch_result
from tests.recovery.plans import server_id

JOB = "drsjob-1"
OTHER_JOB = "drsjob-2"
PREFIX = "crm-1/db/"
EARLIER = "2024-11-23T00:50:00Z"
CREATED = "2024-11-23T01:00:00Z"
LATER = "2024-11-23T01:10:00+00:00"


@dataclass
class Answers:
    """A fake DRS with these responses.

    Attributes:
        recent: the jobs of the listing, newest first.
        older: jobs that DRS still knows by their IDs.
        troubles: what each method raises.
    """

    recent: list[Job] = field(default_factory=list)
    older: list[Job] = field(default_factory=list)
    instances: list[RecoveryInstance] = field(default_factory=list)
    troubles: dict[str, AwsError] = field(default_factory=dict)

    async def jobs_since(self, time: float) -> list[Job]:
        self._raise("jobs_since")
        return self.recent

    async def jobs(self, job_ids: Sequence[str]) -> list[Job]:
        self._raise("jobs")
        return [job for job in self.older if job.job_id in job_ids]

    async def recovery_instances(self, server_ids: Sequence[str]) -> list[RecoveryInstance]:
        self._raise("recovery_instances")
        return self.instances

    def _raise(self, method: str) -> None:
        if error := self.troubles.get(method):
            raise error


def job(
    launch_status: str | None = "LAUNCHED",
    *,
    status: str = "COMPLETED",
    job_id: str = JOB,
    launch_id: str | None = f"{PREFIX}1/0",
    number: int = 1,
    created: str | None = CREATED,
    **more: Any,
) -> Job:
    """A job of one server."""
    answer: dict[str, Any] = {
        "jobID": job_id,
        "type": "LAUNCH",
        "status": status,
        "creationDateTime": created,
        "participatingServers": [
            {"sourceServerID": server_id(number), "launchStatus": launch_status}
        ],
        "tags": {LAUNCH_ID_TAG: launch_id} if launch_id else {},
    }
    return Job.model_validate(answer | more)


def termination(*, created: str, number: int = 1) -> Job:
    return job(
        "TERMINATED",
        job_id="drsjob-3",
        launch_id=None,
        created=created,
        number=number,
        type="TERMINATE",
    )


def instance(
    state: str | None = "RUNNING", *, job_id: str | None = JOB, is_drill: bool = False
) -> RecoveryInstance:
    return RecoveryInstance.model_validate(
        {
            "recoveryInstanceID": "i-1",
            "sourceServerID": server_id(1),
            "jobID": job_id,
            "ec2InstanceState": state,
            "isDrill": is_drill,
        }
    )


def server(**known: Any) -> ServerResult:
    return ServerResult(source_server_id=server_id(1), **known)


def launched(**known: Any) -> ServerResult:
    """A server that an earlier attempt saw launched."""
    return server(
        **{"recovery_job_id": JOB, "launch_status": LaunchStatus.LAUNCHED, "verified": Verified.YES}
        | known
    )


async def review(
    answers: Answers, *servers: ServerResult, is_drill: bool = False
) -> list[ServerResult]:
    request = ReviewRequest(
        target=TARGET,
        servers=list(servers),
        launch_prefixes=[PREFIX],
        is_drill=is_drill,
        since=0.0,
    )
    return await Review(cast(DrsClient, answers), request, poll_seconds=1.0).run()


async def refused(answers: Answers, *servers: ServerResult) -> ApplicationError:
    """The failure of a review that cannot say what became of a server."""
    with pytest.raises(ApplicationError) as caught:
        await review(answers, *servers)
    return caught.value


# What is launched again


async def test_servers_that_no_job_ever_had_are_launched() -> None:
    asked = [server(impact=Impact.OPTIONAL), ServerResult(source_server_id=server_id(2))]
    assert await review(Answers(), *asked) == asked


async def test_a_server_whose_job_ended_without_launching_it_is_launched_again() -> None:
    failed = server(recovery_job_id=JOB, impact=Impact.OPTIONAL).failed("no capacity", at=1.0)
    (seen,) = await review(Answers(recent=[job("FAILED")]), failed)
    assert seen == server(impact=Impact.OPTIONAL)


async def test_a_failed_server_whose_job_drs_has_forgotten_is_launched_again() -> None:
    failed = server(recovery_job_id=JOB).failed("no capacity", at=1.0)
    assert await review(Answers(), failed) == [server()]


@pytest.mark.parametrize("state", ["TERMINATED", "SHUTTING-DOWN"])
async def test_a_server_whose_own_instance_is_gone_is_launched_again(state: str) -> None:
    answers = Answers(recent=[job()], instances=[instance(state)])
    assert await review(answers, launched()) == [server()]


async def test_a_server_that_was_terminated_after_its_launch_is_launched_again() -> None:
    answers = Answers(recent=[termination(created=LATER), job()])
    assert await review(answers, launched()) == [server()]


async def test_a_server_that_lives_on_as_another_jobs_instance_is_launched_again() -> None:
    answers = Answers(recent=[job()], instances=[instance(job_id=OTHER_JOB)])
    assert await review(answers, launched()) == [server()]


async def test_a_drills_instance_is_taken_over_by_a_drill_and_not_by_a_recovery() -> None:
    answers = Answers(recent=[job("FAILED")], instances=[instance(is_drill=True)])
    assert await review(answers, server()) == [server()]
    (seen,) = await review(answers, server(), is_drill=True)
    assert (seen.recovery_job_id, seen.recovery_instance_id) == (JOB, "i-1")


# What is watched on


@pytest.mark.parametrize("known", [server(), server(recovery_job_id=JOB)], ids=["lost", "known"])
@pytest.mark.parametrize("status", ["PENDING", "STARTED"])
async def test_a_server_in_a_running_job_of_ours_is_still_watched(
    known: ServerResult, status: str
) -> None:
    answers = Answers(recent=[job("PENDING", status=status)])
    assert await review(answers, known) == [server(recovery_job_id=JOB)]


async def test_a_job_older_than_the_listing_is_read_by_its_id() -> None:
    answers = Answers(older=[job("PENDING", status="STARTED", launch_id=None)])
    assert await review(answers, launched()) == [server(recovery_job_id=JOB)]


async def test_a_job_that_is_not_ours_is_never_watched() -> None:
    answers = Answers(recent=[job("PENDING", status="STARTED", launch_id="crm-2/db/1/0")])
    assert await review(answers, server()) == [server()]


@pytest.mark.parametrize("state", ["RUNNING", "STOPPED", "STOPPING", "PENDING"])
async def test_a_server_that_is_up_is_still_watched_and_judged_by_its_job(state: str) -> None:
    answers = Answers(recent=[job()], instances=[instance(state)])
    (seen,) = await review(answers, launched())
    assert (seen.recovery_job_id, seen.recovery_instance_id) == (JOB, "i-1")
    assert not seen.is_final
    # It does not seem to be gone while its job is read again.
    runs = state == "RUNNING"
    assert seen.launch_status is (LaunchStatus.LAUNCHED if runs else LaunchStatus.PENDING)


async def test_a_server_that_an_earlier_attempt_got_up_stays_up_though_a_later_one_failed() -> None:
    later = job("FAILED", job_id=OTHER_JOB, launch_id=f"{PREFIX}2/0", created=LATER)
    (seen,) = await review(Answers(recent=[later, job()], instances=[instance()]), server())
    assert (seen.recovery_job_id, seen.recovery_instance_id) == (JOB, "i-1")


@pytest.mark.parametrize(
    "instances",
    [[], [instance("RUNNING", job_id=None)], [instance(None)], [instance("NOT_FOUND")]],
    ids=["not listed yet", "of no job", "in no state", "in an unclear state"],
)
@pytest.mark.parametrize("verified", Verified)
async def test_a_launched_server_whose_instance_is_unclear_is_still_watched(
    instances: list[RecoveryInstance], verified: Verified
) -> None:
    (seen,) = await review(
        Answers(recent=[job()], instances=instances), launched(verified=verified)
    )
    assert seen.recovery_job_id == JOB, "it would be launched again"


@pytest.mark.parametrize(
    "other",
    [termination(created=EARLIER), termination(created=LATER, number=2)],
    ids=["before its launch", "of another server"],
)
async def test_a_server_is_still_watched_after_a_termination_of_another_instance(
    other: Job,
) -> None:
    assert await review(Answers(recent=[other, job()]), launched()) == [server(recovery_job_id=JOB)]


async def test_a_server_whose_post_launch_action_failed_is_watched_and_not_launched() -> None:
    known = launched(post_launch=PostLaunch.FAILED, reason="its post-launch action agent FAILED")
    running = [instance()]
    (seen,) = await review(Answers(recent=[job()], instances=running), known)
    assert (seen.recovery_job_id, seen.launch_status) == (JOB, LaunchStatus.LAUNCHED)
    assert not seen.is_final
    # Without its job, nothing says that it succeeded after all.
    (forgotten,) = await review(Answers(instances=running), known)
    assert (forgotten.post_launch, forgotten.reason) == (known.post_launch, known.reason)
    ran = launched(post_launch=PostLaunch.RUNNING)
    (forgotten,) = await review(Answers(instances=running), ran)
    assert forgotten.post_launch is PostLaunch.UNKNOWN


async def test_a_server_that_runs_stays_launched_though_drs_has_forgotten_its_job() -> None:
    known = launched(launch_time=10.0, end_time=20.0)
    (seen,) = await review(Answers(instances=[instance()]), known)
    assert seen == known.model_copy(update={"recovery_instance_id": "i-1"})


async def test_a_server_that_drs_says_is_launched_is_never_launched_again(
    aws: LocalAws, launches: LaunchActivities, watches: WatchActivities, temporal: Temporal
) -> None:
    (asked,) = aws.servers(1)
    request = launch([asked], is_drill=False, launch_id=f"{PREFIX}1/0")
    first = await launch_result(Attempt(temporal), launches, request)
    aws.pass_time(600)
    (up,) = await Attempt(temporal).run(watches.watch_servers, watch(first.servers))
    assert up.launch_status is LaunchStatus.LAUNCHED
    client = aws.client("drs")
    client.disconnect_recovery_instance(recoveryInstanceID=up.recovery_instance_id)
    client.delete_recovery_instance(recoveryInstanceID=up.recovery_instance_id)
    review = ReviewRequest(
        target=TARGET, servers=[up], launch_prefixes=[PREFIX], is_drill=False, since=time.time()
    )
    (seen,) = await Attempt(temporal).run(watches.review_launches, review)
    assert seen.recovery_job_id == first.job_id
    assert len(aws.accepted(asked)) == 1


async def test_the_wave_is_signalled_why_its_review_has_not_ended(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    aws.fault("DescribeJobs", Error="ThrottlingException")
    request = ReviewRequest(
        target=TARGET, servers=[server()], launch_prefixes=[PREFIX], is_drill=False, since=0.0
    )
    error = await Attempt(temporal).run_failing(watches.review_launches, request)
    assert (error.type, error.non_retryable) == (AwsErrorKind.THROTTLED, False)
    (progress,) = temporal.sent("review_progress")
    assert progress.reason.startswith("Waiting for the results of earlier launches: Describe")


# What cannot be said


@pytest.mark.parametrize("known", [True, False], ids=["recorded", "not recorded"])
async def test_a_job_without_servers_leaves_their_launch_open(
    known: bool,
) -> None:
    nameless = job(participatingServers=[])
    known_server = server(launch_status=LaunchStatus.FAILED, recovery_job_id=JOB if known else None)
    (seen,) = await review(Answers(recent=[nameless]), known_server)
    assert seen.recovery_job_id == JOB, "it would be launched again"


async def test_a_server_that_drs_does_not_report_is_still_watched_and_not_launched_again() -> None:
    (seen,) = await review(Answers(), server(recovery_job_id=JOB))
    assert seen.recovery_job_id == JOB
    assert seen.launch_status is LaunchStatus.PENDING


@pytest.mark.parametrize(
    "kind", [AwsErrorKind.THROTTLED, AwsErrorKind.UNREACHABLE, AwsErrorKind.ACCESS_DENIED]
)
@pytest.mark.parametrize("method", ["jobs_since", "jobs", "recovery_instances"])
async def test_a_review_that_aws_does_not_answer_is_tried_again(
    method: str, kind: AwsErrorKind
) -> None:
    answers = Answers(troubles={method: AwsError(kind, "no answer", retry_after=50.0)})
    error = await refused(answers, launched())
    assert (error.type, error.non_retryable) == (kind, False)
    assert error.next_retry_delay is not None
    assert 40.0 <= error.next_retry_delay.total_seconds() <= 60.0
