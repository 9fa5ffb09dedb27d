"""The measured plans, and the launch durations of their servers."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plans import new_plan, new_wave
from recovery.forecast.estimates import wave_seconds
from recovery.plan.model import RecoveryPlan

# Source: a recorded drill of two small Linux servers.
USUAL_SECONDS = 530.0
_SERVERS_QUOTA = 500

# By wave: its dependencies, and the launch durations of its servers (seconds).
Shape = Mapping[str, tuple[Sequence[str], Sequence[float]]]


@dataclass(frozen=True)
class Load:
    """Plans that start together in one Region.

    Attributes:
        seconds: by server, from StartRecovery to LAUNCH_END, before the speed factor.
    """

    name: str
    region: str
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
        return [
            {"SourceServerId": i, "Region": self.region, "LaunchSeconds": seconds}
            for i, seconds in self.seconds.items()
        ]


@dataclass(frozen=True)
class LoadTemplate:
    """The shapes of the plans of a load, from which each run creates new plans and servers."""

    name: str
    shapes: Sequence[Shape]

    def load(self, region: str, number: int) -> Load:
        """Create the plans of a run. `number` makes their IDs unique."""
        seconds: dict[str, float] = {}
        plans = []
        for which, shape in enumerate(self.shapes):
            waves = []
            for wave_id, (needed, times) in shape.items():
                ids = [f"s-{number:04x}{len(seconds) + n:013x}" for n in range(len(times))]
                seconds |= dict(zip(ids, times, strict=True))
                waves.append(new_wave(wave_id, ids, *needed, region=region))
            plans.append(new_plan(f"speed-{number:04x}-{which:03}", *waves))
        return Load(self.name, region, tuple(plans), seconds)


def _usual(count: int) -> list[float]:
    return [USUAL_SECONDS] * count


def _chain(length: int, servers: int, name: str = "w") -> Shape:
    return {f"{name}{n}": ([f"{name}{n - 1}"] if n else [], _usual(servers)) for n in range(length)}


def _diamond() -> Shape:
    """Two applications, one of them slower, between a database and a web tier."""
    return {
        "database": ([], _usual(2)),
        "app1": (["database"], _usual(2)),
        "app2": (["database"], [USUAL_SECONDS, 1.5 * USUAL_SECONDS]),
        "web": (["app1", "app2"], _usual(2)),
    }


def _two_stacks() -> Shape:
    """Two independent chains. One has a slow server in its first wave, the other in its last.

    With levels, each chain waits for the slow server of the other.
    """
    times = [USUAL_SECONDS, 2.5 * USUAL_SECONDS]
    slow: Shape = {"crm0": ([], times), "erp2": (["erp1"], times)}
    return {**_chain(3, 2, "crm"), **_chain(3, 2, "erp"), **slow}


def _uneven() -> Shape:
    """Forty waves of one to six servers, 300 to 1,200 s each, with up to three dependencies."""
    rng = random.Random(40)
    shape: dict[str, tuple[list[str], list[float]]] = {}
    for n in range(40):
        earlier = [f"w{m}" for m in range(n // 2)]
        needed = rng.sample(earlier, min(len(earlier), rng.choice((0, 1, 1, 2, 3))))
        times = [round(rng.uniform(300, 1200)) for _ in range(rng.randint(1, 6))]
        shape[f"w{n}"] = (sorted(needed), [float(t) for t in times])
    return shape


def _short_plans() -> list[Shape]:
    """A hundred plans of three short waves of two servers.

    Every plan has its own durations, so that the waves of the plans do not end at the same time.
    """
    rng = random.Random(100)
    return [
        {
            f"w{n}": ([f"w{n - 1}"] if n else [], [round(rng.uniform(90, 130), 1)] * 2)
            for n in range(3)
        }
        for _ in range(100)
    ]


_PARALLEL: Shape = {name: ([], _usual(2)) for name in ("database", "cache", "monitoring")}
_CHAINS = {
    wave_id: wave for n in range(250) for wave_id, wave in _chain(4, 1, f"c{n}-").items()
}  # fmt: skip

PARALLEL = LoadTemplate("parallel, 3 waves", [_PARALLEL])
SINGLE = (
    LoadTemplate("sequential, 3 waves", [_chain(3, 2)]),
    PARALLEL,
    LoadTemplate("diamond, 4 waves", [_diamond()]),
    LoadTemplate("two stacks, a slow server each", [_two_stacks()]),
    LoadTemplate("40 uneven waves", [_uneven()]),
)
HUNDRED_PLANS = LoadTemplate("100 plans of 4 waves of 4", [_chain(4, 4)] * 100)
THOUSAND_WAVES = LoadTemplate("one plan of 1,000 waves", [_CHAINS])
REAL_TIME = LoadTemplate("100 plans of 3 short waves, real time", _short_plans())
