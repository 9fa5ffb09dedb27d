"""Which launches count as interrupted, and the end of the bench without new calls."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from rich.progress import Progress

from bench import kills
from bench.kills import LaunchInterrupter


def held(server: str, *, caller: str, now: bool = True) -> dict[str, Any]:
    """A StartRecovery in the log: its response is held, or its caller has disconnected."""
    return {
        "Fault": kills._FAULT,
        "Caller": caller,
        "Subjects": [server],
        "Held": now,
        "Result": "hold" if now else "gone",
    }


class FakeTestbed:
    """A fake testbed that records the killed workers."""

    def __init__(self, log: list[dict[str, Any]], *, workers: set[str]) -> None:
        self.alive, self.killed = set(workers), list[str]()
        self._log, self._left = log, list(log)
        self.client = SimpleNamespace(
            start_workflow=self._start, get_workflow_handle=self.get_workflow_handle
        )
        self.workers = SimpleNamespace(kill=self._kill)
        self.aws = SimpleNamespace(
            clear_faults=self._nothing, release=self._nothing, log=self._log_now
        )

    async def follow(self, *, within: float) -> AsyncIterator[dict[str, Any]]:
        while self._left:
            yield self._left.pop(0)
        await asyncio.sleep(within)

    def get_workflow_handle(self, workflow_id: str) -> Any:
        return SimpleNamespace(result=self._nothing)

    async def _start(self, workflow: Any, start: Any, **options: Any) -> None:
        return None

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


async def interrupt(fake: FakeTestbed, launches: int) -> LaunchInterrupter:
    """Interrupt `launches` launches."""
    plans = [kills._plan(number, "us-west-2") for number in range(launches)]
    testbed: Any = fake
    interrupter = LaunchInterrupter(testbed, testbed, Progress(disable=True), plans)
    await interrupter.run()
    return interrupter


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kills, "_HELD_CALL_TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr(kills, "_STALL_TIMEOUT_SECONDS", 0.05)


def server(number: int) -> str:
    """The server of a launch."""
    return kills._server_of(kills._plan(number, "us-west-2"))


async def test_one_kill_interrupts_all_launches_that_its_worker_waits_for() -> None:
    log = [
        held(server(0), caller="worker-1"),
        held(server(1), caller="worker-1", now=False),
        held(server(2), caller="worker-2"),
    ]
    fake = FakeTestbed(log, workers={"worker-1", "worker-2"})
    interrupter = await interrupt(fake, 3)
    assert fake.killed == ["worker-1", "worker-2"]
    assert interrupter.killed == {"worker-1", "worker-2"}
    assert interrupter.violations == []


async def test_launches_without_an_interruption_end_the_bench_and_are_reported() -> None:
    fake = FakeTestbed([held(server(0), caller="worker-1")], workers={"worker-1"})
    interrupter = await interrupt(fake, 3)
    assert len(interrupter.violations) == 1
    assert "kills-0001, kills-0002" in interrupter.violations[0]


async def test_a_launch_whose_worker_was_not_killed_is_not_interrupted() -> None:
    interrupter = await interrupt(
        FakeTestbed([held(server(0), caller="worker-9")], workers=set()), 1
    )
    assert interrupter.killed == set()
    assert "kills-0000" in interrupter.violations[0]
