"""Records a workflow's state in the background, one write at a time, always the newest."""

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.history import HistoryActivities
    from contract.temporal import HISTORY_TASK_QUEUE
    from recovery.history.record import HistoryRecord
    from recovery.text_format import listed
    from workflows.activity_options import WRITE_RETRY
    from workflows.history_share import slowed
    from workflows.waiting import wait_at_most

MAX_RECORD_SECONDS = 24 * 3600.0


class Recorder:
    """Writes what `changes` returns as not written yet; the workflow does not wait for it.

    Attributes:
        recorded: by WaveId, the recorded revision.
        recorded_execution: the recorded revision of the execution itself.
        recorded_cleanup: the recorded revision of its clean-up.
    """

    def __init__(
        self,
        changes: Callable[[], HistoryRecord | None],
        *,
        pause_seconds: float,
        gather_seconds: float = 0.0,
        has_changes: Callable[[], bool] | None = None,
    ) -> None:
        """Create a recorder.

        Args:
            changes: returns what is not written yet.
            pause_seconds: at least between writes.
            gather_seconds: how long changes gather that come together, at most; not the first.
            has_changes: whether `changes` would return anything, if that is known more cheaply.
        """
        self.recorded: dict[str, int] = {}
        self.recorded_execution = 0
        self.recorded_cleanup = 0
        self._changes = changes
        self._pause = pause_seconds
        self._gather = gather_seconds
        self._has_changes = has_changes
        self._is_requested = False
        self._is_finishing = False
        self._task: asyncio.Task[bool] | None = None

    def begin(self) -> None:
        """Start recording in the background."""
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Request a write after a change."""
        self._is_requested = True

    async def finish(self, *, within_seconds: float) -> bool:
        """Write the rest, without pauses, until the time is over.

        Returns:
            Whether the history is complete.
        """
        if self._task is None:
            return True
        self._is_finishing = True
        task = self._task
        if not await wait_at_most(within_seconds, task.done, summary="Stop recording"):
            task.cancel()
            return False
        return task.exception() is None and task.result()

    async def _run(self) -> bool:
        written_at = -math.inf
        while True:
            await workflow.wait_condition(lambda: self._is_requested or self._is_finishing)
            self._is_requested = False
            if not self._is_finishing and self._has_changes and not self._has_changes():
                continue
            if not math.isinf(written_at):
                # That there is an execution is written at once.
                pause = written_at + slowed(self._pause) - workflow.time()
                await self._wait(max(self._gather, pause))
            self._is_requested = False
            record = self._changes()
            if record is None and self._is_finishing:
                return True
            if record is not None:
                if not await self._write(record):
                    return False
                written_at = workflow.time()
                # A full record leaves the rest to the next.
                self._is_requested |= len(record.waves) > 1 or self._has_changes is not None

    async def _wait(self, seconds: float) -> None:
        """Wait, but not at the end."""
        if seconds > 0 and not self._is_finishing:
            summary = "Gather changes to record"
            await wait_at_most(seconds, lambda: self._is_finishing, summary=summary)

    async def _write(self, record: HistoryRecord) -> bool:
        what = listed([wave.wave_name for wave in record.waves]) or "the execution"
        try:
            await workflow.execute_activity_method(
                HistoryActivities.record,
                record,
                task_queue=HISTORY_TASK_QUEUE,
                summary=f"Record {what}"[:100],
                schedule_to_close_timeout=timedelta(seconds=MAX_RECORD_SECONDS),
                start_to_close_timeout=timedelta(minutes=2),
                heartbeat_timeout=heartbeat_timeout(),
                retry_policy=WRITE_RETRY,
            )
        except ActivityError as error:
            workflow.logger.error("Recording failed: %s", error)
            return False
        for wave in record.waves:
            self.recorded[wave.wave_id] = wave.revision
        if record.execution is not None:
            self.recorded_execution = record.execution.revision
        if record.cleanup is not None:
            self.recorded_cleanup = record.cleanup.revision
        return True
