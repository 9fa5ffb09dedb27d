"""Simulates plans with expected durations, under the wave graph and the quotas."""

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import (
    DEFAULT_SERVER_SECONDS,
    Durations,
    expected_durations,
    rto_launch_time,
    slowest_seconds,
    steps_seconds,
    wave_seconds,
)
from recovery.forecast.fast_mode import fast_mode
from recovery.forecast.report import (
    ForecastReport,
    PlanExpectation,
    SplitAdvice,
    WaveExpectation,
)
from recovery.launch.admission import (
    DEFAULT_PRIORITY,
    SERVERS_PER_LAUNCH,
    Batch,
    QueuedLaunch,
    Quotas,
    admit,
)
from recovery.plan.graph import CriticalPath
from recovery.plan.model import RecoveryPlan, Target, Wave
from recovery.steps.model import StepPhase

# Source: the same drill, last LAUNCH_END to JOB_END.
JOB_TAIL_SECONDS = 3.0
# An upper bound of the time from a wave's last dependency being up to its own StartRecovery.
START_DELAY_SECONDS = 1.0


def forecast(
    plans: Sequence[RecoveryPlan],
    learned: LearnedDurations,
    quotas: Quotas,
    after: Mapping[str, Sequence[tuple[str, str | None]]] = MappingProxyType({}),
) -> ForecastReport:
    """Simulate plans that start together, each wave as soon as graph and quotas allow.

    Args:
        plans: the plans; the quotas apply to each target (Region and role).
        learned: from a job's acceptance to LAUNCHED.
        quotas: of each target.
        after: by PlanId, the plans that it waits for, or of these one wave.
    """
    simulation = _Simulation(plans, learned, quotas, after)
    simulation.run()
    expected = []
    for number, plan in enumerate(plans):
        durations = learned.durations_of(plan.plan_id)
        runs = [simulation.runs[_key(number, wave.wave_id)] for wave in plan.waves]
        waves = [_wave_expectation(run, learned, durations) for run in runs]
        path = plan.graph.critical_path(expected_durations(plan, durations))
        expected.append(
            PlanExpectation(
                plan_id=plan.plan_id,
                seconds_alone=path.seconds,
                seconds_at_once=max(wave.end_seconds for wave in waves),
                critical_path=list(path.waves),
                waves=waves,
                split=_best_split(plan, durations, path),
                fast=fast_mode(plan, learned, path),
            )
        )
    seconds = max((plan.seconds_at_once for plan in expected), default=0.0)
    return ForecastReport(seconds=seconds, jobs=simulation.jobs, plans=expected)


def _wave_expectation(
    run: "_WaveRun", learned: LearnedDurations, durations: Durations
) -> WaveExpectation:
    return WaveExpectation(
        wave_id=run.wave.wave_id,
        expected_seconds=wave_seconds(run.wave, durations),
        learned_servers=sum(server in learned.servers for server in run.wave.server_ids),
        ready_seconds=run.ready,
        start_seconds=run.start,
        last_start_seconds=run.last_start,
        end_seconds=run.end,
        before_launch_seconds=run.before,
    )


def _best_split(plan: RecoveryPlan, durations: Durations, path: CriticalPath) -> SplitAdvice | None:
    """The wave whose slowest servers delay the plan most, if others wait for them."""
    graph, wave_durations = plan.graph, expected_durations(plan, durations)
    found = []
    for wave_id in path.waves:
        times = {
            server: durations.get(server, DEFAULT_SERVER_SECONDS)
            for server in plan.wave(wave_id).server_ids
        }
        slowest = max(times.values(), default=0.0)
        others = [seconds for seconds in times.values() if seconds < slowest]
        # A split saves nothing where no wave waits.
        if not others or not graph.dependents_of(wave_id):
            continue
        shorter_wave = wave_durations[wave_id] - slowest + max(others)
        shorter = graph.critical_path(wave_durations | {wave_id: shorter_wave}).seconds
        starts = graph.schedule(wave_durations)[wave_id][0]
        found.append(
            SplitAdvice(
                wave_id=wave_id,
                server_ids=[server for server, seconds in times.items() if seconds == slowest],
                saves_seconds=path.seconds - max(shorter, starts + wave_durations[wave_id]),
            )
        )
    best = max(found, key=lambda split: split.saves_seconds, default=None)
    return best if best is not None and best.saves_seconds > 0 else None


def _key(plan: int, wave_id: str) -> str:
    return f"{plan}/{wave_id}"


@dataclass
class _WaveRun:
    """A wave in the simulation.

    Attributes:
        before: seconds of the steps before its launch.
        after: seconds of the steps after it; of a wave without servers, of all.
    """

    plan: int
    wave: Wave
    remaining: float
    open_dependencies: int
    before: float
    after: float
    open_launches: int = 0
    ready: float = 0.0
    start: float = math.inf
    last_start: float = 0.0
    end: float = 0.0


@dataclass
class _TargetState:
    """The queue of a target, by launch ID, and its quota usage."""

    queued: dict[str, QueuedLaunch]
    jobs: int = 0
    servers: int = 0


class _Simulation:
    """A simulation in which only servers, steps, starts and the end of jobs take time."""

    def __init__(
        self,
        plans: Sequence[RecoveryPlan],
        learned: LearnedDurations,
        quotas: Quotas,
        after: Mapping[str, Sequence[tuple[str, str | None]]],
    ) -> None:
        self.jobs = 0
        self.runs: dict[str, _WaveRun] = {}
        self._plans = plans
        self._graphs = [plan.graph for plan in plans]
        self._durations = learned.durations
        self._quotas = quotas
        self._targets: dict[Target, _TargetState] = {}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = itertools.count()
        for number, plan in enumerate(plans):
            graph, durations = self._graphs[number], learned.durations_of(plan.plan_id)
            remaining = graph.remaining(expected_durations(plan, durations))
            for wave in plan.waves:
                open_dependencies = len(graph.dependencies_of(wave.wave_id))
                self.runs[_key(number, wave.wave_id)] = _WaveRun(
                    number,
                    wave,
                    remaining[wave.wave_id],
                    open_dependencies,
                    before=steps_seconds(wave, StepPhase.PRE_LAUNCH, durations),
                    after=sum(
                        steps_seconds(wave, phase, durations)
                        for phase in (StepPhase.POST_LAUNCH, StepPhase.ALONE)
                    ),
                )
        self._released: dict[str, list[_WaveRun]] = {}
        self._connect(plans, after)

    def _connect(
        self,
        plans: Sequence[RecoveryPlan],
        after: Mapping[str, Sequence[tuple[str, str | None]]],
    ) -> None:
        """Let the first waves of a plan wait for what the plan waits for."""
        numbers = {plan.plan_id: number for number, plan in enumerate(plans)}
        for plan_id, needed in after.items():
            number = numbers[plan_id]
            first = [w.wave_id for w in plans[number].waves if not w.depends_on]
            for other_id, wave_id in needed:
                other = numbers[other_id]
                awaited = [wave_id] if wave_id else [w.wave_id for w in plans[other].waves]
                for each in (self.runs[_key(number, i)] for i in first):
                    each.open_dependencies += len(awaited)
                    for wave in awaited:
                        self._released.setdefault(_key(other, wave), []).append(each)

    def run(self) -> None:
        """Run the simulation."""
        for each in self.runs.values():
            if not each.open_dependencies:
                self._make_ready(each, 0.0)
        while self._events:
            now, _, action = heapq.heappop(self._events)
            action(now)
            # Events of the same time are handled together, as one poll of DRS would show them.
            if not self._events or self._events[0][0] > now:
                for target in self._targets.values():
                    self._launch(target, now)

    def _schedule(self, time: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._count), action))

    def _make_ready(self, each: _WaveRun, now: float) -> None:
        each.ready = now
        self._schedule(now + START_DELAY_SECONDS + each.before, partial(self._enqueue, each))

    def _enqueue(self, each: _WaveRun, now: float) -> None:
        """Queue the servers of a wave, in parts that are launched together."""
        if not each.wave.servers:
            each.start = each.last_start = now
            self._end(each, now)
            return
        target = each.wave.target.model_copy(update={"account_id": None})
        queued = self._targets.setdefault(target, _TargetState({})).queued
        plan = self._plans[each.plan]
        key, server_ids = _key(each.plan, each.wave.wave_id), each.wave.server_ids
        max_servers = min(SERVERS_PER_LAUNCH, self._quotas.servers_per_job, self._quotas.servers)
        for first in range(0, len(server_ids), max_servers):
            each.open_launches += 1
            launch_id = f"{key}/{first:03d}"
            queued[launch_id] = QueuedLaunch(
                launch_id=launch_id,
                server_ids=server_ids[first : first + max_servers],
                wave=key,
                priority=plan.priority or DEFAULT_PRIORITY,
                remaining_seconds=each.remaining,
                rto_launch_time=rto_launch_time(plan.rto, since=0.0, remaining=each.remaining),
                queued_time=each.ready + each.before,
                launch_before=math.inf,
            )

    def _launch(self, target: _TargetState, now: float) -> None:
        queued = target.queued
        if not queued:
            return
        for launch in queued.values():
            launch.judge_rto(now)
        batches = admit(queued.values(), self._quotas, jobs=target.jobs, servers=target.servers)
        for batch in batches:
            self._start_job(batch, target, now)

    def _start_job(self, batch: Batch, target: _TargetState, now: float) -> None:
        servers = len(batch.server_ids)
        self.jobs += 1
        target.jobs += 1
        target.servers += servers
        ends = now
        for launch in batch.launches:
            del target.queued[launch.launch_id]
            each = self.runs[launch.wave]
            slowest = slowest_seconds(launch.server_ids, self._durations)
            each.open_launches -= 1
            each.start = min(each.start, now)
            each.last_start = now
            each.end = max(each.end, now + slowest)
            ends = max(ends, now + slowest)
            if not each.open_launches:
                self._end(each, each.end)

        def end(_: float) -> None:
            target.jobs -= 1
            target.servers -= servers

        self._schedule(ends + JOB_TAIL_SECONDS, end)

    def _end(self, each: _WaveRun, up: float) -> None:
        """End a wave whose servers are up at a time, after the steps that follow."""
        each.end = up + each.after
        self._schedule(each.end, partial(self._complete, each))

    def _complete(self, each: _WaveRun, now: float) -> None:
        for dependent in self._graphs[each.plan].dependents_of(each.wave.wave_id):
            self._release(self.runs[_key(each.plan, dependent)], now)
        for wave in self._released.get(_key(each.plan, each.wave.wave_id), ()):
            self._release(wave, now)

    def _release(self, wave: _WaveRun, now: float) -> None:
        wave.open_dependencies -= 1
        if not wave.open_dependencies:
            self._make_ready(wave, now)
