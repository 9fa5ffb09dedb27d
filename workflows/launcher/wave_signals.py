"""The launcher's signals to waves about their launches."""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.launch.launch_activities import LaunchActivities
    from contract.launch import (
        BatchResult,
        LaunchesSettled,
        LaunchRequest,
        LaunchWaiting,
        SendResults,
        settled_by_wave,
    )
    from recovery.execution.wave import WaitingFor
    from workflows.activity_options import READ_RETRY
    from workflows.signals import signal_workflow

_COMING_TIMEOUT = timedelta(seconds=90)


class WaveSignals:
    """Sends signals to waves; the launcher does not wait for them."""

    def __init__(self) -> None:
        self._sending: set[asyncio.Task[None]] = set()

    async def wait_until_sent(self) -> None:
        """Wait until all signals are sent."""
        await workflow.wait_condition(lambda: not self._sending)

    def send_results(self, result: BatchResult, requests: Mapping[str, LaunchRequest]) -> None:
        """Send each wave of a batch the results of its launches, unless the batch did."""
        coming: dict[str, LaunchesSettled] = {}
        for wave, settled in settled_by_wave(result.results, requests).items():
            if wave in result.sent_to:
                continue
            if any(requests[each.launch_id].by_plan for each in settled.results):
                coming[wave] = settled
            else:
                self._signal(wave, "launches_settled", settled)
        if coming:
            self._start(_send_to_coming(SendResults(settled=coming)))

    def send_waiting(self, wave: str, launch_id: str, waiting_for: WaitingFor, reason: str) -> None:
        """Send a wave what one of its launches waits for."""
        signal = LaunchWaiting(launch_id=launch_id, waiting_for=waiting_for, reason=reason)
        self._signal(wave, "launch_waiting", signal)

    def send_withdrawn(self, wave: str, launch_ids: list[str], in_doubt: bool) -> None:
        """Send a wave that the launcher no longer has these launches."""
        if launch_ids:
            withdrawn = LaunchesSettled(withdrawn=launch_ids, in_doubt=in_doubt)
            self._signal(wave, "launches_settled", withdrawn)

    def _signal(self, wave: str, name: str, signal: LaunchWaiting | LaunchesSettled) -> None:
        async def send() -> None:
            if not await signal_workflow(wave, name, signal):
                workflow.logger.info("%s has ended", wave)

        self._start(send())

    def _start(self, sending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(sending)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


async def _send_to_coming(results: SendResults) -> None:
    """Send results to waves that may not have started yet; a workflow's signal waits for none."""
    try:
        await workflow.execute_activity_method(
            LaunchActivities.send_results,
            results,
            summary=f"Send {len(results.settled)} waves the results of their launches",
            schedule_to_close_timeout=_COMING_TIMEOUT,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=READ_RETRY,
        )
    except ActivityError as error:
        # A wave that hears nothing requests its launches again.
        workflow.logger.warning("Results of launches were not sent: %s", error)
