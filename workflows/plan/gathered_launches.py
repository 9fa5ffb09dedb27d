"""The launches of waves that become ready, requested by their plan: of all at once together."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.launch.launch_activities import LaunchActivities
    from contract.launch import QueueLaunches, WaveLaunches
    from recovery.plan.model import Target
    from workflows.activity_options import READ_RETRY

_WAVES_AT_ONCE = 100
_SERVERS_AT_ONCE = 1000
# Then each wave queues its launches itself.
_TIMEOUT_SECONDS = 10.0


class GatheredLaunches:
    """Queues the launches of waves that start, of all at once that come while earlier ones go."""

    def __init__(self) -> None:
        # By target: each with its own role.
        self._waiting: dict[Target, list[tuple[WaveLaunches, asyncio.Future[None]]]] = {}
        self._tasks: dict[Target, asyncio.Task[None]] = {}

    def add(self, target: Target, launches: WaveLaunches) -> asyncio.Future[None]:
        """Queue the launches of a wave with the launcher of its target's account and Region.

        Returns:
            Done then, also when they could not be queued: the wave does it and says why.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(target, []).append((launches, done))
        task = self._tasks.get(target)
        if task is None or task.done():
            self._tasks[target] = asyncio.create_task(self._send(target))
        return done

    async def _send(self, target: Target) -> None:
        while waiting := self._waiting.pop(target, []):
            try:
                parts = _parts([launches for launches, _ in waiting])
                await asyncio.gather(*(_queue(part) for part in parts))
            finally:
                for _, done in waiting:
                    if not done.done():
                        done.set_result(None)


def _parts(waves: list[WaveLaunches]) -> list[list[WaveLaunches]]:
    """These launches in parts that each fit into one signal."""
    parts: list[list[WaveLaunches]] = []
    servers = 0
    for wave in waves:
        more = sum(len(request.servers) for request in wave.requests)
        if not parts or len(parts[-1]) >= _WAVES_AT_ONCE or servers + more > _SERVERS_AT_ONCE:
            parts.append([])
            servers = 0
        parts[-1].append(wave)
        servers += more
    return parts


def was_reset() -> bool:
    """Whether this run repeats an earlier one; its commands must be the same as before."""
    info = workflow.info()
    return info.run_id != info.first_execution_run_id


async def _queue(waves: list[WaveLaunches]) -> None:
    """Queue launches by an activity; Temporal would send a signal after the starts of all waves."""
    try:
        await workflow.execute_activity_method(
            LaunchActivities.queue_launches,
            QueueLaunches(waves=waves, is_repeated=was_reset()),
            summary=f"Queue the launches of {len(waves)} waves",
            schedule_to_close_timeout=timedelta(seconds=_TIMEOUT_SECONDS),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        workflow.logger.warning("Launches were not queued: %s", error)
