"""The measured plans, and the launch durations of their servers."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.testbed import ACCOUNT
from recovery.forecast.estimates import wave_seconds
from recovery.plan.model import MAX_SECONDS, Dependency, RecoveryPlan, Server, Wave

# Source: a recorded drill of two small Linux servers.
USUAL_SECONDS = 530.0
_SERVERS_QUOTA = 500

# By wave: its dependencies, and the launch durations of its servers (seconds).
Shape = Mapping[str, tuple[Sequence[str], Sequence[float]]]


@dataclass(frozen=True)
class Load:
    """Plans that start together.

    Attributes:
        seconds: by server, from StartRecovery to LAUNCH_END, before the speed factor.
    """

    name: str
    plans: tuple[RecoveryPlan, ...]
    seconds: dict[str, float]

    @property
    def waves(self) -> int:
        """The number of waves of all plans."""
        return sum(len(plan.waves) for plan in self.plans)

    @property
    def critical_path(self) -> tuple[float, int]:
        """The longest critical path in seconds, and its number of waves."""
        paths = [
            plan.graph.critical_path(
                {wave.wave_id: wave_seconds(wave, self.seconds) for wave in plan.waves}
            )
            for plan in self.plans
        ]
        longest = max(paths, key=lambda path: path.seconds)
        return longest.seconds, len(longest.waves)

    @property
    def limit(self) -> float:
        """The minimum makespan in seconds, from the critical path or the quota."""
        return max(self.critical_path[0], sum(self.seconds.values()) / _SERVERS_QUOTA)

    @property
    def scenario(self) -> list[dict[str, Any]]:
        """The source servers in the format of a scenario."""
        regions = {s: w.region for p in self.plans for w in p.waves for s in w.server_ids}
        return [
            {"SourceServerId": i, "Region": regions[i], "LaunchSeconds": seconds}
            for i, seconds in self.seconds.items()
        ]


LoadFactory = Callable[[str, int], Load]


def _load(name: str, shapes: Sequence[Shape], region: str, number: int) -> Load:
    seconds: dict[str, float] = {}
    plans = []
    for which, shape in enumerate(shapes):
        waves = []
        for wave_id, (needed, times) in shape.items():
            ids = [f"s-{number:04x}{len(seconds) + n:013x}" for n in range(len(times))]
            seconds |= dict(zip(ids, times, strict=True))
            waves.append(
                Wave(
                    wave_id=wave_id,
                    servers=[Server(source_server_id=i) for i in ids],
                    dependencies=[Dependency(depends_on_wave_id=d) for d in needed],
                    region=region,
                    account_id=ACCOUNT,
                    timeout_seconds=MAX_SECONDS,
                )
            )
        plan_id = f"speed-{number:04x}-{which:03}"
        plans.append(RecoveryPlan(plan_id=plan_id, deadline_seconds=MAX_SECONDS, waves=waves))
    return Load(name, tuple(plans), seconds)


def _usual(count: int) -> list[float]:
    return [USUAL_SECONDS] * count


def _chain(length: int, servers: int, seconds: float = USUAL_SECONDS) -> Shape:
    return {f"w{n}": ([f"w{n - 1}"] if n else [], [seconds] * servers) for n in range(length)}


def sequence(region: str, number: int) -> Load:
    """A chain of Database, App and Web."""
    return _load("sequential, 3 waves", [_chain(3, 2)], region, number)


def parallel(region: str, number: int) -> Load:
    """Database, Cache and Monitoring, without dependencies."""
    shape: Shape = {name: ([], _usual(2)) for name in ("database", "cache", "monitoring")}
    return _load("parallel, 3 waves", [shape], region, number)


def diamond(region: str, number: int) -> Load:
    """Two applications, one of them slower, between a database and a web tier."""
    shape: Shape = {
        "database": ([], _usual(2)),
        "app1": (["database"], _usual(2)),
        "app2": (["database"], [USUAL_SECONDS, 1.5 * USUAL_SECONDS]),
        "web": (["app1", "app2"], _usual(2)),
    }
    return _load("diamond, 4 waves", [shape], region, number)


def two_stacks(region: str, number: int) -> Load:
    """Two independent chains. One has a slow server in its first wave, the other in its last.

    With levels, each chain waits for the slow server of the other.
    """
    slow = 2.5 * USUAL_SECONDS
    shape: Shape = {}
    for stack, slow_wave in (("crm", 0), ("erp", 2)):
        for n in range(3):
            times = [USUAL_SECONDS, slow if n == slow_wave else USUAL_SECONDS]
            shape = {**shape, f"{stack}{n}": ([f"{stack}{n - 1}"] if n else [], times)}
    return _load("two stacks, a slow server each", [shape], region, number)


def uneven(region: str, number: int) -> Load:
    """Forty waves of one to six servers, 300 to 1,200 s each, with up to three dependencies."""
    rng = random.Random(40)
    shape: dict[str, tuple[list[str], list[float]]] = {}
    for n in range(40):
        earlier = [f"w{m}" for m in range(n // 2)]
        needed = rng.sample(earlier, min(len(earlier), rng.choice((0, 1, 1, 2, 3))))
        times = [round(rng.uniform(300, 1200)) for _ in range(rng.randint(1, 6))]
        shape[f"w{n}"] = (sorted(needed), [float(t) for t in times])
    return _load("40 uneven waves", [shape], region, number)


def hundred_plans(region: str, number: int) -> Load:
    """A hundred plans of four waves of four servers each, at once."""
    return _load("100 plans of 4 waves of 4", [_chain(4, 4)] * 100, region, number)


def thousand_waves(region: str, number: int) -> Load:
    """One plan of a thousand waves: 250 chains of four."""
    shape: Shape = {}
    for chain in range(250):
        for n in range(4):
            name = f"c{chain}-{n}"
            needed = [f"c{chain}-{n - 1}"] if n else []
            shape = {**shape, name: (needed, _usual(1))}
    return _load("one plan of 1,000 waves", [shape], region, number)


def real_time(region: str, number: int) -> Load:
    """A hundred plans of three short waves of two servers, for a run at real time.

    Every plan has its own durations, so that the waves of the plans do not end at the same time.
    """
    rng = random.Random(100)
    shapes = [
        {
            f"w{n}": ([f"w{n - 1}"] if n else [], [round(rng.uniform(90, 130), 1)] * 2)
            for n in range(3)
        }
        for _ in range(100)
    ]
    return _load("100 plans of 3 short waves, real time", shapes, region, number)


SINGLE: tuple[LoadFactory, ...] = (sequence, parallel, diamond, two_stacks, uneven)
LARGE: tuple[LoadFactory, ...] = (hundred_plans, thousand_waves)
