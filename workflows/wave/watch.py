"""The watches of a wave's servers, from the acceptance of their job to their final state."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.watch.watch_activities import WatchActivities
    from contract.temporal import WATCH_TASK_QUEUE
    from contract.watch import WatchRequest
    from contract.wave import WaveInput
    from recovery.execution.server import ServerResult
    from recovery.execution.wave import WaveReport
    from workflows.activity_options import READ_RETRY
    from workflows.wave.control import WaveControl
    from workflows.wave.tracker import WaveTracker

OBSERVE_SECONDS = 24 * 3600.0
_OBSERVE_TIMEOUT = timedelta(seconds=OBSERVE_SECONDS + 3600)
_LAST_POLL_TIMEOUT = timedelta(seconds=45)
# The share of the fastest server's expected time in which no server is expected to be up.
_SLOW_POLL_SHARE = 0.6


class WaveWatch:
    """The watches of one attempt of a wave, one per set of servers whose launch was accepted."""

    def __init__(
        self,
        start: WaveInput,
        tracker: WaveTracker,
        control: WaveControl,
        *,
        take_report: Callable[[], WaveReport | None],
    ) -> None:
        """Prepare; `take_report` returns what a watch reports to the plan when it begins."""
        self._start = start
        self._take_report = take_report
        self._tracker = tracker
        self._control = control
        self._watches: list[asyncio.Task[None]] = []
        # By Temporal's time.
        self._last_accepted = 0.0
        self._length_at_end = 0

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._watches)

    @property
    def has_just_ended(self) -> bool:
        """Whether a watch ended in this workflow task; without a signal, it saw the plan open."""
        return self._length_at_end == workflow.info().get_current_history_length()

    def begin(
        self, servers: Sequence[ServerResult], *, accepted_time: float, not_before: float
    ) -> None:
        """Watch servers whose job DRS accepted.

        Args:
            servers: the servers.
            accepted_time: when, by AWS's clock, which may differ from Temporal's by hours.
            not_before: when it was not accepted yet, by Temporal's clock.
        """
        self._tracker.set_accepted(accepted_time)
        self._tracker.judge()
        accepted = min(workflow.time(), max(not_before, accepted_time))
        self._last_accepted = max(self._last_accepted, accepted)
        speed = self._start.speed
        request = WatchRequest(
            target=self._start.wave.target,
            servers=list(servers),
            until=accepted + OBSERVE_SECONDS / speed,
            slow_poll_until=accepted + _SLOW_POLL_SHARE * self._start.earliest_seconds / speed,
            acting_for=self._start.acting_for,
            execution_id=self._start.execution_id,
            plan_workflow_id=self._start.plan_workflow_id,
            report=self._take_report(),
        )
        self._watches.append(asyncio.create_task(self._watch(request)))

    async def await_launch(self, *, or_accepted: bool) -> None:
        """Wait for the servers until TimeoutSeconds are over.

        Args:
            or_accepted: until an operator accepts what is up, too.
        """
        control, tracker = self._control, self._tracker

        def is_over() -> bool:
            return tracker.is_launch_over or (or_accepted and tracker.is_launch_accepted)

        timeout = self._start.wave.timeout_seconds / self._start.speed
        await control.wait_until(
            lambda: is_over() or control.superseded,
            seconds=self._last_accepted + timeout - workflow.time(),
            summary="TimeoutSeconds",
        )
        if not (control.stopped or is_over() or control.superseded):
            await self._poll_once_more()
        if not is_over():
            if control.stop_reason is not None:
                tracker.cancel(control.stop_reason)
            elif not control.superseded:
                tracker.time_out()

    async def observe(self) -> None:
        """Observe the servers until each is in its final state, or another attempt does."""
        control = self._control
        await control.wait_until(
            lambda: control.superseded or all(watch.done() for watch in self._watches),
            ignore_stop=True,
        )
        for watch in self._watches:
            watch.cancel()

    async def _poll_once_more(self) -> None:
        """Poll DRS before the wave is TIMED_OUT, in case the watching worker was down."""
        servers = [s for s in self._tracker.state.servers if s.recovery_job_id and not s.is_final]
        request = WatchRequest(
            target=self._start.wave.target,
            servers=servers,
            until=0.0,
            acting_for=self._start.acting_for,
        )
        polling = asyncio.create_task(self._watch(request, within=_LAST_POLL_TIMEOUT))
        await self._control.wait_until(polling.done)
        if polling.done():
            polling.exception()

    async def _watch(self, request: WatchRequest, *, within: timedelta = _OBSERVE_TIMEOUT) -> None:
        seen = await workflow.execute_activity_method(
            WatchActivities.watch_servers,
            request,
            task_queue=WATCH_TASK_QUEUE,
            summary=f"Watch {len(request.servers)} servers of {self._start.wave.wave_name}",
            schedule_to_close_timeout=within,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
        self._length_at_end = workflow.info().get_current_history_length()
        self._tracker.apply_watched(seen)
        self._tracker.judge()
