"""The wall view of an execution: read at five metres, without anything to press."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from fastapi.sse import ServerSentEvent

from api.hub import POLL_ERRORS, Snapshot
from api.pages.execution.attention import attention_items
from api.pages.execution.execution_page import ExecutionPage
from api.pages.execution.execution_renderer import status_line, summary
from api.pages.rendering import render
from api.problems import ApiProblem
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.execution.wave_group import WaveGroup, wave_groups

_PLAN_SECONDS = 2.0
_MAX_LINES = 3


class WallPage(ExecutionPage):
    """The wall view of an execution."""

    template = "wall"

    async def first(self) -> tuple[str, str]:
        """The whole page, with the RTO of its plan."""
        await self._read_plan()
        return await super().first()

    async def updates(self, shown: str) -> AsyncIterator[ServerSentEvent]:
        """Send what changed; until the plan is known, its RTO is not shown."""
        async for event in super().updates(shown):
            yield event
            await self._read_plan()

    def parts(self, snapshot: Snapshot[ExecutionState]) -> dict[str, str]:
        """Render the whole state as one part."""
        state, now = snapshot.value, time.time()
        items = attention_items(state, self.user)
        failed = _failed(state, [item.wave for item in items if item.wave])
        text = render(
            "wall_state",
            **summary(state, now=snapshot.seen_time if snapshot.error else now),
            now=now,
            items=items[:_MAX_LINES],
            more_items=len(items) - _MAX_LINES,
            failed=failed[:_MAX_LINES],
            more_failed=len(failed) - _MAX_LINES,
            status_line=status_line(state),
            rto=self._rto_seconds(state),
        )
        return {"wall": text}

    def frame(self, snapshot: Snapshot[ExecutionState]) -> dict[str, str]:
        """The execution, for the link back."""
        return {"execution_id": snapshot.value.execution_id}

    def _rto_seconds(self, state: ExecutionState) -> float | None:
        """The recovery time objective by the clock of the execution; None if there is none."""
        plan = self._renderer.plan
        return plan.rto * 60 / state.speed if plan and plan.rto else None

    async def _read_plan(self) -> None:
        if self._renderer.plan is not None:
            return
        with suppress(*POLL_ERRORS, ApiProblem, TimeoutError):
            async with asyncio.timeout(_PLAN_SECONDS):
                self._renderer.plan = await self.service.frozen_plan(self.title)


def _failed(state: ExecutionState, waiting: Sequence[WaveState]) -> list[WaveState]:
    """The waves that failed, except those among the decisions."""
    groups = wave_groups(state)
    return [
        wave
        for wave in state.waves
        if groups[wave.wave_id] is WaveGroup.FAILED and wave not in waiting
    ]
