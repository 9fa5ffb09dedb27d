"""Simulates plans with expected durations, under the wave graph and the quotas."""

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from recovery.forecast.estimates import (
    DEFAULT_SERVER_SECONDS,
    Durations,
    slowest_seconds,
    wave_seconds,
)
from recovery.launch.admission import (
    SERVERS_PER_LAUNCH,
    AdmissionRequest,
    PlannedJob,
    Quotas,
    admit,
)
from recovery.plan.graph import CriticalPath
from recovery.plan.model import RecoveryPlan, Target, Wave

# Source: the same drill, last LAUNCH_END to JOB_END.
JOB_TAIL_SECONDS = 3.0
# An upper bound of the time from a wave's last dependency being up to its own StartRecovery.
START_DELAY_SECONDS = 1.0


@dataclass(frozen=True)
class WaveForecast:
    """When a wave is expected to run; seconds after the plans' common start.

    Attributes:
        ready: when its last dependency is up.
        start: when its first server is launched.
        end: when its last server is up.
        last_start: when its last server is launched.
    """

    ready: float
    start: float
    last_start: float
    end: float

    @property
    def waits(self) -> float:
        """Seconds for which some of its servers wait for a quota."""
        return self.last_start - self.ready


@dataclass(frozen=True)
class Split:
    """A wave on the critical path whose slowest servers determine its duration.

    Attributes:
        servers: the slowest servers.
        saves: seconds by which the plan is shorter if nothing waits for them.
    """

    wave_id: str
    servers: tuple[str, ...]
    saves: float


@dataclass(frozen=True)
class PlanForecast:
    """The forecast of one plan.

    Attributes:
        alone: its critical path, its duration if no quota applies.
        seconds: until its last wave is up, with the other plans and under the quotas.
        split: the wave whose split saves most, if any.
    """

    plan: RecoveryPlan
    alone: CriticalPath
    seconds: float
    waves: dict[str, WaveForecast]
    split: Split | None


@dataclass(frozen=True)
class Forecast:
    """The forecast of several plans that start together.

    Attributes:
        seconds: until the last wave of all is up.
        jobs: the number of jobs.
    """

    plans: tuple[PlanForecast, ...]
    seconds: float
    jobs: int


def forecast(plans: Sequence[RecoveryPlan], durations: Durations, quotas: Quotas) -> Forecast:
    """Simulate plans that start together, each wave as soon as graph and quotas allow.

    Args:
        plans: the plans; the quotas apply to each target (Region and role).
        durations: seconds from a job's acceptance to LAUNCHED, by source server.
        quotas: of each target.
    """
    simulation = _Simulation(plans, durations, quotas)
    simulation.run()
    plan_forecasts = tuple(
        _plan_forecast(plan, durations, simulation.waves[number])
        for number, plan in enumerate(plans)
    )
    return Forecast(
        plan_forecasts, max((p.seconds for p in plan_forecasts), default=0.0), simulation.jobs
    )


def _plan_forecast(
    plan: RecoveryPlan, durations: Durations, waves: dict[str, WaveForecast]
) -> PlanForecast:
    return PlanForecast(
        plan=plan,
        alone=plan.graph.critical_path(_wave_durations(plan, durations)),
        seconds=max(wave.end for wave in waves.values()),
        waves=waves,
        split=_best_split(plan, durations),
    )


def _wave_durations(plan: RecoveryPlan, durations: Durations) -> dict[str, float]:
    return {wave.wave_id: wave_seconds(wave, durations) for wave in plan.waves}


def _best_split(plan: RecoveryPlan, durations: Durations) -> Split | None:
    """The wave whose slowest servers delay the plan most, if others wait for them."""
    wave_durations = _wave_durations(plan, durations)
    path = plan.graph.critical_path(wave_durations)
    found = []
    for wave_id in path.waves:
        times = {
            server: durations.get(server, DEFAULT_SERVER_SECONDS)
            for server in plan.wave(wave_id).server_ids
        }
        slowest = max(times.values())
        others = [seconds for seconds in times.values() if seconds < slowest]
        # A split saves nothing where no wave waits.
        if not others or not plan.graph.dependents_of(wave_id):
            continue
        shorter = plan.graph.critical_path(wave_durations | {wave_id: max(others)}).seconds
        starts = plan.graph.schedule(wave_durations)[wave_id][0]
        saves = path.seconds - max(shorter, starts + slowest)
        slow = tuple(server for server, seconds in times.items() if seconds == slowest)
        found.append(Split(wave_id, slow, saves))
    best = max(found, key=lambda split: split.saves, default=None)
    return best if best is not None and best.saves > 0 else None


@dataclass
class _WaveProgress:
    """A wave in the simulation."""

    plan: int
    wave: Wave
    remaining: float
    open_dependencies: int
    ready: float = 0.0
    start: float = math.inf
    last_start: float = 0.0
    end: float = 0.0
    launched: int = 0

    @property
    def key(self) -> str:
        return f"{self.plan}/{self.wave.wave_id}"

    @property
    def unlaunched(self) -> int:
        return len(self.wave.servers) - self.launched


@dataclass
class _TargetUsage:
    """The quota usage of a target."""

    jobs: int = 0
    servers: int = 0


class _Simulation:
    """A simulation in which only servers, starts and the end of jobs take time."""

    def __init__(self, plans: Sequence[RecoveryPlan], durations: Durations, quotas: Quotas) -> None:
        self.jobs = 0
        self.waves: list[dict[str, WaveForecast]] = [{} for _ in plans]
        self._plans = plans
        self._durations = durations
        self._quotas = quotas
        self._waves_in_progress: dict[str, _WaveProgress] = {}
        self._queued: dict[Target, dict[str, _WaveProgress]] = {}
        self._usage: dict[Target, _TargetUsage] = {}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = itertools.count()
        for number, plan in enumerate(plans):
            remaining = plan.graph.remaining(_wave_durations(plan, durations))
            for wave in plan.waves:
                open_dependencies = len(plan.graph.dependencies_of(wave.wave_id))
                each = _WaveProgress(number, wave, remaining[wave.wave_id], open_dependencies)
                self._waves_in_progress[each.key] = each

    def run(self) -> None:
        """Run the simulation."""
        for each in self._waves_in_progress.values():
            if not each.open_dependencies:
                self._make_ready(each, 0.0)
        while self._events:
            now, _, action = heapq.heappop(self._events)
            action(now)
            # Events of the same time are handled together, as one poll of DRS would show them.
            if not self._events or self._events[0][0] > now:
                for target in list(self._queued):
                    self._launch(target, now)

    def _schedule(self, time: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._count), action))

    def _make_ready(self, each: _WaveProgress, now: float) -> None:
        each.ready = now
        target = each.wave.target.model_copy(update={"account_id": None})

        def enqueue(_: float) -> None:
            self._queued.setdefault(target, {})[each.key] = each

        self._schedule(now + START_DELAY_SECONDS, enqueue)

    def _launch(self, target: Target, now: float) -> None:
        queued = self._queued[target]
        if not queued:
            return
        usage = self._usage.setdefault(target, _TargetUsage())
        requests = [request for each in queued.values() for request in self._requests(each)]
        planned = admit(requests, self._quotas, jobs=usage.jobs, servers=usage.servers)
        for job in planned:
            self._start_job(job, usage, now)
        for key in [key for key, each in queued.items() if not each.unlaunched]:
            del queued[key]

    def _requests(self, each: _WaveProgress) -> list[AdmissionRequest]:
        """The unlaunched servers of a wave, in parts that are launched together."""
        max_servers = min(SERVERS_PER_LAUNCH, self._quotas.servers_per_job, self._quotas.servers)
        return [
            AdmissionRequest(
                key=f"{each.key}/{first:03d}",
                servers=min(max_servers, each.unlaunched - first),
                remaining_seconds=each.remaining,
                queued_time=each.ready,
                wave=each.key,
            )
            for first in range(0, each.unlaunched, max_servers)
        ]

    def _start_job(self, job: PlannedJob, usage: _TargetUsage, now: float) -> None:
        self.jobs += 1
        usage.jobs += 1
        usage.servers += job.servers
        ends = now
        for request in job.requests:
            each = self._waves_in_progress[request.wave]
            ids = each.wave.server_ids[each.launched : each.launched + request.servers]
            slowest = slowest_seconds(ids, self._durations)
            each.launched += request.servers
            each.start = min(each.start, now)
            each.last_start = now
            each.end = max(each.end, now + slowest)
            ends = max(ends, now + slowest)
            if not each.unlaunched:
                self._schedule(each.end, partial(self._complete, each))

        def end(_: float) -> None:
            usage.jobs -= 1
            usage.servers -= job.servers

        self._schedule(ends + JOB_TAIL_SECONDS, end)

    def _complete(self, each: _WaveProgress, now: float) -> None:
        self.waves[each.plan][each.wave.wave_id] = WaveForecast(
            ready=each.ready, start=each.start, last_start=each.last_start, end=now
        )
        for dependent in self._plans[each.plan].graph.dependents_of(each.wave.wave_id):
            wave = self._waves_in_progress[f"{each.plan}/{dependent}"]
            wave.open_dependencies -= 1
            if not wave.open_dependencies:
                self._make_ready(wave, now)
