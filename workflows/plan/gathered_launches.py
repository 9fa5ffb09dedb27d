"""The launches of waves that become ready together, queued by their plan in one signal."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.launch.launch_activities import LaunchActivities
    from contract.launch import QueueLaunches, WaveLaunches
    from workflows.activity_options import READ_RETRY
    from workflows.signals import signal_workflow

_WAVES_AT_ONCE = 100
_SERVERS_AT_ONCE = 1000
# Then each wave queues its launches itself.
_TIMEOUT_SECONDS = 10.0


class GatheredLaunches:
    """Queues launches, of all waves at once that start while earlier ones are being queued.

    A wave's own request takes an activity or a signal of its own, and in a burst of hundreds the
    last ones wait for the first.
    """

    def __init__(self) -> None:
        # By launcher.
        self._waiting: dict[str, list[tuple[WaveLaunches, Callable[[], None]]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, launcher: str, launches: WaveLaunches, on_done: Callable[[], None]) -> None:
        """Queue the launches of a wave whose workflow has started, without waiting for it.

        Args:
            launcher: its workflow ID.
            launches: what to queue.
            on_done: called then, also when they could not be queued.
        """
        self._waiting.setdefault(launcher, []).append((launches, on_done))
        task = self._tasks.get(launcher)
        if task is None or task.done():
            self._tasks[launcher] = asyncio.create_task(self._send(launcher))

    async def _send(self, launcher: str) -> None:
        while waiting := self._waiting.get(launcher):
            count, servers = 0, 0
            for launches, _ in waiting[:_WAVES_AT_ONCE]:
                servers += sum(len(each.servers) for each in launches.requests)
                if count and servers > _SERVERS_AT_ONCE:
                    break
                count += 1
            sent, self._waiting[launcher] = waiting[:count], waiting[count:]
            try:
                await _queue(launcher, [launches for launches, _ in sent])
            finally:
                for _, on_done in sent:
                    on_done()


async def _queue(launcher: str, waves: list[WaveLaunches]) -> None:
    """Queue launches; if this fails, each wave does it and says why."""
    launches = QueueLaunches(waves=waves, by_plan=True)
    if await signal_workflow(launcher, "queue_launches", launches):
        return
    try:
        await workflow.execute_activity_method(
            LaunchActivities.queue_launches,
            launches,
            summary=f"Queue the launches of {len(waves)} waves",
            schedule_to_close_timeout=timedelta(seconds=_TIMEOUT_SECONDS),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        workflow.logger.warning("Launches were not queued: %s", error)
