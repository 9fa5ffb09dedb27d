"""Launching at the limit: simulated loads, compared with what graph and quotas allow."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from recovery.launch.admission import SERVERS_PER_LAUNCH, Batch, QueuedLaunch, Quotas
from recovery.launch.queue import MIN_GATHER_POLLS, LaunchQueue, LaunchQueueState, RunningJobs

POLL_SECONDS = 5.0
# A read of the running jobs and the launcher's own work, before each admission.
OVERHEAD_SECONDS = 0.2
JOB_TAIL_SECONDS = 3.0


@dataclass
class Load:
    """Chains of waves that become ready within `spread` seconds, and so do all that follow."""

    chains: int
    length: int
    servers: int
    spread: float
    seconds: tuple[float, float] = (530.0, 530.0)
    plan: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.chains)
        self.plan = [
            [self.random.uniform(*self.seconds) for _ in range(self.length)]
            for _ in range(self.chains)
        ]

    @property
    def limit(self) -> float:
        """The longest chain, or the quota of servers."""
        total = sum(map(sum, self.plan)) * self.servers
        return max(*map(sum, self.plan), total / Quotas().servers)


class Simulation:
    """One launcher, with its real queue, and DRS in which only launches take time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.end = 0.0
        self.waits: list[float] = []
        self._queue = LaunchQueue(LaunchQueueState())
        self._running: dict[str, int] = {}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = itertools.count()
        self._is_gathering = False

    def run(self) -> "Simulation":
        """Run until all is up."""
        for chain in range(self.load.chains):
            self._make_ready(0.0, chain, 0)
        while self._events:
            now, _, action = heapq.heappop(self._events)
            action(now)
        assert len(self.waits) >= self.load.chains * self.load.length
        return self

    def _at(self, time: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._count), action))

    def _make_ready(self, now: float, chain: int, number: int) -> None:
        def ready(time: float) -> None:
            for first in range(0, self.load.servers, SERVERS_PER_LAUNCH):
                count = min(SERVERS_PER_LAUNCH, self.load.servers - first)
                launch_id = f"{chain}-{number}/{first:03}"
                self._queue.add(
                    QueuedLaunch(
                        launch_id=launch_id,
                        server_ids=tuple(f"{launch_id}-{n}" for n in range(count)),
                        wave=f"{chain}-{number}",
                        launch_before=1e9,
                        queued_time=time,
                    )
                )
            self._gather(time)

        self._at(now + self.load.random.uniform(0, self.load.spread), ready)

    def _gather(self, now: float) -> None:
        if self._is_gathering or not self._queue.waiting:
            return
        self._is_gathering = True
        polls, waited = self._queue.gather_time(now)
        gathered = max(MIN_GATHER_POLLS * POLL_SECONDS, polls * POLL_SECONDS - waited)
        self._at(now + OVERHEAD_SECONDS + gathered, self._admit)

    def _admit(self, now: float) -> None:
        self._is_gathering = False
        self._queue.update_running(RunningJobs(time=now, jobs=dict(self._running)))
        batches = self._queue.admit(now)
        for batch in batches:
            self._start(batch, now)
        self._queue.update_running(RunningJobs(time=now, jobs=dict(self._running)))
        assert len(self._running) <= Quotas().jobs
        assert sum(self._running.values()) <= Quotas().servers
        if batches:
            self._gather(now)

    def _start(self, batch: Batch, now: float) -> None:
        job_id, ends = f"drsjob-{next(self._count)}", now
        self._running[job_id] = len(batch.server_ids)
        for wave in dict.fromkeys(launch.wave for launch in batch.launches):
            chain, number = map(int, wave.split("-"))
            up = now + self.load.plan[chain][number]
            ends, self.end = max(ends, up), max(self.end, up)
            if number + 1 < self.load.length:
                self._make_ready(_next_poll(up), chain, number + 1)
        self.waits += [now - each.queued_time for each in batch.launches]
        self._queue.finish(
            batch, job_id=job_id, settled=batch.launch_ids, postponed={},
            split=False, in_doubt=False, now=now,
        )  # fmt: skip
        self._queue.update_running(
            RunningJobs(time=now, jobs=dict(self._running), listed=list(self._running))
        )

        def end(time: float) -> None:
            del self._running[job_id]
            self._at(_next_poll(time), self._gather)

        self._at(ends + JOB_TAIL_SECONDS, end)


def _next_poll(time: float) -> float:
    return (time // POLL_SECONDS + 1) * POLL_SECONDS


LOADS = {
    "a lone wave": (Load(1, 1, 10, 0), 1.001, 0.5),
    "a chain": (Load(1, 4, 4, 0), 1.01, 0.5),
    "three waves at once": (Load(3, 1, 2, 0.1), 1.001, 0.6),
    "40 waves of one plan": (Load(10, 4, 3, 0, seconds=(300.0, 1200.0)), 1.005, 3.0),
    "100 plans": (Load(100, 4, 4, 3), 1.014, 10.0),
    "100 plans, slowly": (Load(100, 4, 4, 60), 1.13, 30.0),
    "250 waves at once": (Load(250, 1, 1, 3), 1.015, 5.0),
    "1,000 waves": (Load(250, 4, 1, 6), 1.02, 12.0),
    "1,000 waves, slowly": (Load(250, 4, 1, 90), 1.2, 30.0),
}


@pytest.mark.parametrize("name", LOADS)
def test_a_load_takes_little_longer_than_graph_and_quotas_allow(name: str) -> None:
    load, ratio, longest_wait = LOADS[name]
    simulation = Simulation(load).run()
    assert simulation.end <= ratio * load.limit
    # None waits for the end of a job, which takes minutes.
    assert max(simulation.waits) <= longest_wait
