"""Performs the actions of the scripts while the local AWS holds the matching calls."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.generation.script import ChaosAction, ChaosActionKind
from bench.chaos.results import RunResults
from bench.sandbox_client import CallLogReader
from bench.testbed import Testbed

Perform = Callable[[ChaosAction], Awaitable[str]]


@dataclass
class ActionRunner:
    """Follows the call log and performs the actions of all drills.

    Attributes:
        performed: by plan ID, the performed actions in order.
    """

    testbed: Testbed
    results: RunResults
    performed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _pending: dict[str, tuple[ChaosAction, Perform]] = field(default_factory=dict)

    def schedule(self, actions: list[ChaosAction], send: Perform) -> None:
        """Perform these actions when their calls are held. `send` sends the messages."""
        self._pending.update({action.name: (action, send) for action in actions})

    def unschedule(self, plan_id: str) -> None:
        """Remove the pending actions of a drill."""
        for name in [name for name in self._pending if name.startswith(f"{plan_id}/")]:
            del self._pending[name]
            self.results.unmatched += 1

    async def follow(self) -> None:
        """Perform an action for each held call that matches one, until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for call in CallLogReader(self.testbed.aws).follow():
                matched = self._pending.pop(call["Fault"] or "", None)
                if matched is not None:
                    group.create_task(self._perform(*matched, call))

    async def _perform(self, action: ChaosAction, send: Perform, call: dict[str, Any]) -> None:
        # A request that is not signed for AWS does not name its worker.
        caller = call["Caller"] or next(iter(self.testbed.workers.names), "")
        performed = self.performed[action.name.partition("/")[0]]
        performed.append(
            f"at call {action.after + 1} of {action.operation} by {caller}: {action.kind}"
        )
        workers = self.testbed.workers
        succeeded, response = True, ""
        try:
            match action.kind:
                case ChaosActionKind.KILL:
                    succeeded = await workers.kill(caller)
                case ChaosActionKind.TERMINATE:
                    succeeded = await workers.terminate(caller)
                case ChaosActionKind.RESTART_TEMPORAL:
                    await self.testbed.restart_temporal()
                case ChaosActionKind.CLOSE_CONNECTIONS:
                    await self.testbed.aws.close_connections()
                case ChaosActionKind.INTERRUPT_NETWORK:
                    fault, seconds = action.network_fault, action.outage_seconds
                    succeeded = workers.interrupt(caller, fault, seconds=seconds)
                case _:
                    response = await send(action)
                    performed.append(f"{action.message or action.kind} was {response}")
        finally:
            await self.testbed.aws.release(call["Number"])
        if response != "unanswered":
            self.results.actions[action.kind] += succeeded
        self.results.without_target += not succeeded
