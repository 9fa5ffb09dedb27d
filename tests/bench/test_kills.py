"""Which launches count as interrupted, and that the bench ends where none comes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from rich.progress import Progress

from bench import kills
from bench.kills import Figures, Killer


def held(server: str, *, caller: str, now: bool = True) -> dict[str, Any]:
    """A StartRecovery as the log has it: its answer is held, or its caller is gone."""
    return {
        "Fault": kills._FAULT,
        "Caller": caller,
        "Subjects": [server],
        "Held": now,
        "Result": "hold" if now else "gone",
    }


class World:
    """Answers for everything that the killer asks; the workers that it kills."""

    def __init__(self, log: list[dict[str, Any]], *, workers: set[str]) -> None:
        self.alive, self.killed = set(workers), list[str]()
        self._log, self._left = log, list(log)
        self.client = SimpleNamespace(start=self._start, temporal=self)
        self.workers = SimpleNamespace(kill=self._kill)
        self.aws = SimpleNamespace(
            clear_faults=self._nothing, release=self._nothing, log=self._log_now
        )

    async def next(self, *, within: float) -> dict[str, Any] | None:
        if not self._left:
            await asyncio.sleep(within)
            return None
        return self._left.pop(0)

    def get_workflow_handle(self, workflow_id: str) -> Any:
        return SimpleNamespace(result=self._nothing)

    async def _start(self, plan: Any) -> str:
        return f"{plan.plan_id}-1"

    async def _kill(self, name: str) -> bool:
        if name not in self.alive:
            return False
        self.alive.remove(name)
        self.killed.append(name)
        return True

    async def _nothing(self) -> None:
        return None

    async def _log_now(self) -> list[dict[str, Any]]:
        return [{**entry, "Held": entry["Caller"] in self.alive} for entry in self._log]


async def interrupt(world: World, launches: int) -> Figures:
    """Run the killer for so many launches."""
    figures = Figures(launches, launchers=1)
    plans = [kills._plan(number, "us-west-2") for number in range(launches)]
    bed: Any = world
    await Killer(bed, figures, Progress(disable=True), plans).run(bed)
    return figures


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kills, "_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(kills, "_STALL_SECONDS", 0.05)


def server(number: int) -> str:
    """The server of a launch."""
    return kills._server_of(kills._plan(number, "us-west-2"))


async def test_one_kill_interrupts_all_launches_that_its_victim_waits_for() -> None:
    log = [
        held(server(0), caller="worker-1"),
        held(server(1), caller="worker-1", now=False),
        held(server(2), caller="worker-2"),
    ]
    world = World(log, workers={"worker-1", "worker-2"})
    figures = await interrupt(world, 3)
    assert world.killed == ["worker-1", "worker-2"]
    assert figures.kills == 2
    assert figures.violations == []


async def test_launches_that_nothing_interrupts_end_the_bench_and_are_named() -> None:
    world = World([held(server(0), caller="worker-1")], workers={"worker-1"})
    figures = await interrupt(world, 3)
    assert len(figures.violations) == 1
    assert "kills-0001, kills-0002" in figures.violations[0]


async def test_a_launch_whose_worker_was_not_killed_is_not_interrupted() -> None:
    figures = await interrupt(World([held(server(0), caller="worker-9")], workers=set()), 1)
    assert figures.kills == 0
    assert "kills-0000" in figures.violations[0]
