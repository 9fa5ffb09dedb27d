"""Renders an execution once for all its open pages."""

import time
from dataclasses import dataclass
from typing import Any

from api.hub import Snapshot
from api.pages.execution.graph_layout import MAX_STANDARD_WAVES, Layout, lay_out, sizes_for
from api.pages.execution.timeline import Timeline, graph_of, timeline
from api.pages.execution.wave_view import WaveView, bar_of, edges_into, node, row, wave_views
from api.pages.rendering import render
from recovery.execution.progress import unverified
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.forecast.remaining import remaining
from recovery.operator.pending_decisions import pending_decisions
from recovery.text_format import count, rounded_duration

# The remaining time changes with the clock, but nobody needs it by the second.
_VALID_SECONDS = 5.0
PLAN_SYMBOLS = {
    PlanStatus.IN_PROGRESS: "▶",
    PlanStatus.PAUSED: "‖",
    PlanStatus.COMPLETED: "✓",
    PlanStatus.PARTIAL: "◐",
    PlanStatus.FAILED: "✗",
    PlanStatus.CANCELLED: "■",
}


@dataclass(frozen=True)
class RenderedExecution:
    """A rendered execution.

    Attributes:
        frame: the values for the template of the whole page.
        parts: the parts that change, by the ID of their element.
    """

    state: ExecutionState
    frame: dict[str, Any]
    parts: dict[str, str]


class ExecutionRenderer:
    """Renders one execution; pages that show the same snapshot share the result."""

    def __init__(self) -> None:
        self._layout: tuple[tuple[tuple[str, ...], ...], Layout] | None = None
        self._last: tuple[tuple[int, int], RenderedExecution] | None = None

    def render(self, snapshot: Snapshot[ExecutionState]) -> RenderedExecution:
        """Render a snapshot as of now."""
        now = time.time()
        is_running = snapshot.value.end_time is None
        key = (snapshot.number, int(now // _VALID_SECONDS) if is_running else 0)
        if self._last is None or self._last[0] != key:
            self._last = key, self._rendered(snapshot.value, now)
        return self._last[1]

    def _rendered(self, state: ExecutionState, now: float) -> RenderedExecution:
        layout, times = self._graph_layout(state), timeline(state, now=now)
        critical = {each.wave_id for each in times.rows if each.is_critical}
        views = {view.wave_id: view for view in wave_views(state, critical)}
        compact = len(views) > MAX_STANDARD_WAVES
        passed = {wave.wave_id for wave in state.waves if wave.releases_dependents}
        parts: dict[str, str] = {
            f"n{view.number}": node(view, layout.boxes[view.wave_id], compact=compact)
            for view in views.values()
        }
        parts |= edges_into(views, layout, passed)
        parts |= {f"r{view.number}": row(view) for view in views.values()}
        parts |= {
            f"b{views[each.wave_id].number}": bar_of(views[each.wave_id], each, times.length)
            for each in times.rows
        }
        parts |= _summary_parts(state, times, now=now)
        return RenderedExecution(state, _frame(views, layout, times, compact=compact), parts)

    def _graph_layout(self, state: ExecutionState) -> Layout:
        key = tuple((wave.wave_id, *wave.depends_on) for wave in state.waves)
        if self._layout is None or self._layout[0] != key:
            sizes = sizes_for(len(state.waves))
            found = lay_out({wave.wave_id: wave.depends_on for wave in state.waves}, sizes)
            self._layout = key, found
        return self._layout[1]


def _frame(
    views: dict[str, WaveView], layout: Layout, times: Timeline, *, compact: bool
) -> dict[str, Any]:
    return {
        "layout": layout,
        "compact": compact,
        "numbers": [view.number for view in views.values()],
        "bar_numbers": [views[each.wave_id].number for each in times.rows],
    }


def _summary_parts(state: ExecutionState, times: Timeline, *, now: float) -> dict[str, str]:
    """The parts other than waves."""
    critical = [each for each in times.rows if each.is_critical]
    names = {wave.wave_id: wave.wave_name for wave in state.waves}
    return {
        "head": render("head", **_head(state, now=now)),
        "status-line": render("status_line", text=status_line(state)),
        "axis": render("axis", times=times, state=state),
        "chain": render(
            "chain", names=[names[wave] for wave in _in_order(state, critical)], times=times
        ),
        "messages": render("messages", state=state, names=names),
        "cleanup": render("cleanup", cleanup=state.cleanup),
    }


def _in_order(state: ExecutionState, rows: list[Any]) -> list[str]:
    wanted = {row.wave_id for row in rows}
    return [wave for wave in graph_of(state).order() if wave in wanted]


def _head(state: ExecutionState, *, now: float) -> dict[str, Any]:
    waves, total = state.waves, len(state.waves)
    up = sum(wave.status.satisfies for wave in waves)
    not_up = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.SKIPPED, WaveStatus.CANCELLED)
    return {
        "state": state,
        "symbol": PLAN_SYMBOLS[state.status],
        "sandbox": state.speed > 1,
        "up": up,
        "running": sum(wave.status is WaveStatus.IN_PROGRESS for wave in waves),
        "broken": sum(wave.status in not_up for wave in waves),
        "total": total,
        "left": left(state, now=now),
        "launched": sum(wave.launched_count for wave in waves),
        "servers": sum(len(wave.servers) for wave in waves),
        "unverified": sum(unverified(wave) for wave in waves),
    }


def left(state: ExecutionState, *, now: float) -> str:
    """The remaining time of an execution as text; "" once it has ended."""
    if state.end_time is not None:
        return ""
    if not any(wave.is_running for wave in state.waves) and pending_decisions(state):
        return "waits for an operator"
    estimate = remaining(state, now=now)
    return (
        "longer than expected"
        if estimate.overdue
        else f"about {rounded_duration(estimate.seconds)} left"
    )


def status_line(state: ExecutionState) -> str:
    """The state of an execution in one sentence, which screen readers repeat on every change."""
    waves = state.waves
    counts = {status: sum(wave.status is status for wave in waves) for status in WaveStatus}
    up = counts.pop(WaveStatus.COMPLETED) + counts.pop(WaveStatus.PARTIAL)
    texts = [f"{up} of {count(len(waves), 'wave')} up"]
    texts += [f"{number} {status}" for status, number in counts.items() if number]
    launched = sum(wave.launched_count for wave in waves)
    servers = sum(len(wave.servers) for wave in waves)
    texts.append(f"{launched} of {count(servers, 'server')} launched")
    if unknown := sum(unverified(wave) for wave in waves):
        texts.append(f"{unknown} of them Verified: UNKNOWN")
    checking = sum(
        server.launch_status is LaunchStatus.LAUNCHED and server.verified is None
        for wave in waves
        for server in wave.servers
    )
    if checking:
        texts.append(f"{checking} being verified")
    return ", ".join(texts)
