"""The launcher's signals to waves about their launches."""

import asyncio
from collections.abc import Mapping

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.launch import (
        BatchResult,
        LaunchesSettled,
        LaunchRequest,
        LaunchWaiting,
        settled_by_wave,
    )
    from recovery.execution.wave import WaitingFor
    from workflows.signals import signal_workflow


class WaveSignals:
    """Sends signals to waves; the launcher does not wait for them."""

    def __init__(self) -> None:
        self._sending: set[asyncio.Task[None]] = set()

    async def wait_until_sent(self) -> None:
        """Wait until all signals are sent."""
        await workflow.wait_condition(lambda: not self._sending)

    def send_results(self, result: BatchResult, requests: Mapping[str, LaunchRequest]) -> None:
        """Send each wave of a batch the results of its launches, unless the batch did."""
        for wave, results in settled_by_wave(result.results, requests).items():
            if wave not in result.sent_to:
                self._signal(wave, "launches_settled", results)

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

        task = asyncio.create_task(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
