"""The reader of the call log returns each call once, and ends when its time is over."""

from typing import Any

from bench.sandbox_client import CallLogReader


class FakeSandbox:
    """A call log that gets one batch of calls at a time."""

    def __init__(self, *batches: int) -> None:
        self._left = list(batches)
        self._calls: list[dict[str, Any]] = []

    async def log(self, *, after: int, wait: float) -> list[dict[str, Any]]:
        for _ in range(self._left.pop(0) if self._left else 0):
            self._calls.append({"Number": len(self._calls) + 1})
        return self._calls[after:]


def reader_of(*batches: int) -> CallLogReader:
    """A reader of a log that gets these numbers of calls."""
    sandbox: Any = FakeSandbox(*batches)
    return CallLogReader(sandbox)


async def numbers(reader: CallLogReader) -> list[int]:
    """The numbers of the calls within a moment."""
    return [call["Number"] async for call in reader.follow(within=0.01)]


async def test_all_calls_are_read_in_order_until_the_time_is_over() -> None:
    assert await numbers(reader_of(2, 0, 1)) == [1, 2, 3]


async def test_a_call_that_was_read_is_not_read_again_and_an_unread_one_is() -> None:
    reader = reader_of(3)
    async for call in reader.follow(within=0.01):
        assert call["Number"] == 1
        break
    assert await numbers(reader) == [2, 3]
