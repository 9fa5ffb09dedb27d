"""Whether a plan is open: asked of Temporal once for all who ask at the same time."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from activities.fence import is_plan_open
from tests.aws_in_process import Attempt, Temporal

EXECUTION = "shared-0f3b52a1c7d9"


@dataclass
class SlowTemporal(Temporal):
    """A Temporal whose answers are held back, and counted."""

    answers: asyncio.Event = field(default_factory=asyncio.Event)
    looks: int = 0

    async def describe(self, **how: Any) -> Any:
        self.looks += 1
        seen = await super().describe(**how)
        await self.answers.wait()
        return seen


async def ask(temporal: Temporal) -> bool:
    async def activity(_: None) -> bool:
        return await is_plan_open("shared", EXECUTION)

    return await Attempt(temporal).run(activity, None)


async def test_hundreds_that_ask_at_once_share_two_looks() -> None:
    temporal = SlowTemporal()
    asking = [asyncio.create_task(ask(temporal)) for _ in range(300)]
    await asyncio.sleep(0.05)
    assert temporal.looks <= 2
    temporal.answers.set()
    assert all(await asyncio.gather(*asking))
    assert temporal.looks <= 2


async def test_who_asks_while_a_look_goes_on_gets_one_that_began_later() -> None:
    temporal = SlowTemporal()
    before = asyncio.create_task(ask(temporal))
    await asyncio.sleep(0.05)
    assert temporal.looks == 1
    # The plan ends after that look began.
    temporal.plan_runs = ""
    after = asyncio.create_task(ask(temporal))
    await asyncio.sleep(0.05)
    temporal.answers.set()
    assert (await before, await after) == (True, False)


async def test_one_that_is_cancelled_does_not_cancel_the_others() -> None:
    temporal = SlowTemporal()
    asking = [asyncio.create_task(ask(temporal)) for _ in range(3)]
    await asyncio.sleep(0.05)
    asking[0].cancel()
    await asyncio.sleep(0.05)
    temporal.answers.set()
    assert await asyncio.gather(*asking[1:]) == [True, True]
