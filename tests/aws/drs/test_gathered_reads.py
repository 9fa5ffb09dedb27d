"""Reads that are shared by all who ask for one while another goes on."""

import asyncio

import pytest

from aws.drs.gathered_reads import GatheredReads


class Reads:
    """Reads that end when told, and what each was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.ends: list[asyncio.Future[str]] = []
        self.gathered = GatheredReads(self._read)

    async def _read(self, keys: list[str]) -> str:
        self.asked.append(keys)
        self.ends.append(asyncio.get_running_loop().create_future())
        return await self.ends[-1]

    async def settle(self) -> None:
        """Let everything go on that can."""
        for _ in range(5):
            await asyncio.sleep(0)


async def test_all_who_ask_while_a_read_goes_on_get_what_one_next_read_shows() -> None:
    reads = Reads()
    first = asyncio.create_task(reads.gathered.get(["a"]))
    await reads.settle()
    others = [asyncio.create_task(reads.gathered.get([key])) for key in "bcb"]
    await reads.settle()
    assert reads.asked == [["a"]], "a second read began beside the first"
    reads.ends[0].set_result("old")
    await reads.settle()
    assert reads.asked == [["a"], ["b", "c"]]
    reads.ends[1].set_result("new")
    assert await first == "old"
    assert await asyncio.gather(*others) == ["new"] * 3


async def test_a_caller_that_gives_up_takes_the_read_from_nobody() -> None:
    reads = Reads()
    first, second = (asyncio.create_task(reads.gathered.get(["a"])) for _ in range(2))
    await reads.settle()
    first.cancel()
    reads.ends[0].set_result("seen")
    assert await second == "seen"


async def test_an_error_reaches_those_who_asked_and_the_next_read_is_made() -> None:
    reads = Reads()
    first = asyncio.create_task(reads.gathered.get(["a"]))
    await reads.settle()
    second = asyncio.create_task(reads.gathered.get(["b"]))
    await reads.settle()
    reads.ends[0].set_exception(ValueError("throttled"))
    with pytest.raises(ValueError, match="throttled"):
        await first
    await reads.settle()
    reads.ends[1].set_result("seen")
    assert await second == "seen"
