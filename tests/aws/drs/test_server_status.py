"""What DRS's answers say of each server, oddities included."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws.drs.models import Job, JobLogItem, RecoveryInstance, epoch
from aws.drs.server_status import ServerStatusTracker
from contract.watch import WatchedServer
from recovery.execution.judge import judge_wave
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.wave import WaveStatus
from tests.recovery.plans import server_id

JOB = "drsjob-1"
OTHER_JOB = "drsjob-2"
NOW = 1_732_323_600.0
LOOKUP = 120.0


def watch(*numbers: int, job_id: str | None = JOB) -> ServerStatusTracker:
    servers = [
        WatchedServer(result=ServerResult(source_server_id=server_id(n), recovery_job_id=job_id))
        for n in numbers or (1,)
    ]
    tracker = ServerStatusTracker(servers, lookup_seconds=LOOKUP)
    # DRS is to run no post-launch actions on them.
    tracker.expected_actions = {server_id: [] for server_id in tracker.servers}
    return tracker


def job(
    *launch_status: str | None, status: str | None = "STARTED", job_id: str = JOB, **more: Any
) -> Job:
    """A job's answer; a server's status is left out where it is None."""
    servers = [
        {"sourceServerID": server_id(n)} | ({"launchStatus": s} if s else {})
        for n, s in enumerate(launch_status, 1)
    ]
    answer = {"jobID": job_id, "participatingServers": servers} | more
    return Job.model_validate(answer | ({"status": status} if status else {}))


def line(event: str, number: int = 1, *, at: str | None = None, **data: Any) -> JobLogItem:
    return JobLogItem.model_validate(
        {
            "event": event,
            "logDateTime": at,
            "eventData": {"sourceServerID": server_id(number)} | data,
        }
    )


def instance(
    state: str | None = "RUNNING", *, number: int = 1, job_id: str | None = JOB, **more: Any
) -> RecoveryInstance:
    answer: dict[str, Any] = {
        "recoveryInstanceID": "i-1",
        "sourceServerID": server_id(number),
        "jobID": job_id,
        "ec2InstanceState": state,
    }
    return RecoveryInstance.model_validate(answer | more)


def only(watched: ServerStatusTracker) -> ServerResult:
    (result,) = watched.results
    return result


def launched(*numbers: int) -> ServerStatusTracker:
    """Servers that DRS has just said are LAUNCHED."""
    watched = watch(*numbers)
    watched.apply_job(job(*["LAUNCHED"] * len(watched.servers)), now=NOW)
    return watched


# The job


def test_a_completed_job_does_not_make_its_failed_server_a_success() -> None:
    watched = watch(1, 2)
    watched.apply_job(job("LAUNCHED", "FAILED", status="COMPLETED"), now=NOW)
    up, down = watched.results
    assert up.launch_status is LaunchStatus.LAUNCHED
    assert down.launch_status is LaunchStatus.FAILED
    assert watched.unverified == [server_id(1)]


@pytest.mark.parametrize("status", [None, "PENDING"])
def test_a_server_without_a_status_is_pending_while_its_job_runs(status: str | None) -> None:
    watched = watch()
    assert not watched.apply_job(job(status), now=NOW)
    assert only(watched).launch_status is LaunchStatus.PENDING
    assert watched.unfinished_jobs == [JOB]


@pytest.mark.parametrize("status", ["IN_PROGRESS", "SOMETHING_NEW", "launched"])
def test_a_status_we_do_not_know_is_no_success(status: str) -> None:
    watched = watch()
    assert not watched.apply_job(job(status), now=NOW)
    assert only(watched).launch_status is LaunchStatus.IN_PROGRESS
    assert not watched.is_finished


def test_a_server_that_its_job_does_not_name_is_pending() -> None:
    watched = watch(3)
    watched.apply_job(job("LAUNCHED", "LAUNCHED"), now=NOW)
    assert only(watched).launch_status is LaunchStatus.PENDING


@pytest.mark.parametrize("status", [None, "FAILED", "SOMETHING_NEW"])
def test_a_job_in_a_status_we_do_not_know_is_not_over(status: str | None) -> None:
    watched = watch()
    for _ in range(3):
        watched.apply_job(job("PENDING", status=status), now=NOW)
    assert only(watched).launch_status is LaunchStatus.PENDING


@pytest.mark.parametrize("status", [None, "PENDING", "IN_PROGRESS", "SOMETHING_NEW"])
def test_a_server_that_its_ended_job_did_not_launch_fails_after_two_minutes(
    status: str | None,
) -> None:
    watched = watch()
    assert not watched.apply_job(job(status, status="COMPLETED"), now=NOW)
    assert only(watched).launch_status is not LaunchStatus.FAILED
    over = job(status, status="COMPLETED", endDateTime="2024-11-23T01:00:00Z")
    assert not watched.apply_job(over, now=NOW + LOOKUP - 1)
    assert watched.apply_job(over, now=NOW + LOOKUP)
    assert only(watched).launch_status is LaunchStatus.FAILED
    assert "ended COMPLETED without launching it" in str(only(watched).reason)
    assert only(watched).end_time == epoch("2024-11-23T01:00:00Z")


@pytest.mark.parametrize("lagging", ["PENDING", "IN_PROGRESS"])
def test_a_server_whose_status_follows_its_completed_job_seconds_later_is_up(lagging: str) -> None:
    watched = watch()
    for look in range(4):
        watched.apply_job(job(lagging, status="COMPLETED"), now=NOW + 4 * look)
        assert only(watched).launch_status is not LaunchStatus.FAILED
    watched.apply_job(job("LAUNCHED", status="COMPLETED"), now=NOW + 16)
    assert only(watched).launch_status is LaunchStatus.LAUNCHED


def test_only_consecutive_polls_of_an_ended_job_count() -> None:
    watched = watch()
    watched.apply_job(job("PENDING", status="COMPLETED"), now=NOW)
    watched.apply_job(job("PENDING", status="STARTED"), now=NOW + LOOKUP - 1)
    watched.apply_job(job("PENDING", status="COMPLETED"), now=NOW + LOOKUP + 1)
    assert only(watched).launch_status is LaunchStatus.PENDING


def test_a_terminated_server_failed() -> None:
    watched = watch()
    assert watched.apply_job(job("TERMINATED"), now=NOW)
    assert only(watched).launch_status is LaunchStatus.FAILED
    assert only(watched).reason == "terminated while its job ran"
    assert only(watched).end_time == NOW


def test_what_another_job_says_of_our_server_does_not_count() -> None:
    watched = watch()
    assert not watched.apply_job(job("LAUNCHED", job_id=OTHER_JOB), now=NOW)
    assert only(watched).launch_status is LaunchStatus.PENDING


@pytest.mark.parametrize("later", ["FAILED", "TERMINATED", "PENDING"])
def test_a_launched_server_stays_launched_whatever_its_job_says_later(later: str) -> None:
    watched = launched()
    watched.apply_job(job(later, status="COMPLETED"), now=NOW + 15)
    assert only(watched).launch_status is LaunchStatus.LAUNCHED


def test_a_failed_server_stays_failed() -> None:
    watched = watch()
    watched.apply_job(job("FAILED"), now=NOW)
    assert not watched.apply_job(job("LAUNCHED"), now=NOW + 15)
    watched.apply_instances([instance()], should_run={}, now=NOW + 15)
    assert only(watched).launch_status is LaunchStatus.FAILED
    assert only(watched).verified is None
    assert watched.is_finished


def test_a_launched_server_is_not_finished_before_it_is_verified() -> None:
    watched = launched()
    assert not watched.is_finished
    assert watched.unfinished_jobs == []
    watched.apply_instances([instance()], should_run={}, now=NOW)
    assert watched.is_finished


# Times, instances and reasons


@pytest.mark.parametrize(
    "text",
    ["2022-12-07T19:15:38.846723+00:00", "2022-12-07T19:15:38.846723Z",
     "2022-12-07T20:15:38.846723+01:00", "2022-12-07T19:15:38.846723"],
)  # fmt: skip
def test_both_forms_of_a_timestamp_mean_the_same_moment(text: str) -> None:
    assert epoch(text) == 1670440538.846723


@pytest.mark.parametrize("text", [None, "", "yesterday", "2022-13-45T00:00:00Z"])
def test_what_is_no_timestamp_is_no_time(text: str | None) -> None:
    assert epoch(text) is None


def test_the_log_has_the_time_and_the_instance_of_a_launch() -> None:
    watched = launched()
    assert only(watched).launch_time == NOW
    at = "2024-11-23T01:04:50.25+00:00"
    watched.apply_log(
        JOB,
        [
            line("LAUNCH_START", at="2024-11-23T01:00:00Z"),
            line("LAUNCH_END", at=at, targetInstanceID="i-7"),
            line("LAUNCH_END", 2, at="2024-11-23T02:00:00Z", targetInstanceID="i-8"),
        ],
    )
    assert only(watched).launch_time == only(watched).end_time == epoch(at)
    assert only(watched).recovery_instance_id == "i-7"


def test_a_launch_without_a_readable_time_keeps_the_time_we_saw_it() -> None:
    watched = launched()
    watched.apply_log(JOB, [line("LAUNCH_END", at="soon"), JobLogItem(), line("NEW_EVENT")])
    assert only(watched).launch_time == only(watched).end_time == NOW


def test_an_instance_that_job_and_log_leave_out_is_known_from_the_instances() -> None:
    watched = launched()
    watched.apply_log(JOB, [line("LAUNCH_END")])
    assert only(watched).recovery_instance_id is None
    found = [instance(job_id=OTHER_JOB, recoveryInstanceID="i-8"), instance()]
    watched.apply_instances(found, should_run={}, now=NOW)
    assert only(watched).recovery_instance_id == "i-1"
    assert only(watched).verified is Verified.YES


def test_an_instance_that_the_job_names_is_kept() -> None:
    watched = watch()
    servers = [
        {"sourceServerID": server_id(1), "launchStatus": "LAUNCHED", "recoveryInstanceID": "i-5"}
    ]
    watched.apply_job(job(participatingServers=servers), now=NOW)
    watched.apply_log(JOB, [line("LAUNCH_END", targetInstanceID="i-7")])
    assert only(watched).recovery_instance_id == "i-5"


def test_the_log_gives_the_last_reason_of_a_failure() -> None:
    watched = watch()
    watched.apply_job(job("FAILED"), now=NOW)
    at = "2024-11-23T01:04:50Z"
    watched.apply_log(
        JOB,
        [
            line("USING_PREVIOUS_SNAPSHOT_FAILED", rawError="first"),
            line("LAUNCH_FAILED", 2, rawError="of another server"),
            line("LAUNCH_FAILED", at=at, rawError="UnauthorizedOperation"),
        ],
    )
    assert only(watched).reason == "LAUNCH_FAILED: UnauthorizedOperation"
    assert only(watched).end_time == epoch(at)


def test_an_error_in_an_event_we_do_not_know_is_a_reason_too() -> None:
    watched = watch()
    watched.apply_job(job("FAILED"), now=NOW)
    watched.apply_log(JOB, [line("NEW_EVENT", rawError="no capacity"), line("LAUNCH_START")])
    assert only(watched).reason == "NEW_EVENT: no capacity"


def test_a_failed_job_whose_log_is_silent_says_so() -> None:
    watched = watch()
    over = job("FAILED", status="COMPLETED", endDateTime="2024-11-23T01:04:50Z")
    watched.apply_job(over, now=NOW)
    watched.apply_log(JOB, [line("SNAPSHOT_END")])
    assert "its job log says: no reason given" in str(only(watched).reason)
    assert only(watched).end_time == epoch("2024-11-23T01:04:50Z")


def test_an_error_on_the_way_does_not_fail_a_server_that_launched() -> None:
    watched = launched()
    watched.apply_log(JOB, [line("SNAPSHOT_FAIL", rawError="tried again"), line("LAUNCH_END")])
    assert only(watched).launch_status is LaunchStatus.LAUNCHED
    assert only(watched).reason is None


# The lookup of the instance


def test_a_running_instance_of_the_job_verifies_its_server() -> None:
    watched = launched(1, 2)
    watched.apply_instances([instance(number=2)], should_run={}, now=NOW)
    first, second = watched.results
    assert (first.verified, second.verified) == (None, Verified.YES)
    assert watched.unverified == [server_id(1)]


@pytest.mark.parametrize("state", ["STOPPED", "STOPPING"])
@pytest.mark.parametrize(
    ("runs", "verified", "status"),
    [
        (False, Verified.YES, LaunchStatus.LAUNCHED),
        (True, Verified.NO, LaunchStatus.FAILED),
        (None, None, LaunchStatus.LAUNCHED),
    ],
)
def test_a_stopped_instance_agrees_only_with_a_disposition_that_asks_for_it(
    state: str, runs: bool | None, verified: Verified | None, status: LaunchStatus
) -> None:
    watched = launched()
    meant = {} if runs is None else {server_id(1): runs}
    watched.apply_instances([instance(state)], should_run=meant, now=NOW)
    assert (only(watched).verified, only(watched).launch_status) == (verified, status)


@pytest.mark.parametrize("state", ["TERMINATED", "SHUTTING-DOWN"])
def test_a_launched_server_whose_instance_is_gone_failed(state: str) -> None:
    watched = launched()
    watched.apply_instances([instance(state)], should_run={}, now=NOW + 30)
    assert only(watched).launch_status is LaunchStatus.FAILED
    assert only(watched).verified is Verified.NO
    assert only(watched).reason == f"DRS reports LAUNCHED, but its instance is {state}"
    assert only(watched).end_time == NOW + 30


@pytest.mark.parametrize("state", [None, "PENDING", "REBOOTING", "running"])
def test_an_instance_in_no_clear_state_verifies_nothing(state: str | None) -> None:
    watched = launched()
    watched.apply_instances([instance(state)], should_run={}, now=NOW)
    assert only(watched).verified is None
    watched.end_lookups(now=NOW + LOOKUP)
    assert only(watched).verified is Verified.UNKNOWN


def test_an_empty_lookup_is_unknown_after_its_time_and_may_still_become_yes() -> None:
    watched = launched()
    watched.apply_instances([], should_run={}, now=NOW)
    watched.end_lookups(now=NOW + LOOKUP - 1)
    assert only(watched).verified is None
    watched.end_lookups(now=NOW + LOOKUP)
    assert only(watched).verified is Verified.UNKNOWN
    assert "not found yet" in str(only(watched).reason)
    assert not watched.is_finished
    watched.apply_instances([instance()], should_run={}, now=NOW + 900)
    assert only(watched).verified is Verified.YES
    assert only(watched).reason is None
    assert only(watched).end_time == NOW


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (instance(job_id=OTHER_JOB), OTHER_JOB),
        (instance("NOT_FOUND"), "does not exist in EC2"),
    ],
)
def test_a_contradicted_lookup_fails_the_server_only_when_its_time_is_over(
    found: RecoveryInstance, why: str
) -> None:
    watched = launched()
    watched.apply_instances([found], should_run={}, now=NOW)
    watched.end_lookups(now=NOW + LOOKUP - 1)
    assert only(watched).launch_status is LaunchStatus.LAUNCHED
    watched.end_lookups(now=NOW + LOOKUP)
    assert only(watched).launch_status is LaunchStatus.FAILED
    assert only(watched).verified is Verified.NO
    assert why in str(only(watched).reason)


def test_an_instance_that_names_no_job_contradicts_nothing() -> None:
    watched = launched()
    watched.apply_instances([instance(job_id=None)], should_run={}, now=NOW)
    watched.end_lookups(now=NOW + LOOKUP)
    assert only(watched).launch_status is LaunchStatus.LAUNCHED


def test_an_earlier_drills_instance_and_then_no_instance_is_unknown() -> None:
    watched = launched()
    old = instance("SHUTTING-DOWN", job_id=OTHER_JOB)
    watched.apply_instances([old], should_run={}, now=NOW)
    watched.end_lookups(now=NOW + LOOKUP)
    assert only(watched).launch_status is LaunchStatus.LAUNCHED
    assert only(watched).verified is Verified.UNKNOWN


def test_an_earlier_drills_instance_contradicts_no_more_once_ours_is_there() -> None:
    watched = launched()
    old = instance("SHUTTING-DOWN", job_id=OTHER_JOB)
    watched.apply_instances([old], should_run={}, now=NOW)
    watched.apply_instances([old, instance()], should_run={}, now=NOW + 60)
    watched.end_lookups(now=NOW + LOOKUP)
    assert only(watched).verified is Verified.YES
    assert only(watched).launch_status is LaunchStatus.LAUNCHED


def test_a_contradiction_that_the_next_poll_does_not_confirm_is_removed() -> None:
    watched = launched()
    watched.apply_instances([instance("NOT_FOUND")], should_run={}, now=NOW)
    watched.apply_instances([], should_run={}, now=NOW + 60)
    watched.end_lookups(now=NOW + LOOKUP)
    assert only(watched).launch_status is LaunchStatus.LAUNCHED
    assert only(watched).verified is Verified.UNKNOWN


def test_a_watch_continues_from_the_previous_attempts_heartbeat() -> None:
    before = launched(1, 2)
    before.apply_instances([instance()], should_run={}, now=NOW)
    stored = [
        WatchedServer.model_validate(w.model_dump(mode="json", exclude_none=True))
        for w in before.servers.values()
    ]
    after = ServerStatusTracker(stored, lookup_seconds=LOOKUP)
    assert after.results == before.results
    assert after.unverified == [server_id(2)]
    after.end_lookups(now=NOW + LOOKUP)
    assert after.results[1].verified is Verified.UNKNOWN


# Any responses

_words = st.text(st.characters(codec="ascii"), max_size=6)
_launch_statuses = st.sampled_from(
    ["PENDING", "IN_PROGRESS", "LAUNCHED", "LAUNCHED", "FAILED", "TERMINATED", None, ""]
)
_job_statuses = st.sampled_from(["PENDING", "STARTED", "COMPLETED", "FAILED", None])
_instance_states = st.sampled_from(
    ["RUNNING", "RUNNING", "STOPPED", "STOPPING", "PENDING", "TERMINATED", "SHUTTING-DOWN",
     "NOT_FOUND", None]
)  # fmt: skip
_events = st.sampled_from(
    ["LAUNCH_START", "LAUNCH_END", "LAUNCH_FAILED", "CONVERSION_FAIL", "JOB_END", ""]
)
_times = st.none() | st.sampled_from(["2024-11-23T01:00:00Z", "2024-11-23T01:00:00+00:00"]) | _words
_numbers = st.integers(1, 4)
_instance_ids = st.sampled_from(["i-1", "i-2", "", None])
_job_ids = st.sampled_from([JOB, JOB, OTHER_JOB])

_jobs = st.fixed_dictionaries(
    {
        "jobID": _job_ids,
        "status": _job_statuses,
        "endDateTime": _times,
        "participatingServers": st.lists(
            st.fixed_dictionaries(
                {
                    "sourceServerID": _numbers.map(server_id),
                    "launchStatus": _launch_statuses | _words,
                    "recoveryInstanceID": _instance_ids,
                }
            ),
            max_size=5,
        ),
    }
).map(Job.model_validate)
_lines = st.fixed_dictionaries(
    {
        "event": _events | _words,
        "logDateTime": _times,
        "eventData": st.fixed_dictionaries(
            {"sourceServerID": _numbers.map(server_id)},
            optional={"targetInstanceID": _instance_ids, "rawError": st.none() | _words},
        ),
    }
).map(JobLogItem.model_validate)
_instances = st.fixed_dictionaries(
    {
        "sourceServerID": st.none() | _numbers.map(server_id),
        "jobID": st.none() | _job_ids,
        "ec2InstanceState": _instance_states | _words,
        "recoveryInstanceID": _instance_ids,
    }
).map(RecoveryInstance.model_validate)
_dispositions = st.dictionaries(_numbers.map(server_id), st.booleans(), max_size=3)
_steps = st.one_of(
    _jobs,
    st.tuples(_job_ids, st.lists(_lines, max_size=4)),
    st.tuples(st.lists(_instances, max_size=4), _dispositions),
    st.sampled_from([1.0, 60.0, 130.0]),
)


class ResponseSequence:
    """A sequence of responses, and what they reported so far."""

    def __init__(self) -> None:
        self.watched = watch(1, 2, 3)
        self.now = NOW
        self.reported_launched: set[str] = set()
        self.agreed: set[str] = set()
        self.failed: set[str] = set()

    def apply(self, step: Any) -> None:
        """Apply one response, or let seconds pass."""
        match step:
            case Job():
                # DRS may name a server twice in nonsense; the last word is what counts.
                said = step.participating_servers
                words = {str(s.source_server_id): s.launch_status for s in said}
                if step.job_id == JOB:
                    self.reported_launched |= {s for s, word in words.items() if word == "LAUNCHED"}
                self.watched.apply_job(step, now=self.now)
            case (str() as job_id, lines):
                self.watched.apply_log(job_id, lines)
            case (found, meant):
                self.agreed |= {str(i.source_server_id) for i in found if agrees(i, meant)}
                self.watched.apply_instances(found, should_run=meant, now=self.now)
            case seconds:
                self.now += seconds
        self.watched.end_lookups(now=self.now)

    def check(self, result: ServerResult) -> None:
        """Check a server after any response."""
        server = result.source_server_id
        if result.verified is Verified.YES:
            assert server in self.agreed
            assert result.launch_status is LaunchStatus.LAUNCHED
        if result.verified is Verified.NO or server in self.failed:
            assert result.launch_status is LaunchStatus.FAILED
        if result.launch_status is LaunchStatus.LAUNCHED:
            assert server in self.reported_launched
        if result.launch_status is LaunchStatus.FAILED:
            assert result.reason
            assert result.end_time is not None
            self.failed.add(server)


def agrees(instance: RecoveryInstance, should_run: dict[str, bool]) -> bool:
    """Whether an instance confirms that its server is up."""
    server, state = instance.source_server_id, instance.ec2_instance_state
    stopped_as_meant = state in ("STOPPED", "STOPPING") and should_run.get(str(server)) is False
    return instance.job_id == JOB and (state == "RUNNING" or stopped_as_meant)


@given(st.lists(_steps, max_size=25))
@settings(max_examples=150, deadline=None)
def test_no_responses_make_a_server_up_that_drs_never_reported_up(
    steps: list[Any],
) -> None:
    sequence = ResponseSequence()
    for step in steps:
        sequence.apply(step)
        results = sequence.watched.results
        for result in results:
            sequence.check(result)
        verdict = judge_wave(results)
        if verdict.status is WaveStatus.COMPLETED:
            assert {r.source_server_id for r in results} <= sequence.reported_launched
        assert verdict.status.is_settled or not sequence.watched.is_finished
