"""What plans share is read once."""

import asyncio

import pytest

from activities.readiness.read_cache import ReadCache


class Source:
    """Counts how often it is read; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.reads = 0
        self._failures = failures

    async def read(self) -> int:
        self.reads += 1
        await asyncio.sleep(0)
        if self.reads <= self._failures:
            raise OSError("no answer")
        return self.reads


async def test_looks_at_the_same_time_read_once() -> None:
    cache, source = ReadCache(), Source()
    assert await asyncio.gather(*(cache.get("servers", source.read) for _ in range(20))) == [1] * 20
    assert await cache.get("servers", source.read) == 1
    assert await cache.get("jobs", source.read) == 2


async def test_a_look_that_somebody_waits_for_reads_afresh_for_those_after_it_too() -> None:
    cache, source = ReadCache(), Source()
    await cache.get("servers", source.read)
    assert await cache.get("servers", source.read, fresh=True) == 2
    assert await cache.get("servers", source.read) == 2


async def test_what_failed_or_is_old_is_read_again() -> None:
    cache, source = ReadCache(), Source(failures=1)
    with pytest.raises(OSError, match="no answer"):
        await cache.get("servers", source.read)
    assert await cache.get("servers", source.read) == 2
    old = ReadCache(seconds=0.0)
    assert [await old.get("servers", source.read) for _ in range(2)] == [3, 4]


async def test_a_look_that_is_cancelled_does_not_end_the_read_of_others() -> None:
    cache, source = ReadCache(), Source()
    first = asyncio.create_task(cache.get("servers", source.read))
    other = asyncio.create_task(cache.get("servers", source.read))
    await asyncio.sleep(0)
    first.cancel()
    assert await other == 1
