"""A forecast as JSON."""

from recovery.base_model import Model
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import wave_seconds
from recovery.forecast.simulation import Forecast, PlanForecast


class WaveExpectation(Model):
    """When a wave is expected to run; seconds after the plans' common start.

    Attributes:
        expected_seconds: from acceptance until its slowest server is up.
        learned_servers: the number of servers with a duration from the history.
        ready_seconds: when its last dependency is up.
        start_seconds: when its first server is launched.
        end_seconds: when its last server is up.
    """

    wave_id: str
    expected_seconds: float
    learned_servers: int
    ready_seconds: float
    start_seconds: float
    end_seconds: float


class SplitAdvice(Model):
    """A wave that should be split.

    Attributes:
        server_ids: the servers that are slower than its others.
        saves_seconds: how much shorter the plan is if nothing waits for them.
    """

    wave_id: str
    server_ids: list[str]
    saves_seconds: float


class PlanExpectation(Model):
    """How long a plan is expected to take.

    Attributes:
        seconds_alone: its critical path.
        seconds_at_once: together with the other requested plans, under the quotas.
    """

    plan_id: str
    seconds_alone: float
    seconds_at_once: float
    critical_path: list[str]
    waves: list[WaveExpectation]
    split: SplitAdvice | None = None


class ForecastReport(Model):
    """How long plans are expected to take that start together.

    Attributes:
        seconds: until the last wave of all is up.
        jobs: the number of DRS jobs.
    """

    seconds: float
    jobs: int
    plans: list[PlanExpectation]

    @classmethod
    def of(cls, found: Forecast, known: LearnedDurations) -> "ForecastReport":
        """The report of a forecast that was made with these durations."""
        plans = [_plan(each, known) for each in found.plans]
        return cls(seconds=found.seconds, jobs=found.jobs, plans=plans)


def _plan(each: PlanForecast, known: LearnedDurations) -> PlanExpectation:
    split, durations = each.split, known.durations
    return PlanExpectation(
        plan_id=each.plan.plan_id,
        seconds_alone=each.alone.seconds,
        seconds_at_once=each.seconds,
        critical_path=list(each.alone.waves),
        waves=[
            WaveExpectation(
                wave_id=wave.wave_id,
                expected_seconds=wave_seconds(wave, durations),
                learned_servers=sum(server in known.servers for server in wave.server_ids),
                ready_seconds=each.waves[wave.wave_id].ready,
                start_seconds=each.waves[wave.wave_id].start,
                end_seconds=each.waves[wave.wave_id].end,
            )
            for wave in each.plan.waves
        ],
        split=split
        and SplitAdvice(
            wave_id=split.wave_id, server_ids=list(split.servers), saves_seconds=split.saves
        ),
    )
