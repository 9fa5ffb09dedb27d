"""One look serves all who watch, and what cannot be looked at is never shown as if it were now."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from api import hub
from api.hub import Lookout, Sight, UnknownExecutionError
from client.errors import UnreachableError


class Clockwork:
    """Something that is looked at: a number, or the error that the look meets."""

    def __init__(self) -> None:
        self.shows: int | Exception = 1
        self.looks = 0

    async def look(self, _: int | None) -> int:
        self.looks += 1
        await asyncio.sleep(0)
        if isinstance(self.shows, Exception):
            raise self.shows
        return self.shows


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    """Something to look at, every 50 ms; whoever left is forgotten as soon."""
    monkeypatch.setattr(hub, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(hub, "_LINGER_SECONDS", 0.1)
    monkeypatch.setattr(hub, "_IDLE_STEP_SECONDS", 0.02)
    return Clockwork()


@pytest.fixture
async def lookout(clockwork: Clockwork) -> AsyncIterator[Lookout[int]]:
    """A lookout for it."""
    found = Lookout(clockwork.look, lambda _: 0.05)
    yield found
    await found.close()


async def seen(lookout: Lookout[int], condition: Callable[[Sight[int]], bool]) -> Sight[int]:
    """Await a sight."""
    number = 0
    async with asyncio.timeout(5):
        while True:
            sight = await lookout.newer_than(number)
            if condition(sight):
                return sight
            number = sight.number


async def test_many_who_watch_cost_as_many_looks_as_one(
    clockwork: Clockwork, lookout: Lookout[int]
) -> None:
    async def watch() -> int:
        async with lookout.watching():
            await asyncio.sleep(0.5)
            return (await lookout.newer_than(0)).value

    assert set(await asyncio.gather(*(watch() for _ in range(50)))) == {1}
    assert 3 <= clockwork.looks <= 11


async def test_each_change_is_a_sight_of_its_own_and_no_change_is_none(
    clockwork: Clockwork, lookout: Lookout[int]
) -> None:
    async with lookout.watching():
        first = await lookout.newer_than(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await lookout.newer_than(first.number)
        clockwork.shows = 2
        second = await seen(lookout, lambda sight: sight.value == 2)
    assert second.number == first.number + 1
    assert second.seen_time >= first.seen_time


async def test_trouble_is_told_beside_what_was_seen_last_and_passes(
    clockwork: Clockwork, lookout: Lookout[int]
) -> None:
    async with lookout.watching():
        first = await lookout.fresh()
        clockwork.shows = UnreachableError("Temporal is away")
        troubled = await seen(lookout, lambda sight: bool(sight.error))
        assert (troubled.value, troubled.error) == (1, "Temporal is away")
        assert troubled.seen_time < first.seen_time + 1
        # Who asks now is told too.
        assert (await lookout.fresh(0)).error == "Temporal is away"
        clockwork.shows = 1
        well = await seen(lookout, lambda sight: not sight.error and sight.number > 1)
        assert (well.value, well.error) == (1, "")


async def test_what_was_never_seen_is_an_error_and_not_a_sight(
    clockwork: Clockwork, lookout: Lookout[int]
) -> None:
    for error in (UnreachableError("away"), UnknownExecutionError("there is none")):
        clockwork.shows = error
        async with lookout.watching():
            with pytest.raises(type(error)):
                await lookout.fresh(0)
    clockwork.shows = 3
    async with lookout.watching():
        assert (await lookout.fresh(0)).value == 3


async def test_nothing_is_looked_at_when_nobody_watches_any_more(
    clockwork: Clockwork, lookout: Lookout[int]
) -> None:
    async with lookout.watching():
        await lookout.fresh()
    before = clockwork.looks
    await asyncio.sleep(0.3)
    assert clockwork.looks <= before + 1
    assert lookout.is_idle
