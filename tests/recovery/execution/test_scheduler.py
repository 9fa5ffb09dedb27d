"""The scheduler on random plans, whatever happens to their waves and in whatever order."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recovery.execution.progress import attempt_text, wave_notes
from recovery.execution.scheduler import WaveScheduler
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import (
    OperatorDecision,
    WaitingFor,
    WaveReport,
    WaveState,
    WaveStatus,
    next_revision,
)
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS, expected_seconds
from recovery.forecast.remaining import remaining
from recovery.plan.fields import Impact
from recovery.plan.model import RecoveryPlan
from recovery.steps.model import StepKind, StepPhase
from recovery.steps.state import StepState, StepStatus
from tests.recovery.plans import dependency_maps, diamond, wave

NOW = 1_732_323_600.0
EXECUTION = "crm-1"
ENDS = (
    WaveStatus.COMPLETED,
    WaveStatus.PARTIAL,
    WaveStatus.FAILED,
    WaveStatus.TIMED_OUT,
    WaveStatus.CANCELLED,
)


def plan_of(dependencies: dict[str, list[str]]) -> RecoveryPlan:
    waves = [wave(name, n, after=after) for n, (name, after) in enumerate(dependencies.items())]
    return RecoveryPlan(plan_id="crm", region="us-west-2", waves=waves)


def begin(plan: RecoveryPlan) -> WaveScheduler:
    state = ExecutionState.begin(
        plan,
        execution_id=EXECUTION,
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        now=NOW,
    )
    return WaveScheduler(plan, state)


def report_of(
    scheduler: WaveScheduler, wave_id: str, status: WaveStatus, *, now: float, late: bool = False
) -> WaveReport:
    """What a wave's workflow would report next."""
    known = scheduler.wave(wave_id)
    return WaveReport(
        execution_id=EXECUTION,
        wave=known.model_copy(
            update={
                "status": status,
                "status_reason": f"{status} as reported",
                "revision": next_revision(known.revision, now),
                "late": late,
                "servers": [],
            }
        ),
    )


def end(scheduler: WaveScheduler, wave_id: str, status: WaveStatus, *, now: float = NOW) -> None:
    """Start a wave and let it end."""
    scheduler.start(wave_id, now=now)
    assert scheduler.report(report_of(scheduler, wave_id, status, now=now), now=now)


def ids(waves: Iterable[WaveState]) -> list[str]:
    return [each.wave_id for each in waves]


def satisfied(scheduler: WaveScheduler, wave_id: str) -> bool:
    graph = scheduler.plan.graph
    return all(scheduler.wave(d).status.satisfies for d in graph.dependencies_of(wave_id))


def run_to_end(scheduler: WaveScheduler, outcomes: dict[str, WaveStatus]) -> list[str]:
    """Run everything, each wave ending as `outcomes` says; the order of the starts."""
    started: list[str] = []
    while not scheduler.all_settled:
        ready = scheduler.ready()
        assert ready, "waves are open, but none can start"
        for each in ready:
            end(scheduler, each.wave_id, outcomes.get(each.wave_id, WaveStatus.COMPLETED))
            started.append(each.wave_id)
    return started


# Examples


def test_waves_without_dependencies_start_at_once_and_together() -> None:
    scheduler = begin(plan_of({"db": [], "cache": [], "app": ["db", "cache"]}))
    assert ids(scheduler.ready()) == ["db", "cache"]
    assert scheduler.wave("app").status is WaveStatus.WAITING
    assert scheduler.wave("app").status_reason == "Waiting for db, cache"


def test_a_waiting_wave_names_only_what_it_still_waits_for() -> None:
    scheduler = begin(plan_of({"db": [], "cache": [], "app": ["db", "cache"]}))
    end(scheduler, "db", WaveStatus.COMPLETED)
    assert scheduler.wave("app").status_reason == "Waiting for cache"
    assert ids(scheduler.ready()) == ["cache"]


@pytest.mark.parametrize("phase", [StepPhase.ALONE, StepPhase.PRE_LAUNCH, StepPhase.POST_LAUNCH])
def test_a_wave_that_begins_with_a_step_waits_for_that_and_not_for_drs(phase: StepPhase) -> None:
    scheduler = begin(plan_of({"cutover": []}))
    step = StepState(step_id="dns", kind=StepKind.ROUTE53_RECORD, phase=phase)
    scheduler.wave("cutover").steps = [step]
    begun = scheduler.start("cutover", now=NOW)
    is_first = phase is not StepPhase.POST_LAUNCH
    assert begun.waiting_for is (WaitingFor.STEP if is_first else WaitingFor.LAUNCH)
    assert begun.status_reason.endswith("its first step" if is_first else "accept the launch")


def test_a_wave_without_servers_waits_for_no_launch_where_a_drill_leaves_its_steps_out() -> None:
    scheduler = begin(plan_of({"cutover": []}))
    left_out = StepState(
        step_id="dns",
        kind=StepKind.ROUTE53_RECORD,
        phase=StepPhase.ALONE,
        status=StepStatus.NOT_TESTED,
    )
    wave = scheduler.wave("cutover")
    wave.servers, wave.steps = [], [left_out]
    assert scheduler.start("cutover", now=NOW).waiting_for is WaitingFor.STEP


def test_a_slow_wave_holds_back_only_what_depends_on_it() -> None:
    scheduler = begin(plan_of({"db": [], "slow": [], "app": ["db"], "web": ["slow"]}))
    scheduler.start("slow", now=NOW)
    end(scheduler, "db", WaveStatus.COMPLETED)
    assert ids(scheduler.ready()) == ["app"]


def test_a_failed_wave_skips_all_that_is_downstream_with_the_reason() -> None:
    scheduler = begin(diamond())
    end(scheduler, "db", WaveStatus.FAILED)
    for wave_id in ("app1", "app2", "web"):
        skipped = scheduler.wave(wave_id)
        assert skipped.status is WaveStatus.SKIPPED
        assert skipped.status_reason == "Skipped because db FAILED"
        assert skipped.caused_by == ["db"]
    assert scheduler.all_settled


def test_a_wave_with_two_failed_dependencies_names_both() -> None:
    scheduler = begin(diamond())
    end(scheduler, "db", WaveStatus.COMPLETED)
    end(scheduler, "app1", WaveStatus.FAILED)
    end(scheduler, "app2", WaveStatus.TIMED_OUT)
    assert scheduler.wave("web").status_reason == "Skipped because app1 FAILED, app2 TIMED_OUT"


def test_a_wave_whose_workflow_is_lost_fails_with_the_reason_and_skips_its_dependents() -> None:
    scheduler = begin(diamond())
    scheduler.start("db", now=NOW)
    scheduler.fail("db", "Its workflow was terminated", now=NOW + 5)
    assert scheduler.wave("db").status is WaveStatus.FAILED
    assert scheduler.wave("db").status_reason == "Its workflow was terminated"
    assert scheduler.wave("web").status is WaveStatus.SKIPPED
    scheduler.close(now=NOW + 6)
    assert scheduler.state.status is PlanStatus.FAILED
    assert scheduler.state.end_time == NOW + 6


def test_a_retried_wave_keeps_each_attempt_and_counts_its_duration_from_the_first_one() -> None:
    scheduler = begin(plan_of({"db": []}))
    for number, (ended, status) in enumerate(
        [(NOW + 600, WaveStatus.FAILED), (NOW + 960, WaveStatus.TIMED_OUT)], start=1
    ):
        wave = scheduler.start("db", now=ended - 300)
        assert wave.start_time is None
        report = report_of(scheduler, "db", status, now=ended)
        report.wave.start_time, report.wave.end_time = ended - 300, ended
        scheduler.report(report, now=ended)
        assert [a.number for a in wave.attempts] == list(range(1, number + 1))
        scheduler.reopen("db", "Retry by ops", now=ended + 1)
        assert [a.number for a in wave.attempts] == list(range(1, number + 1))
        assert wave.total_duration is None
    scheduler.start("db", now=NOW + 1000)
    assert [attempt_text(each) for each in wave.attempts] == [
        "attempt 1 FAILED after 5 min: FAILED as reported",
        "attempt 2 TIMED_OUT after 5 min: TIMED_OUT as reported",
        "attempt 3 WAITING: Waiting for DRS to accept the launch",
    ]
    wave.start_time = NOW + 1100
    wave.ended(WaveStatus.COMPLETED, "every server is launched", at=NOW + 1500)
    assert (wave.total_duration, wave.completion_duration) == (1200, 400)


def test_a_retry_that_is_cancelled_has_no_running_clock_and_counts_to_its_last_end() -> None:
    plan = plan_of({"db": []})
    plan.waves[0].retries = 2
    scheduler = begin(plan)
    for ended in (NOW + 600, NOW + 960):
        wave = scheduler.start("db", now=ended - 300)
        report = report_of(scheduler, "db", WaveStatus.FAILED, now=ended)
        report.wave.start_time, report.wave.end_time = ended - 300, ended
        scheduler.report(report, now=ended)
    assert (wave.waiting_for, wave.running_since) == (WaitingFor.RETRY, None)
    scheduler.cancel("Cancelled by ops", now=NOW + 965)
    assert (wave.status, wave.end_time) == (WaveStatus.CANCELLED, None)
    assert (wave.running_since, wave.total_duration) == (None, 660)


def test_a_clock_runs_only_while_a_wave_is_not_settled() -> None:
    scheduler = begin(plan_of({"db": []}))
    wave = scheduler.start("db", now=NOW)
    wave.start_time, wave.status = NOW + 10, WaveStatus.IN_PROGRESS
    assert (wave.running_since, wave.total_duration) == (NOW + 10, None)
    # Its workflow does not confirm the cancellation, so its end is not known.
    scheduler.cancel_running("db", "Cancelled by ops", now=NOW + 20)
    assert (wave.running_since, wave.total_duration) == (None, None)


def test_a_wave_that_waits_shows_what_is_taken_over_and_counts_no_time_for_it() -> None:
    plan = plan_of({"db": [], "app": ["db"]})
    plan.waves[1].servers[0].impact = Impact.OPTIONAL
    scheduler = begin(plan)
    (app,) = scheduler.wave("app").servers
    up = app.model_copy(update={"recovery_job_id": "drsjob-1"})
    up.launch_status, up.verified = LaunchStatus.LAUNCHED, Verified.YES
    up.impact = Impact.CRITICAL
    other = up.model_copy(update={"source_server_id": "s-of-no-wave"})
    (db,) = scheduler.wave("db").servers
    open_ = {"launch_status": LaunchStatus.IN_PROGRESS, "recovery_job_id": "drsjob-2"}
    scheduler.take_over([up, other, db.model_copy(update=open_)], now=NOW)
    # A later execution that continues this one finds it, even if this one launches nothing.
    assert scheduler.wave("db").job_ids == ("drsjob-2",)
    assert scheduler.wave("db").open_job_ids == ()
    wave = scheduler.wave("app")
    # It counts as up only when its wave has checked it.
    assert (wave.status, wave.launched_count, wave.recorded_count) == (WaveStatus.WAITING, 0, 1)
    (shown,) = wave.servers
    assert (shown.verified, shown.taken_over, shown.impact) == (None, True, Impact.OPTIONAL)
    assert "1 recorded as up by an earlier execution, not checked again yet" in wave_notes(wave)
    assert wave.open_job_ids == ()
    assert expected_seconds(plan.waves[1], {}, up=wave.launched_ids) == 0
    wave.expected_seconds = 0.0
    assert remaining(scheduler.state, now=NOW).seconds == DEFAULT_SERVER_SECONDS


def test_of_many_attempts_the_first_and_the_latest_are_kept() -> None:
    scheduler = begin(plan_of({"db": []}))
    for _ in range(30):
        end(scheduler, "db", WaveStatus.FAILED)
        scheduler.reopen("db", "Retry by ops", now=NOW)
    wave = scheduler.start("db", now=NOW)
    assert [a.number for a in wave.attempts] == [1, *range(12, 32)]


def test_a_report_carries_only_the_servers_that_changed() -> None:
    scheduler = begin(diamond())
    scheduler.start("db", now=NOW)
    (server,) = scheduler.wave("db").servers
    report = report_of(scheduler, "db", WaveStatus.IN_PROGRESS, now=NOW)
    changed = server.model_copy(update={"launch_status": LaunchStatus.IN_PROGRESS})
    report.wave.servers = [changed, ServerResult(source_server_id="s-0000000000000beef")]
    assert scheduler.report(report, now=NOW)
    assert scheduler.report(report_of(scheduler, "db", WaveStatus.IN_PROGRESS, now=NOW), now=NOW)
    assert scheduler.wave("db").servers == [changed]


def test_late_completion_makes_the_skipped_waves_pending_again() -> None:
    scheduler = begin(diamond())
    end(scheduler, "db", WaveStatus.TIMED_OUT)
    assert scheduler.ready() == []
    report = report_of(scheduler, "db", WaveStatus.COMPLETED, now=NOW + 9, late=True)
    assert scheduler.report(report, now=NOW + 9)
    assert scheduler.wave("db").late
    assert ids(scheduler.ready()) == ["app1", "app2"]
    assert scheduler.wave("web").status_reason == "Waiting for app1, app2"
    assert scheduler.wave("web").caused_by == []
    run_to_end(scheduler, {})
    scheduler.close(now=NOW + 10)
    assert scheduler.state.status is PlanStatus.COMPLETED


def test_late_completion_leaves_skipped_what_another_failure_holds_back() -> None:
    scheduler = begin(plan_of({"a": [], "b": [], "of-a": ["a"], "of-both": ["a", "b"]}))
    end(scheduler, "a", WaveStatus.TIMED_OUT)
    end(scheduler, "b", WaveStatus.FAILED)
    scheduler.report(report_of(scheduler, "a", WaveStatus.COMPLETED, now=NOW + 9), now=NOW + 9)
    assert ids(scheduler.ready()) == ["of-a"]
    assert scheduler.wave("of-both").status_reason == "Skipped because b FAILED"


def test_a_wave_that_fails_after_it_was_complete_stops_only_what_has_not_started() -> None:
    scheduler = begin(diamond())
    end(scheduler, "db", WaveStatus.COMPLETED)
    scheduler.start("app1", now=NOW)
    scheduler.report(report_of(scheduler, "db", WaveStatus.FAILED, now=NOW + 9), now=NOW + 9)
    assert scheduler.wave("app1").status is WaveStatus.WAITING
    assert scheduler.wave("app1").attempt == 1
    assert scheduler.wave("app2").status is WaveStatus.SKIPPED
    assert scheduler.wave("web").status is WaveStatus.SKIPPED


def test_cancelling_cancels_what_was_not_started_and_launches_nothing_new() -> None:
    scheduler = begin(diamond())
    scheduler.start("db", now=NOW)
    scheduler.cancel("enough", now=NOW + 1)
    assert scheduler.ready() == []
    assert ids(scheduler.running()) == ["db"]
    for wave_id in ("app1", "app2", "web"):
        assert scheduler.wave(wave_id).status is WaveStatus.CANCELLED
        assert scheduler.wave(wave_id).status_reason == "enough"
    scheduler.report(report_of(scheduler, "db", WaveStatus.COMPLETED, now=NOW + 2), now=NOW + 2)
    assert scheduler.ready() == []
    assert scheduler.wave("app1").status is WaveStatus.CANCELLED
    scheduler.close(now=NOW + 3)
    assert scheduler.state.status is PlanStatus.CANCELLED


def test_a_wave_that_does_not_confirm_its_cancellation_is_cancelled() -> None:
    scheduler = begin(diamond())
    scheduler.start("db", now=NOW)
    scheduler.cancel("enough", now=NOW + 1)
    scheduler.cancel_running("db", "no answer", now=NOW + 61)
    assert scheduler.running() == []
    assert scheduler.all_settled
    assert scheduler.wave("db").status_reason == "no answer"
    scheduler.report(report_of(scheduler, "db", WaveStatus.COMPLETED, now=NOW + 99), now=NOW + 99)
    assert scheduler.wave("db").status is WaveStatus.CANCELLED


def test_after_a_reset_the_reports_of_the_running_attempt_count() -> None:
    scheduler = begin(diamond())
    scheduler.start("db", now=NOW + 100)
    lived_on = report_of(scheduler, "db", WaveStatus.COMPLETED, now=NOW)
    lived_on.wave.revision = int(NOW * 1000)
    assert not scheduler.report(lived_on, now=NOW + 101)
    scheduler.attach("db")
    assert scheduler.report(lived_on, now=NOW + 102)
    assert scheduler.wave("db").status is WaveStatus.COMPLETED
    assert ids(scheduler.ready()) == ["app1", "app2"]


def test_a_scheduler_continues_from_a_deserialized_state() -> None:
    before = begin(diamond())
    end(before, "db", WaveStatus.COMPLETED)
    before.start("app1", now=NOW)
    stored = ExecutionState.model_validate_json(before.state.model_dump_json())
    after = WaveScheduler(before.plan, stored)
    assert ids(after.ready()) == ["app2"]
    assert ids(after.running()) == ["app1"]
    assert after.state == before.state


# Reports that must change nothing


def _of_another_execution(report: WaveReport) -> None:
    report.execution_id = "crm-2"


def _of_an_unknown_wave(report: WaveReport) -> None:
    report.wave.wave_id = "nowhere"


def _of_an_earlier_attempt(report: WaveReport) -> None:
    report.wave.attempt -= 1


def _of_a_later_attempt(report: WaveReport) -> None:
    report.wave.attempt += 1


def _out_of_date(report: WaveReport) -> None:
    report.wave.revision -= 10


@pytest.mark.parametrize(
    "spoil",
    [
        _of_another_execution,
        _of_an_unknown_wave,
        _of_an_earlier_attempt,
        _of_a_later_attempt,
        _out_of_date,
    ],
)
def test_a_report_that_is_not_for_us_changes_nothing(spoil: object) -> None:
    scheduler = begin(diamond())
    scheduler.start("db", now=NOW)
    report = report_of(scheduler, "db", WaveStatus.COMPLETED, now=NOW)
    assert callable(spoil)
    spoil(report)
    before = scheduler.state.model_copy(deep=True)
    assert not scheduler.report(report, now=NOW + 1)
    assert scheduler.state == before


def test_a_report_that_comes_twice_counts_once() -> None:
    scheduler = begin(diamond())
    scheduler.start("db", now=NOW)
    report = report_of(scheduler, "db", WaveStatus.COMPLETED, now=NOW)
    assert scheduler.report(report, now=NOW)
    before = scheduler.state.model_copy(deep=True)
    assert not scheduler.report(report, now=NOW + 1)
    assert scheduler.state == before


@given(st.integers(0, 2**53), st.floats(0, 1e11))
def test_a_revision_is_newer_than_the_one_before_and_than_any_earlier_moment(
    previous: int, now: float
) -> None:
    revision = next_revision(previous, now)
    assert revision > previous
    assert revision >= int(now * 1000)


# Random plans


@given(dependency_maps(), st.data())
@settings(max_examples=60)
def test_the_outcome_does_not_depend_on_the_order_of_the_file(
    dependencies: dict[str, list[str]], data: st.DataObject
) -> None:
    names = list(dependencies)
    outcomes = {name: data.draw(st.sampled_from(ENDS)) for name in names}
    shuffled = data.draw(st.permutations(names))
    results = []
    for order in (names, shuffled):
        scheduler = begin(plan_of({name: dependencies[name] for name in order}))
        started = run_to_end(scheduler, outcomes)
        scheduler.close(now=NOW)
        results.append(
            (
                set(started),
                {w.wave_id: (w.status, sorted(w.caused_by)) for w in scheduler.state.waves},
                scheduler.state.status,
            )
        )
    assert results[0] == results[1]


@given(dependency_maps(), st.data())
@settings(max_examples=60)
def test_a_failure_skips_exactly_the_waves_downstream_of_it(
    dependencies: dict[str, list[str]], data: st.DataObject
) -> None:
    names = list(dependencies)
    losses = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)
    lost = {n: data.draw(st.sampled_from(losses)) for n in names if data.draw(st.booleans())}
    scheduler = begin(plan_of(dependencies))
    started = run_to_end(scheduler, lost)
    graph = scheduler.plan.graph
    really_lost = [name for name in lost if name in started]
    downstream = {below for name in really_lost for below in graph.downstream_of(name)}
    skipped = {w.wave_id for w in scheduler.state.waves if w.status is WaveStatus.SKIPPED}
    assert skipped == downstream
    assert set(started) == set(names) - downstream
    for wave_id in skipped:
        roots = {name for name in really_lost if wave_id in graph.downstream_of(name)}
        assert set(scheduler.wave(wave_id).caused_by) == roots


@given(dependency_maps(), st.data())
@settings(max_examples=60)
def test_late_completion_of_every_failed_wave_runs_the_whole_plan(
    dependencies: dict[str, list[str]], data: st.DataObject
) -> None:
    names = list(dependencies)
    lost = {n: WaveStatus.TIMED_OUT for n in names if data.draw(st.booleans())}
    scheduler = begin(plan_of(dependencies))
    started = run_to_end(scheduler, lost)
    now = NOW
    while late := [w for w in scheduler.state.waves if w.status is WaveStatus.TIMED_OUT]:
        now += 1
        chosen = data.draw(st.sampled_from(late)).wave_id
        report = report_of(scheduler, chosen, WaveStatus.COMPLETED, now=now, late=True)
        assert scheduler.report(report, now=now)
        started += run_to_end(scheduler, lost)
    assert sorted(started) == sorted(names)
    assert all(w.status is WaveStatus.COMPLETED for w in scheduler.state.waves)
    assert all(w.attempt == 1 for w in scheduler.state.waves)


def test_long_chains_run_in_order_and_are_skipped_to_their_end() -> None:
    def chain(length: int) -> tuple[list[str], WaveScheduler]:
        names = [f"w{n}" for n in range(length)]
        after = {name: names[n - 1 : n] if n else [] for n, name in enumerate(names)}
        return names, begin(plan_of(after))

    names, scheduler = chain(200)
    assert run_to_end(scheduler, {}) == names
    _, scheduler = chain(1000)
    assert run_to_end(scheduler, {"w0": WaveStatus.FAILED}) == ["w0"]
    assert scheduler.wave("w999").caused_by == ["w0"]


class Execution(RuleBasedStateMachine):
    """Anything that may happen to an execution, in any order."""

    @initialize(dependencies=dependency_maps(), seed=st.integers(0, 2**32))
    def begin(self, dependencies: dict[str, list[str]], seed: int) -> None:
        self.scheduler = begin(plan_of(dependencies))
        self.random = random.Random(seed)
        self.now = NOW
        self.started: list[str] = []
        self.cancelled = False
        self.past: list[WaveReport] = []
        self.revisions = {w.wave_id: w.revision for w in self.scheduler.state.waves}
        self.revision = self.scheduler.state.revision

    def started_waves(self) -> list[WaveState]:
        return [w for w in self.scheduler.state.waves if w.attempt]

    @precondition(lambda self: self.scheduler.ready())
    @rule(everything=st.booleans())
    def start(self, everything: bool) -> None:
        ready = self.scheduler.ready()
        for each in ready if everything else [self.random.choice(ready)]:
            assert not self.cancelled, "a cancelled plan launches nothing new"
            assert satisfied(self.scheduler, each.wave_id)
            assert each.wave_id not in self.started
            self.scheduler.start(each.wave_id, now=self.now)
            self.started.append(each.wave_id)

    @precondition(lambda self: self.started_waves())
    @rule(status=st.sampled_from([*ENDS, WaveStatus.IN_PROGRESS, WaveStatus.WAITING]))
    def report(self, status: WaveStatus) -> None:
        chosen = self.random.choice(self.started_waves())
        was = chosen.status
        report = report_of(self.scheduler, chosen.wave_id, status, now=self.now)
        self.past.append(report.model_copy(deep=True))
        assert self.scheduler.report(report, now=self.now)
        expected = WaveStatus.CANCELLED if was is WaveStatus.CANCELLED else status
        assert self.scheduler.wave(chosen.wave_id).status is expected

    @precondition(lambda self: self.past)
    @rule(mine=st.booleans())
    def repeat(self, mine: bool) -> None:
        report = self.random.choice(self.past).model_copy(deep=True)
        if not mine:
            report.execution_id = "another"
            report.wave.revision += 10**15
        before = self.scheduler.state.model_copy(deep=True)
        assert not self.scheduler.report(report, now=self.now)
        assert self.scheduler.state == before

    @precondition(lambda self: self.scheduler.running())
    @rule()
    def lose(self) -> None:
        chosen = self.random.choice(self.scheduler.running())
        self.scheduler.fail(chosen.wave_id, "lost", now=self.now)

    @precondition(lambda self: not self.cancelled and self.started)
    @rule()
    def cancel(self) -> None:
        self.cancelled = True
        self.scheduler.cancel("enough", now=self.now)

    @rule(seconds=st.sampled_from([0.0, 0.0001, 1.0, 3600.0, -5.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def what_was_not_started_follows_from_its_dependencies(self) -> None:
        graph = self.scheduler.plan.graph
        for each in self.scheduler.state.waves:
            if each.attempt:
                continue
            above = [self.scheduler.wave(d) for d in graph.dependencies_of(each.wave_id)]
            lost = [w for w in above if w.status.is_settled and not w.status.satisfies]
            if self.cancelled:
                assert each.status in (WaveStatus.CANCELLED, WaveStatus.SKIPPED)
            elif lost:
                assert each.status is WaveStatus.SKIPPED
                assert each.caused_by
            elif all(w.status.satisfies for w in above):
                assert each.status is WaveStatus.PENDING
            else:
                assert each.status is WaveStatus.WAITING
                awaited = [w.wave_name for w in above if not w.status.satisfies]
                assert all(name in each.status_reason for name in awaited[:10])
                assert each.status_reason.endswith(" more") is (len(awaited) > 10)

    @invariant()
    def revisions_only_grow(self) -> None:
        for each in self.scheduler.state.waves:
            assert each.revision >= self.revisions[each.wave_id]
            self.revisions[each.wave_id] = each.revision
        assert self.scheduler.state.revision >= self.revision
        self.revision = self.scheduler.state.revision

    @invariant()
    def a_started_wave_is_running_or_settled(self) -> None:
        running = ids(self.scheduler.running())
        for each in self.started_waves():
            assert each.status.is_settled != (each.wave_id in running)

    def teardown(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        for each in self.scheduler.running():
            report = report_of(self.scheduler, each.wave_id, WaveStatus.COMPLETED, now=self.now)
            self.scheduler.report(report, now=self.now)
        run_to_end(self.scheduler, {})
        assert self.scheduler.all_settled
        self.scheduler.close(now=self.now)
        assert self.scheduler.state.status is not PlanStatus.IN_PROGRESS


Execution.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_an_execution_survives_anything_in_any_order = Execution.TestCase


def test_a_retry_after_its_approval_has_expired_waits_for_a_new_one() -> None:
    plan = plan_of({"db": []})
    plan.waves[0].approval_required = True
    scheduler = begin(plan)
    scheduler.decide(
        "db", now=NOW, approved_by=OperatorDecision(actor="a", time=NOW, expires=NOW + 60)
    )
    end(scheduler, "db", WaveStatus.FAILED)
    scheduler.reopen("db", "Retry by ops", now=NOW + 120)
    assert scheduler.wave("db").waiting_for is WaitingFor.APPROVAL
    scheduler.decide("db", now=NOW + 130, approved_by=OperatorDecision(actor="b", time=NOW + 130))
    assert [wave.wave_id for wave in scheduler.ready()] == ["db"]
