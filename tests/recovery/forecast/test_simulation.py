"""The forecast plays graph and quotas through: never faster than either allows."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import (
    DEFAULT_SERVER_SECONDS,
    DEFAULT_STEP_SECONDS,
    EARLIEST_SERVER_SECONDS,
    earliest_seconds,
    wave_seconds,
)
from recovery.forecast.report import ForecastReport, PlanExpectation, WaveExpectation
from recovery.forecast.simulation import JOB_TAIL_SECONDS, START_DELAY_SECONDS, forecast
from recovery.launch.admission import Quotas
from recovery.plan.model import Dependency, RecoveryPlan, Server, Wave
from recovery.steps.model import StepKind
from tests.recovery.plans import dependency_maps, server_id
from tests.recovery.step_plans import plan_with_steps, read, step

REGION = "us-west-2"


def plan(dependencies: dict[str, list[str]], *, number: int = 0, servers: int = 1) -> RecoveryPlan:
    """A plan of waves of so many servers each, whose IDs no other `number` has."""
    return RecoveryPlan(
        plan_id=f"p{number}",
        region=REGION,
        waves=[
            Wave(
                wave_id=wave_id,
                servers=[
                    Server(source_server_id=server_id((number * 100 + place) * 1000 + each))
                    for each in range(servers)
                ],
                dependencies=[Dependency(depends_on_wave_id=each) for each in needed],
                region=REGION,
            )
            for place, (wave_id, needed) in enumerate(dependencies.items())
        ],
    )


def by_id(expected: PlanExpectation) -> dict[str, WaveExpectation]:
    return {wave.wave_id: wave for wave in expected.waves}


def chain(length: int) -> dict[str, list[str]]:
    return {f"w{n}": [f"w{n - 1}"] if n else [] for n in range(length)}


def test_a_wave_is_not_expected_before_its_fastest_server() -> None:
    (wave,) = plan({"database": []}, servers=2).waves
    first, second = wave.server_ids
    assert earliest_seconds(wave, {}) == EARLIEST_SERVER_SECONDS
    assert earliest_seconds(wave, {first: 900.0}) == EARLIEST_SERVER_SECONDS
    assert earliest_seconds(wave, {first: 900.0, second: 400.0}) == 400.0


@st.composite
def several(draw: st.DrawFn) -> tuple[list[RecoveryPlan], dict[str, float]]:
    """Plans and what their servers take; of some it is not known."""
    maps = draw(st.lists(dependency_maps(6).filter(bool), min_size=1, max_size=4))
    plans = [
        plan(each, number=number, servers=draw(st.integers(1, 8)))
        for number, each in enumerate(maps)
    ]
    seconds = st.none() | st.integers(60, 3000)
    times = {s: draw(seconds) for p in plans for w in p.waves for s in w.server_ids}
    return plans, {server: float(t) for server, t in times.items() if t is not None}


QUOTAS = st.builds(
    Quotas, jobs=st.integers(1, 5), servers=st.integers(1, 30), servers_per_job=st.integers(1, 10)
)


@given(several(), QUOTAS)
def test_every_wave_comes_up_in_order_and_the_quotas_hold_at_every_moment(
    drawn: tuple[list[RecoveryPlan], dict[str, float]], quotas: Quotas
) -> None:
    plans, durations = drawn
    found = forecast(plans, LearnedDurations(servers=durations), quotas)
    for plan_, expected in zip(plans, found.plans, strict=True):
        waves = by_id(expected)
        assert list(waves) == [w.wave_id for w in plan_.waves]
        assert expected.seconds_at_once >= expected.seconds_alone
        for wave in plan_.waves:
            times = waves[wave.wave_id]
            assert all(waves[d].end_seconds <= times.ready_seconds for d in wave.depends_on)
            assert times.ready_seconds < times.start_seconds <= times.last_start_seconds
            assert times.last_start_seconds < times.end_seconds
            assert times.end_seconds - times.start_seconds >= max(
                durations.get(s, DEFAULT_SERVER_SECONDS) for s in wave.server_ids[:1]
            )
    work = sum(
        durations.get(s, DEFAULT_SERVER_SECONDS)
        for p in plans
        for w in p.waves
        for s in w.server_ids
    )
    assert found.seconds >= work / quotas.servers
    assert found.seconds * quotas.jobs * quotas.servers_per_job >= work
    assert _most_at_once(plans, found, quotas) <= quotas.servers


def _most_at_once(plans: list[RecoveryPlan], found: ForecastReport, quotas: Quotas) -> int:
    """How many servers of waves that one job launched were on their way at one moment."""
    whole = [
        (times, len(wave.servers))
        for plan_, expected in zip(plans, found.plans, strict=True)
        for wave, times in zip(plan_.waves, expected.waves, strict=True)
        if times.start_seconds == times.last_start_seconds
        and len(wave.servers) <= quotas.servers_per_job
    ]
    return max(
        (
            sum(
                n
                for other, n in whole
                if other.start_seconds <= times.start_seconds < other.end_seconds
            )
            for times, _ in whole
        ),
        default=0,
    )


def test_with_enough_quota_a_plan_takes_its_critical_path() -> None:
    diamond = {"db": [], "app1": ["db"], "app2": ["db"], "web": ["app1", "app2"]}
    (expected,) = forecast([plan(diamond)], LearnedDurations(), Quotas()).plans
    assert expected.seconds_alone == 3 * DEFAULT_SERVER_SECONDS
    assert expected.seconds_at_once == expected.seconds_alone + 3 * START_DELAY_SECONDS
    waves = by_id(expected)
    assert waves["app1"].start_seconds == waves["app2"].start_seconds
    assert waves["web"].waiting_seconds == START_DELAY_SECONDS


def test_waves_beyond_the_job_quota_wait_for_a_job_to_end() -> None:
    quotas = Quotas(jobs=2, servers_per_job=1)
    found = forecast([plan({f"w{n}": [] for n in range(5)})], LearnedDurations(), quotas)
    starts = sorted(wave.start_seconds for wave in found.plans[0].waves)
    next_ = START_DELAY_SECONDS + DEFAULT_SERVER_SECONDS + JOB_TAIL_SECONDS
    last = next_ + DEFAULT_SERVER_SECONDS + JOB_TAIL_SECONDS
    assert starts == pytest.approx([START_DELAY_SECONDS] * 2 + [next_] * 2 + [last])
    assert found.jobs == 5


def test_the_plan_that_cannot_wait_is_forecast_first_by_priority_and_then_by_rto() -> None:
    plans = [plan({"db": []}, number=n) for n in range(3)]
    # It meets its RTO only if it starts at once.
    plans[1] = plans[1].model_copy(update={"rto": int(DEFAULT_SERVER_SECONDS / 60)})
    plans[2] = plans[2].model_copy(update={"priority": 1})
    found = forecast(plans, LearnedDurations(), Quotas(jobs=1, servers_per_job=1))
    last, second, first = (each.waves[0].start_seconds for each in found.plans)
    assert first < second < last


def test_a_wave_larger_than_the_quota_comes_up_in_parts() -> None:
    quotas = Quotas(servers=10, servers_per_job=5)
    found = forecast([plan({"all": []}, servers=25)], LearnedDurations(), quotas)
    (wave,) = found.plans[0].waves
    assert found.jobs == 5
    assert wave.last_start_seconds - wave.start_seconds == pytest.approx(
        2 * (DEFAULT_SERVER_SECONDS + JOB_TAIL_SECONDS)
    )


def test_a_hundred_plans_at_once_are_forecast_under_the_quotas() -> None:
    plans = [plan(chain(4), number=number, servers=4) for number in range(100)]
    found = forecast(plans, LearnedDurations(), Quotas())
    # One job a wave, 20 jobs at a time, would be 20 rounds instead of 4.
    assert found.seconds == pytest.approx(4 * DEFAULT_SERVER_SECONDS, rel=0.01)
    assert found.jobs < 100


def learned(of: RecoveryPlan, seconds: Sequence[float]) -> LearnedDurations:
    """What the servers of the first wave take."""
    return LearnedDurations(servers=dict(zip(of.waves[0].server_ids, seconds, strict=True)))


def test_a_wave_with_one_slow_server_is_the_one_to_split() -> None:
    found = plan(chain(2), servers=3)
    durations = learned(found, [500.0, 520.0, 1500.0])
    (expected,) = forecast([found], durations, Quotas()).plans
    assert wave_seconds(found.waves[0], durations.servers) == 1500.0
    assert expected.split is not None
    assert expected.split.wave_id == "w0"
    assert expected.split.server_ids == [found.waves[0].server_ids[2]]
    # The slow server itself is up after 1,500 s whatever waits for it.
    assert expected.split.saves_seconds == pytest.approx(1500.0 + DEFAULT_SERVER_SECONDS - 1500.0)


def test_a_slow_server_that_nothing_waits_for_is_not_worth_a_split() -> None:
    found = plan({"w0": []}, servers=3)
    (expected,) = forecast([found], learned(found, [500.0, 520.0, 1500.0]), Quotas()).plans
    assert expected.split is None


def test_steps_take_their_time_before_and_after_a_launch() -> None:
    around = plan_with_steps(
        [step(StepKind.TCP, "up")],
        before=[step(StepKind.MANUAL, "fence"), step(StepKind.LAMBDA, "drill", When="DRILL")],
        cutover=[step(StepKind.LAMBDA, "dns")],
    )
    plan = read(around)
    learned = LearnedDurations(steps={"shop": {"db/fence": 1000.0}, "other": {"db/up": 9.0}})
    (found,) = forecast([plan], learned, Quotas(jobs=20, servers=500, servers_per_job=100)).plans
    db, cutover = (by_id(found)[wave_id] for wave_id in ("db", "cutover"))
    whole = 1000.0 + DEFAULT_SERVER_SECONDS + 20.0
    assert db.expected_seconds == whole
    assert db.waiting_seconds == pytest.approx(START_DELAY_SECONDS)
    assert db.end_seconds == pytest.approx(START_DELAY_SECONDS + whole)
    assert cutover.expected_seconds == DEFAULT_STEP_SECONDS
    assert found.critical_path == ["db", "cutover"]
    assert found.seconds_alone == whole + DEFAULT_STEP_SECONDS
    assert found.seconds_at_once == pytest.approx(found.seconds_alone + 2 * START_DELAY_SECONDS)
