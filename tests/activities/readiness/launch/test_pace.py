"""Calls of looks in one target are spaced, and no target waits for another."""

import asyncio

from activities.readiness.launch.pace import Pace
from recovery.plan.model import Target


async def test_each_call_of_a_target_has_a_time_of_its_own() -> None:
    pace, one, other = (
        Pace(per_second=0.001),
        Target(region="us-west-2"),
        Target(region="eu-west-1"),
    )
    await pace.turn(one)
    await pace.turn(other)
    waiting = asyncio.create_task(pace.turn(one))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
