"""The queue of one launcher: what waits, what is sent together, and what comes back from it."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.execution.wave import WaitingFor
from recovery.launch.admission import Batch, QueuedLaunch, Quotas
from recovery.launch.queue import MIN_GATHER_POLLS, LaunchQueue, LaunchQueueState, RunningJobs
from tests.examples import examples

NOW = 1_700_000_000.0
FOREVER = NOW + 1e9


def launch(launch_id: str, *servers: str, **fields: Any) -> QueuedLaunch:
    """A launch such as `crm/0` of the wave `crm`, of one server of its own if none is named."""
    return QueuedLaunch(
        **{
            "launch_id": launch_id,
            "server_ids": servers or (f"s-{launch_id}",),
            "wave": launch_id.partition("/")[0],
            "launch_before": FOREVER,
            "queued_time": NOW - 60,
        }
        | fields
    )


def queue_of(*launches: QueuedLaunch, **running: Any) -> LaunchQueue:
    """A queue of these launches that has seen these running jobs."""
    queue = LaunchQueue(LaunchQueueState())
    queue.update_running(RunningJobs(**{"time": NOW} | running))
    for each in launches:
        queue.add(each)
    return queue


def jobs(number: int, *, servers: int = 1) -> dict[str, int]:
    """So many jobs of others, each of so many servers."""
    return {f"drsjob-{n}": servers for n in range(number)}


def finish(queue: LaunchQueue, batch: Batch, **result: Any) -> list[str]:
    """Finish a batch, without a job unless the result says so; returns what is out of the queue."""
    nothing: dict[str, Any] = {
        "job_id": None,
        "settled": [],
        "postponed": {},
        "split": False,
        "in_doubt": False,
        "now": NOW,
    }
    return ids(queue.finish(batch, **nothing | result))


def ids(launches: Iterable[QueuedLaunch]) -> list[str]:
    return [each.launch_id for each in launches]


def batches(queue: LaunchQueue, now: float = NOW) -> list[list[str]]:
    """What is sent now, by batch."""
    return [batch.launch_ids for batch in queue.admit(now)]


def doubtful(queue: LaunchQueue) -> list[str]:
    """The queued launches whose job DRS may have."""
    return [each.launch_id for each in queue.waiting if each.possibly_sent]


# What comes in and goes out


def test_a_launch_that_is_added_twice_stays_as_it_is() -> None:
    queue = queue_of(launch("crm/0", priority=1))
    queue.add(launch("crm/0", priority=5))
    assert [(e.launch_id, e.priority) for e in queue.waiting] == [("crm/0", 1)]
    (batch,) = queue.admit(NOW)
    queue.add(launch("crm/0"))
    assert (batch.launch_ids, queue.waiting, queue.admit(NOW)) == (["crm/0"], [], [])


def test_the_most_urgent_launch_is_the_first() -> None:
    queue = queue_of(
        launch("late/0", priority=4),
        launch("short/0", remaining_seconds=10),
        launch("long/0", remaining_seconds=1000),
        launch("first/0", priority=1),
    )
    assert ids(queue.waiting) == ["first/0", "long/0", "short/0", "late/0"]


def test_a_withdrawn_launch_is_out_at_once() -> None:
    queue = queue_of(launch("crm/0"), launch("erp/0"))
    assert ids(queue.withdraw(["crm/0", "unknown/0"])) == ["crm/0"]
    assert "crm/0" not in queue
    assert batches(queue) == [["erp/0"]]


def test_a_withdrawn_launch_that_is_being_sent_comes_out_with_its_batch() -> None:
    queue = queue_of(launch("crm/0"), launch("crm/1"))
    (batch,) = queue.admit(NOW)
    assert queue.withdraw(["crm/0"]) == []
    assert "crm/0" in queue
    assert finish(queue, batch) == ["crm/0"]
    assert ids(queue.waiting) == ["crm/1"]


def test_a_withdrawn_launch_that_got_its_job_is_settled_and_not_dropped() -> None:
    queue = queue_of(launch("crm/0"))
    (batch,) = queue.admit(NOW)
    queue.withdraw(["crm/0"])
    assert finish(queue, batch, job_id="drsjob-a", settled=["crm/0"]) == []
    assert "crm/0" not in queue


def test_a_launch_past_its_plans_deadline_is_removed() -> None:
    queue = queue_of(
        launch("sent/0", launch_before=NOW + 10),
        launch("crm/0", launch_before=NOW + 10, not_before=FOREVER),
        launch("erp/0", launch_before=NOW + 11, not_before=FOREVER),
    )
    assert batches(queue) == [["sent/0"]]
    assert queue.drop_overdue(NOW + 9) == []
    # What is being sent has a result of its own.
    assert ids(queue.drop_overdue(NOW + 10)) == ["crm/0"]
    assert "crm/0" not in queue
    assert {"sent/0", "erp/0"} == {e.launch_id for e in queue.state.launches}


def test_a_queue_is_empty_once_nothing_waits_and_nothing_is_sent() -> None:
    queue = queue_of(launch("crm/0"))
    assert queue
    (batch,) = queue.admit(NOW)
    finish(queue, batch, settled=["crm/0"])
    assert not queue


def test_the_next_run_goes_on_with_the_same_queue() -> None:
    queue = queue_of(launch("crm/0"), launch("erp/0"), jobs=jobs(1))
    (batch, _) = queue.admit(NOW)
    finish(queue, batch, job_id="drsjob-a", settled=batch.launch_ids)
    state = LaunchQueueState.model_validate_json(queue.state.model_dump_json())
    resumed = LaunchQueue(state)
    assert resumed.state == queue.state
    assert (resumed.accepted, ids(resumed.waiting)) == (["drsjob-a"], ["erp/0"])
    assert resumed.jobs_in_use == 2


# An RTO at risk


def test_a_plan_whose_rto_is_at_risk_goes_first_within_its_priority() -> None:
    late = launch("late/0", rto_launch_time=NOW - 1, remaining_seconds=10)
    slack = launch("slack/0", rto_launch_time=NOW + 60, remaining_seconds=5000)
    urgent = launch("urgent/0", priority=1)
    queue = queue_of(launch("none/0", remaining_seconds=9000), slack, late, urgent, jobs=jobs(20))
    assert queue.admit(NOW) == []
    assert ids(queue.waiting) == ["urgent/0", "late/0", "none/0", "slack/0"]
    # Its RTO comes to be at risk while it waits.
    queue.admit(NOW + 61)
    assert ids(queue.waiting) == ["urgent/0", "slack/0", "late/0", "none/0"]


def test_a_recovery_with_slack_goes_before_a_drill_whose_rto_is_at_risk() -> None:
    drill = launch("drill/0", is_drill=True, rto_launch_time=NOW - 1)
    queue = queue_of(drill, launch("real/0", rto_launch_time=NOW + 9), jobs=jobs(20))
    queue.admit(NOW)
    assert ids(queue.waiting) == ["real/0", "drill/0"]


def test_a_wave_learns_that_it_waits_behind_plans_whose_rto_is_at_risk() -> None:
    late = launch("late/0", rto_launch_time=NOW + 1)
    queue = queue_of(launch("crm/0"), late, jobs=jobs(20))
    queue.admit(NOW)
    assert all("RTO" not in each.reason for each in queue.unreported(NOW))
    assert queue.unreported(NOW) == []
    queue.admit(NOW + 2)
    (crm,) = queue.unreported(NOW + 2)
    assert crm.launch.launch_id == "crm/0"
    assert crm.reason.endswith("Launches of late go first: the RTO is at risk")
    assert queue.unreported(NOW + 3) == []


# How long launches gather


def test_launches_gather_longer_when_fewer_jobs_are_left_and_least_when_none_is() -> None:
    def polls(used: int) -> float:
        return queue_of(launch("crm/0"), jobs=jobs(used)).gather_time(NOW)[0]

    gathered = [polls(used) for used in range(20)]
    assert gathered[0] == MIN_GATHER_POLLS
    assert gathered == sorted(gathered)
    assert gathered[19] > 30 * MIN_GATHER_POLLS
    assert polls(20) == polls(25) == MIN_GATHER_POLLS


def test_launches_gather_from_the_last_admission_so_that_one_alone_does_not_wait() -> None:
    queue = queue_of(launch("crm/0"), jobs=jobs(10))
    polls, waited = queue.gather_time(NOW)
    assert waited > polls * 5
    queue.admit(NOW)
    queue.add(launch("erp/0"))
    assert queue.gather_time(NOW + 3)[1] == pytest.approx(3)


def test_launches_that_fill_a_job_gather_no_longer() -> None:
    alone = queue_of(launch("crm/0"), jobs=jobs(10))
    assert alone.gather_time(NOW)[0] > MIN_GATHER_POLLS
    full = [launch("crm/0", *(f"s-{n}" for n in range(100)))]
    # Each launch of a job is a tag.
    for launches in (full, [launch(f"crm/{n}") for n in range(45)]):
        assert queue_of(*launches, jobs=jobs(10)).gather_time(NOW)[0] == MIN_GATHER_POLLS


# What is sent


def test_launches_of_one_wave_share_a_job_and_those_of_two_do_while_jobs_are_scarce() -> None:
    launches = [launch("crm/0"), launch("crm/1"), launch("erp/0")]
    assert batches(queue_of(*launches)) == [["crm/0", "crm/1"], ["erp/0"]]
    scarce = queue_of(*launches, quotas=Quotas(jobs=4), jobs=jobs(2))
    assert batches(scarce) == [["crm/0", "crm/1", "erp/0"]]


def test_drills_and_recoveries_share_no_job() -> None:
    scarce = queue_of(
        launch("crm/0", share_key="drill"),
        launch("erp/0", share_key="recovery"),
        quotas=Quotas(jobs=4),
        jobs=jobs(2),
    )
    assert batches(scarce) == [["crm/0"], ["erp/0"]]


def test_a_server_that_is_being_launched_is_left_out() -> None:
    queue = queue_of(launch("crm/0", "s-1", "s-2"))
    (batch,) = queue.admit(NOW)
    queue.add(launch("copy/0", "s-2", "s-3"))
    queue.add(launch("erp/0", "s-4"))
    assert batches(queue) == [["erp/0"]]
    # Its job may still run, although DRS does not list it yet.
    finish(queue, batch, job_id="drsjob-a", settled=["crm/0"])
    assert batches(queue) == []
    queue.update_running(RunningJobs(time=NOW + 1, jobs={}, listed=["drsjob-a"]))
    assert batches(queue) == [["copy/0"]]


def test_a_server_that_two_launches_name_is_in_one_batch_only() -> None:
    queue = queue_of(launch("crm/0", "s-1"), launch("crm/1", "s-1"))
    assert batches(queue) == [["crm/0"]]


def test_accepted_jobs_and_batches_count_against_the_quota() -> None:
    queue = queue_of(launch("crm/0"), quotas=Quotas(jobs=3), jobs=jobs(1, servers=4))
    (batch,) = queue.admit(NOW)
    assert (queue.jobs_in_use, queue.servers_in_use) == (2, 5)
    finish(queue, batch, job_id="drsjob-a", settled=["crm/0"])
    assert (queue.jobs_in_use, queue.servers_in_use) == (2, 5)
    queue.add(launch("erp/0"))
    queue.add(launch("shop/0", share_key="recovery"))
    assert batches(queue) == [["erp/0"]]
    queue.update_running(
        RunningJobs(time=NOW + 1, jobs={"drsjob-a": 1}, listed=["drsjob-a"], quotas=Quotas(jobs=3))
    )
    assert queue.jobs_in_use == 2
    assert batches(queue) == [["shop/0"]]


def waiting_batch(queue: LaunchQueue, reason: str = "Waiting for DRS: Throttling") -> Batch:
    """Send what is queued as one batch, which waits for DRS to answer."""
    (batch,) = queue.admit(NOW)
    queue.report(batch.launch_ids[0], WaitingFor.LAUNCH, reason)
    assert queue.apply_progress(batch.launch_ids, uses_quota=False)
    return batch


def test_a_batch_that_waits_for_something_else_does_not_count_against_the_quota() -> None:
    queue = queue_of(launch("crm/0"), quotas=Quotas(jobs=1))
    waiting = waiting_batch(queue)
    assert (queue.jobs_in_use, queue.servers_in_use) == (0, 0)
    queue.add(launch("erp/0", share_key="another role"))
    assert batches(queue) == [["erp/0"]]
    # It may get a job again.
    assert queue.apply_progress(waiting.launch_ids, uses_quota=True)
    assert not queue.apply_progress(waiting.launch_ids, uses_quota=True)
    assert queue.jobs_in_use == 2


def test_launches_that_wait_for_an_operator_hold_no_others_back() -> None:
    queue = queue_of(quotas=Quotas(jobs=1))
    for number in range(3):
        queue.add(launch(f"crm{number}/0"))
        (batch,) = queue.admit(NOW)
        queue.report(batch.launch_ids[0], WaitingFor.LAUNCH_DECISION, "unknown job")
        queue.apply_progress(batch.launch_ids, uses_quota=False)
    queue.add(launch("erp/0"))
    assert batches(queue) == [["erp/0"]]


def test_no_more_launches_are_sent_to_a_drs_that_does_not_answer_than_it_takes_jobs() -> None:
    queue = queue_of(quotas=Quotas(jobs=2))
    for name in ("crm/0", "erp/0"):
        queue.add(launch(name))
        waiting_batch(queue)
    queue.add(launch("shop/0"))
    assert batches(queue) == []
    (waiting,) = queue.unreported(NOW)
    assert (waiting.waiting_for, waiting.reason) == (
        WaitingFor.LAUNCH,
        "Waiting for DRS: Throttling",
    )
    queue.add(launch("mail/0", share_key="another role"))
    assert batches(queue) == [["mail/0"]]


def test_running_jobs_that_cannot_be_read_stay_as_they_were_and_the_reason_says_so() -> None:
    quotas = Quotas(jobs=1)
    queue = queue_of(launch("crm/0"), quotas=quotas, jobs=jobs(1))
    queue.unreported(NOW)
    queue.update_running(RunningJobs(time=NOW + 1, error="DescribeJobs: AccessDenied"))
    assert batches(queue) == []
    (waiting,) = queue.unreported(NOW)
    assert waiting.reason == (
        "Waiting for quota: 1 of 1 jobs are in progress. The jobs in progress cannot be read now: "
        "DescribeJobs: AccessDenied"
    )
    assert queue.unreported(NOW) == []
    queue.update_running(RunningJobs(time=NOW + 1, quotas=quotas, jobs=jobs(1)))
    (waiting,) = queue.unreported(NOW)
    assert waiting.reason == "Waiting for quota: 1 of 1 jobs are in progress"


def test_what_is_being_requested_is_not_called_a_job() -> None:
    queue = queue_of(launch("crm/0"), quotas=Quotas(jobs=2), jobs=jobs(1))
    queue.admit(NOW)
    queue.add(launch("erp/0"))
    assert batches(queue) == []
    (waiting,) = queue.unreported(NOW)
    assert waiting.reason == "Waiting for quota: 1 of 2 jobs are in progress, 1 requested"


def test_a_wave_gets_again_what_its_launches_wait_for() -> None:
    queue = queue_of(
        launch("crm/0"), launch("crm/1"), launch("erp/0"), quotas=Quotas(jobs=1), jobs=jobs(1)
    )
    assert queue.reported(["crm/0"]) == []
    queue.unreported(NOW)
    (again,) = queue.reported(["crm/0", "crm/1"])
    assert (again.launch.launch_id, again.waiting_for) == ("crm/0", WaitingFor.QUOTA)
    for name in ("crm/0", "crm/1"):
        queue.report(name, WaitingFor.LAUNCH_DECISION, f"job of {name}")
    assert len(queue.reported(["crm/0", "crm/1"])) == 2


def test_an_accepted_job_that_drs_does_not_list_expires() -> None:
    queue = queue_of(launch("crm/0"))
    (batch,) = queue.admit(NOW)
    finish(queue, batch, job_id="drsjob-a", settled=["crm/0"])
    queue.update_running(RunningJobs(time=NOW + 299))
    assert queue.accepted == ["drsjob-a"]
    queue.update_running(RunningJobs(time=NOW + 301))
    assert (queue.accepted, queue.jobs_in_use) == ([], 0)


def test_an_older_list_of_the_running_jobs_changes_nothing() -> None:
    queue = queue_of(launch("crm/0"), jobs=jobs(2))
    queue.update_running(RunningJobs(time=NOW - 1, jobs={}))
    assert queue.jobs_in_use == 2


# What comes back


def test_what_is_settled_is_out_and_the_rest_is_sent_again() -> None:
    queue = queue_of(launch("crm/0"), launch("crm/1"))
    (batch,) = queue.admit(NOW)
    finish(queue, batch, job_id="drsjob-a", settled=["crm/0"])
    assert "crm/0" not in queue
    assert queue.accepted == ["drsjob-a"]
    assert batches(queue) == [["crm/1"]]


def test_what_is_postponed_waits_for_its_jobs_and_for_a_poll() -> None:
    queue = queue_of(launch("crm/0", possibly_sent=True), poll_seconds=5.0)
    (batch,) = queue.admit(NOW)
    finish(queue, batch, postponed={"crm/0": ["drsjob-0"]})
    # The search did not find its own job.
    assert doubtful(queue) == []
    assert queue.next_time(NOW) == NOW + 5
    assert batches(queue, NOW + 4) == []
    queue.update_running(RunningJobs(time=NOW + 6, jobs=jobs(1)))
    assert batches(queue, NOW + 6) == []
    assert queue.next_time(NOW + 6) is None
    queue.update_running(RunningJobs(time=NOW + 7, jobs={}))
    assert batches(queue, NOW + 7) == [["crm/0"]]


def test_a_split_batch_is_sent_in_halves_until_the_launch_that_is_refused_is_alone() -> None:
    names = [f"crm/{number}" for number in range(5)]
    queue = queue_of(*(launch(name) for name in names))
    sizes = []
    refused = None
    while refused is None:
        for batch in queue.admit(NOW):
            sizes.append(len(batch.launch_ids))
            if "crm/3" not in batch.launch_ids:
                finish(queue, batch, settled=batch.launch_ids)
            elif len(batch.launch_ids) > 1:
                finish(queue, batch, split=True)
            else:
                refused = batch
    assert refused.launch_ids == ["crm/3"]
    assert sizes == [5, 2, 3, 1, 2, 1, 1]
    assert queue.waiting == []


def test_what_is_in_doubt_is_sent_again_with_its_own_wave_only() -> None:
    queue = queue_of(
        *(launch(name) for name in ("crm/0", "crm/1", "erp/0")),
        quotas=Quotas(jobs=20),
        jobs=jobs(15),
    )
    (batch,) = queue.admit(NOW)
    assert finish(queue, batch, in_doubt=True) == []
    assert doubtful(queue) == ["crm/0", "crm/1", "erp/0"]
    queue.add(launch("crm/2"))
    assert batches(queue) == [["crm/0", "crm/1"], ["crm/2"], ["erp/0"]]


def test_what_is_settled_or_postponed_is_not_in_doubt_with_the_others() -> None:
    queue = queue_of(*(launch(f"crm/{number}") for number in range(3)))
    (batch,) = queue.admit(NOW)
    finish(queue, batch, settled=["crm/0"], postponed={"crm/1": []}, in_doubt=True)
    assert doubtful(queue) == ["crm/2"]


def test_a_withdrawn_launch_that_is_in_doubt_is_dropped_as_such() -> None:
    queue = queue_of(launch("crm/0"))
    (batch,) = queue.admit(NOW)
    queue.withdraw(["crm/0"])
    dropped = queue.finish(
        batch, job_id=None, settled=[], postponed={}, split=False, in_doubt=True, now=NOW
    )
    assert [(e.launch_id, e.possibly_sent) for e in dropped] == [("crm/0", True)]


def test_a_launch_that_may_have_been_sent_before_shares_no_job_with_new_ones() -> None:
    queue = queue_of(launch("crm/0", possibly_sent=True), launch("crm/1"))
    assert batches(queue) == [["crm/0"], ["crm/1"]]


# An operator's answer


def test_an_answered_launch_is_sent_at_once_and_alone() -> None:
    queue = queue_of(*(launch(f"crm/{number}", possibly_sent=True) for number in range(3)))
    (batch,) = queue.admit(NOW)
    finish(queue, batch, postponed={"crm/1": ["drsjob-0"]}, in_doubt=True)
    queue.update_running(RunningJobs(time=NOW + 1, jobs=jobs(1)))
    queue.resend_answered("crm/1")
    assert batches(queue) == [["crm/0", "crm/2"], ["crm/1"]]


def test_an_answered_launch_stays_alone_if_it_is_in_doubt_again() -> None:
    queue = queue_of(*(launch(f"crm/{number}", possibly_sent=True) for number in range(2)))
    queue.resend_answered("crm/0")
    for batch in queue.admit(NOW):
        finish(queue, batch, in_doubt=True)
    # Its request still has the answer, which must not count for the other launch.
    assert batches(queue) == [["crm/0"], ["crm/1"]]


# Why a launch waits


def test_each_wave_learns_once_what_its_launches_wait_for() -> None:
    queue = queue_of(
        *(launch(name) for name in ("crm/0", "crm/1", "erp/0")),
        quotas=Quotas(jobs=2),
        jobs=jobs(2),
    )
    assert queue.admit(NOW) == []
    waiting = queue.unreported(NOW)
    assert [w.launch.launch_id for w in waiting] == ["crm/0", "erp/0"]
    assert {w.waiting_for for w in waiting} == {WaitingFor.QUOTA}
    assert {w.reason for w in waiting} == {"Waiting for quota: 2 of 2 jobs are in progress"}
    assert queue.unreported(NOW) == []


def test_a_wave_learns_when_it_waits_for_something_else() -> None:
    queue = queue_of(launch("crm/0", "s-1"), quotas=Quotas(jobs=3), jobs=jobs(1))
    (batch,) = queue.admit(NOW)
    queue.add(launch("copy/0", "s-1"))
    (waiting,) = queue.unreported(NOW)
    assert waiting.waiting_for is WaitingFor.OTHER_JOB
    finish(queue, batch, settled=["crm/0"])
    queue.update_running(RunningJobs(time=NOW + 1, quotas=Quotas(jobs=3), jobs=jobs(3)))
    (waiting,) = queue.unreported(NOW + 1)
    assert (waiting.launch.launch_id, waiting.waiting_for) == ("copy/0", WaitingFor.QUOTA)
    assert queue.unreported(NOW + 1) == []


def test_the_servers_quota_is_named_if_that_is_what_a_launch_waits_for() -> None:
    queue = queue_of(launch("crm/0"), quotas=Quotas(servers=10), jobs=jobs(2, servers=5))
    assert queue.admit(NOW) == []
    (waiting,) = queue.unreported(NOW)
    assert "10 of 10 servers are in jobs" in waiting.reason


def test_what_its_batch_has_reported_is_not_reported_again() -> None:
    queue = queue_of(launch("crm/0"))
    (batch,) = queue.admit(NOW)
    assert queue.report("crm/0", WaitingFor.QUOTA, "full")
    assert not queue.report("crm/0", WaitingFor.QUOTA, "full")
    finish(queue, batch, postponed={"crm/0": []})
    assert queue.unreported(NOW) == []
    queue.update_running(RunningJobs(time=NOW + 10, quotas=Quotas(jobs=1), jobs=jobs(1)))
    assert queue.unreported(NOW + 10) == []


def test_a_wave_whose_other_job_has_ended_learns_that_it_waits_for_a_quota() -> None:
    queue = queue_of(launch("crm/0"), quotas=Quotas(jobs=1))
    (batch,) = queue.admit(NOW)
    finish(queue, batch, postponed={"crm/0": ["drsjob-x"]})
    queue.report("crm/0", WaitingFor.OTHER_JOB, "drsjob-1")
    full = RunningJobs(time=NOW + 10, quotas=Quotas(jobs=1), jobs=jobs(1))
    queue.update_running(full.model_copy(update={"jobs": {"drsjob-x": 1}}))
    assert queue.unreported(NOW + 10) == []
    queue.update_running(full.model_copy(update={"time": NOW + 11}))
    assert [w.waiting_for for w in queue.unreported(NOW + 11)] == [WaitingFor.QUOTA]


# Whatever happens

_SERVERS = [f"s-{number}" for number in range(6)]
_LAUNCHES = st.builds(
    lambda number, wave, servers, **fields: launch(f"{wave}/{number}", *servers, **fields),
    number=st.integers(0, 9),
    wave=st.sampled_from("abc"),
    servers=st.lists(st.sampled_from(_SERVERS), min_size=1, max_size=3, unique=True),
    share_key=st.sampled_from(["drill", "recovery"]),
    possibly_sent=st.booleans(),
    priority=st.integers(1, 5),
)
_QUOTAS = st.builds(
    Quotas,
    jobs=st.integers(1, 4),
    servers=st.integers(3, 12),
    servers_per_job=st.integers(3, 6),
)


class Drs:
    """The truth about jobs, of which the queue learns only what it is shown.

    Attributes:
        running: by job ID, the servers of each job that has not ended.
        listed: the jobs that DRS lists by now, running or over.
    """

    def __init__(self, queue: LaunchQueue, quotas: Quotas) -> None:
        self.queue = queue
        self.quotas = quotas
        self.running: dict[str, list[str]] = {}
        self.listed: set[str] = set()
        self.now = NOW
        self._numbers = itertools.count()

    def finish(self, batch: Batch, kind: str, data: st.DataObject) -> None:
        """Let a batch end in one of the ways in which it can."""
        chosen = data.draw(st.lists(st.sampled_from(batch.launch_ids), unique=True))
        result: dict[str, Any] = {"now": self.now}
        match kind:
            case "job":
                job_id = f"drsjob-{next(self._numbers)}"
                settled = chosen or batch.launch_ids
                launched = [e for e in batch.launches if e.launch_id in settled]
                self.running[job_id] = [i for each in launched for i in each.server_ids]
                result |= {"job_id": job_id, "settled": settled}
            case "postponed":
                result["postponed"] = dict.fromkeys(chosen, list(self.running)[:1])
            case "split" | "in_doubt":
                result[kind] = True
        finish(self.queue, batch, **result)

    def show(self, data: st.DataObject) -> None:
        """Let the queue see DRS's jobs, of which the newest may not be listed yet."""
        if hidden := [job_id for job_id in self.running if job_id not in self.listed]:
            self.listed |= set(data.draw(st.lists(st.sampled_from(hidden), unique=True)))
        self.queue.update_running(
            RunningJobs(
                time=self.now,
                jobs={i: len(s) for i, s in self.running.items() if i in self.listed},
                listed=[i for i in self.queue.accepted if i in self.listed],
                quotas=self.quotas,
            )
        )

    def check(self) -> None:
        """No server is in two batches, and the jobs keep within the quotas."""
        sent = [i for batch in self.queue.batches for i in batch.server_ids]
        assert len(sent) == len(set(sent))
        launch_ids = [i for batch in self.queue.batches for i in batch.launch_ids]
        assert len(launch_ids) == len(set(launch_ids))
        waiting = set(ids(self.queue.waiting))
        assert not waiting & set(launch_ids)
        assert len(self.running) + len(self.queue.batches) <= self.quotas.jobs
        in_jobs = [i for servers in self.running.values() for i in servers]
        assert len(in_jobs) + len(sent) <= self.quotas.servers
        for batch in self.queue.batches:
            assert 0 < len(batch.server_ids) <= self.quotas.servers_per_job
            assert len({launch.share_key for launch in batch.launches}) == 1


_STEPS = st.lists(
    st.sampled_from(
        ["add", "add", "admit", "admit", "job", "job", "postponed", "split", "in_doubt",
         "nothing", "withdraw", "answer", "end", "show", "time", "continue"]
    ),
    min_size=20,
    max_size=50,
)  # fmt: skip


@given(st.lists(_LAUNCHES, min_size=4, max_size=8), _STEPS, _QUOTAS, st.data())
@examples(200)
def test_no_server_is_in_two_batches_and_no_quota_is_exceeded_whatever_happens(
    launches: list[QueuedLaunch], steps: list[str], quotas: Quotas, data: st.DataObject
) -> None:
    drs = Drs(queue_of(*launches, quotas=quotas), quotas)
    for step in steps:
        queue = drs.queue
        known = ids(queue.waiting) + [i for batch in queue.batches for i in batch.launch_ids]
        match step:
            case "add":
                queue.add(data.draw(_LAUNCHES))
            case "admit":
                queue.admit(drs.now)
            case "withdraw" if known:
                queue.withdraw([data.draw(st.sampled_from(known))])
            case "answer" if queue.waiting:
                answered = data.draw(st.sampled_from(ids(queue.waiting)))
                queue.resend_answered(answered)
                assert all(
                    len(batch.launches) == 1
                    for batch in queue.admit(drs.now)
                    if answered in batch.launch_ids
                )
            case "end" if drs.running:
                ended = data.draw(st.sampled_from(list(drs.running)))
                del drs.running[ended]
                drs.listed.add(ended)
            case "show":
                drs.show(data)
            case "time":
                drs.now += 20
            case "continue" if not queue.batches:
                drs.queue = LaunchQueue(queue.state)
            case "job" | "postponed" | "split" | "in_doubt" | "nothing" if queue.batches:
                drs.finish(data.draw(st.sampled_from(queue.batches)), step, data)
        drs.check()


# Recoveries first


def test_a_recovery_is_sent_before_a_drill_whatever_their_priorities() -> None:
    queue = queue_of(launch("drill/0", priority=1, is_drill=True), launch("crm/0", priority=5))
    assert ids(queue.waiting) == ["crm/0", "drill/0"]
    assert batches(queue) == [["crm/0"]]


def test_a_drill_waits_for_the_end_of_a_recovery_and_says_for_which() -> None:
    queue = queue_of(launch("drill/0", is_drill=True), recoveries=["crm-0f3b52a1c7d9"])
    assert batches(queue) == []
    (waiting,) = queue.unreported(NOW)
    assert waiting.waiting_for is WaitingFor.RECOVERY
    assert "crm-0f3b52a1c7d9 runs in this account and Region" in waiting.reason
    queue.add(launch("erp/0"))
    assert batches(queue) == [["erp/0"]]
    queue.update_running(RunningJobs(time=NOW + 1))
    # The launch of a recovery that is not yet in Temporal's list.
    assert batches(queue, NOW + 1) == []
    finish(queue, queue.batches[0], settled=["erp/0"])
    assert batches(queue, NOW + 1) == [["drill/0"]]


def test_a_drill_waits_while_nobody_knows_whether_a_recovery_runs() -> None:
    queue = queue_of(launch("drill/0", is_drill=True), recoveries_error="Temporal is busy")
    assert batches(queue) == []
    (waiting,) = queue.unreported(NOW)
    assert "Temporal is busy" in waiting.reason
    queue.add(launch("crm/0"))
    assert batches(queue) == [["crm/0"]]


def test_a_launch_that_is_sent_within_seconds_is_not_reported_to_wait() -> None:
    queue = queue_of(jobs=jobs(20))
    queue.add(launch("crm", queued_time=NOW))
    assert queue.unreported(NOW + 1) == []
    due = queue.next_time(NOW + 1)
    assert due == NOW + 3
    assert len(queue.unreported(due)) == 1
    assert queue.next_time(due) is None
