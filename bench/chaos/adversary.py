"""The adversary: waits for the calls that the scripts name, and strikes while they are held."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.script import Act, ActKind
from bench.chaos.tally import Tally
from bench.testbed import Testbed

SendMessage = Callable[[Act], Awaitable[str]]


@dataclass
class Adversary:
    """Follows the log of calls of all drills.

    Attributes:
        done: by drill's plan ID, what was done to it, in order.
    """

    bed: Testbed
    tally: Tally
    done: dict[str, list[str]] = field(default_factory=dict)
    _waiting: dict[str, tuple[Act, SendMessage]] = field(default_factory=dict)

    def expect(self, acts: list[Act], send: SendMessage) -> None:
        """Do these acts when their calls come; messages go out by `send`."""
        self._waiting.update({act.name: (act, send) for act in acts})

    def forget(self, plan_id: str) -> None:
        """Do no more to a drill."""
        for name in [name for name in self._waiting if name.startswith(f"{plan_id}/")]:
            del self._waiting[name]
            self.tally.never_came += 1

    async def follow(self) -> None:
        """Strike whenever a call that is waited for is held, until cancelled."""
        async with asyncio.TaskGroup() as strikes:
            async for call in self.bed.aws.follow():
                expected = self._waiting.pop(call["Fault"] or "", None)
                if expected is not None:
                    strikes.create_task(self._strike(*expected, call))

    async def _strike(self, act: Act, send: SendMessage, call: dict[str, Any]) -> None:
        told = f"at call {act.after + 1} of {act.operation} by {call['Caller']}: {act.kind}"
        self.done.setdefault(act.name.partition("/")[0], []).append(told)
        mending: asyncio.Task[None] | None = None
        workers = self.bed.workers
        hit, answer = True, ""
        try:
            match act.kind:
                case ActKind.KILL:
                    hit = await workers.kill(call["Caller"])
                case ActKind.TERMINATE:
                    hit = await workers.terminate(call["Caller"])
                case ActKind.RESTART_TEMPORAL:
                    await self.bed.restart_temporal()
                case ActKind.BREAK_CONNECTIONS:
                    await self.bed.aws.break_connections()
                case ActKind.CUT_LINK:
                    hit = workers.cut(call["Caller"], act.cut)
                    mending = asyncio.create_task(self._mend(call["Caller"], act.cut_seconds))
                case ActKind.MESSAGE | ActKind.CANCEL:
                    answer = await send(act)
                    what = act.message or "cancel"
                    self.done[act.name.partition("/")[0]].append(f"{what} was {answer}")
        finally:
            await self.bed.aws.release(call["Number"])
        if answer != "unanswered":
            self.tally.acts[act.kind] += hit
        self.tally.missed += not hit
        if mending is not None:
            await mending

    async def _mend(self, worker: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.bed.workers.mend(worker)
