"""When heartbeats are sent."""

import asyncio

from temporalio.testing import ActivityEnvironment

from activities.heartbeat import heartbeating
from recovery.plan.model import Target


class Recorded:
    """An activity's environment, and the heartbeats that it got."""

    def __init__(self) -> None:
        self.sent: list[tuple[object, ...]] = []
        self.environment = ActivityEnvironment()
        self.environment.on_heartbeat = lambda *details: self.sent.append(details)


async def test_a_short_block_sends_no_heartbeat() -> None:
    recorded = Recorded()

    async def work() -> None:
        async with heartbeating():
            await asyncio.sleep(0.05)

    await recorded.environment.run(work)
    assert recorded.sent == []


async def test_a_long_block_sends_heartbeats() -> None:
    recorded = Recorded()

    async def work() -> None:
        async with heartbeating(interval=0.01), asyncio.timeout(10):
            while len(recorded.sent) < 3:
                await asyncio.sleep(0.01)

    await recorded.environment.run(work)
    assert recorded.sent[:3] == [(), (), ()]


async def test_details_are_sent_at_once() -> None:
    recorded = Recorded()

    async def work() -> None:
        async with heartbeating(lambda: Target(region="us-east-1")):
            await asyncio.sleep(0.05)

    await recorded.environment.run(work)
    (details,) = recorded.sent
    assert details == ({"Region": "us-east-1"},)
