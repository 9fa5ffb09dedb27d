"""One poll serves all subscribers, and a failed poll never passes for the current state."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from api import hub
from api.hub import Poller, Snapshot, UnknownExecutionError
from client.errors import UnreachableError


class FakeSource:
    """A source that has a number or raises an error."""

    def __init__(self) -> None:
        self.value: int | Exception = 1
        self.polls = 0

    async def read(self) -> int:
        self.polls += 1
        await asyncio.sleep(0)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class FakePoller(Poller[int]):
    """Polls a fake source."""

    def __init__(self, source: FakeSource) -> None:
        super().__init__()
        self.source = source

    async def fetch(self, known: int | None) -> int:
        return await self.source.read()

    def pause(self, known: int | None) -> float:
        return 0.05


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """A source, with short intervals between polls."""
    monkeypatch.setattr(hub, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(hub, "_LINGER_SECONDS", 0.1)
    return FakeSource()


@pytest.fixture
async def poller(source: FakeSource) -> AsyncIterator[Poller[int]]:
    """A poller of the source."""
    poller = FakePoller(source)
    yield poller
    await poller.close()


async def awaited(poller: Poller[int], condition: Callable[[Snapshot[int]], bool]) -> Snapshot[int]:
    """Wait for a snapshot."""
    number = 0
    async with asyncio.timeout(5):
        while True:
            snapshot = await poller.newer_than(number)
            if condition(snapshot):
                return snapshot
            number = snapshot.number


async def test_fifty_subscribers_cost_as_many_polls_as_one(
    source: FakeSource, poller: Poller[int]
) -> None:
    async def watch() -> int:
        async with poller.subscribed():
            await asyncio.sleep(0.5)
            return (await poller.newer_than(0)).value

    assert set(await asyncio.gather(*(watch() for _ in range(50)))) == {1}
    assert 3 <= source.polls <= 11


async def test_each_change_is_one_new_snapshot(source: FakeSource, poller: Poller[int]) -> None:
    async with poller.subscribed():
        first = await poller.newer_than(0)
        assert await poller.newer_within(0.2, first.number) is None
        source.value = 2
        second = await awaited(poller, lambda snapshot: snapshot.value == 2)
    assert second.number == first.number + 1
    assert second.seen_time >= first.seen_time


async def test_an_error_is_shown_with_the_last_value_and_disappears(
    source: FakeSource, poller: Poller[int]
) -> None:
    async with poller.subscribed():
        first = await poller.fresh()
        source.value = UnreachableError("Temporal does not answer")
        failed = await awaited(poller, lambda snapshot: bool(snapshot.error))
        assert (failed.value, failed.error) == (1, "Temporal does not answer")
        assert failed.seen_time < first.seen_time + 1
        # A new caller gets the error too.
        assert (await poller.fresh(0)).error == "Temporal does not answer"
        source.value = 1
        recovered = await awaited(
            poller, lambda snapshot: not snapshot.error and snapshot.number > 1
        )
        assert (recovered.value, recovered.error) == (1, "")


async def test_an_error_before_the_first_value_is_raised(
    source: FakeSource, poller: Poller[int]
) -> None:
    for error in (UnreachableError("no answer"), UnknownExecutionError("there is none")):
        source.value = error
        async with poller.subscribed():
            with pytest.raises(type(error)):
                await poller.fresh(0)
    source.value = 3
    async with poller.subscribed():
        assert (await poller.fresh(0)).value == 3


async def test_polling_stops_after_the_last_subscriber_leaves(
    source: FakeSource, poller: Poller[int]
) -> None:
    async with poller.subscribed():
        await poller.fresh()
    before = source.polls
    await asyncio.sleep(0.3)
    assert source.polls <= before + 1
    assert poller.is_idle
