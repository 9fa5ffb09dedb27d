"""An execution as all its pages show it, computed once for all of them."""

import time
from dataclasses import dataclass
from typing import Any

from api.hub import Sight
from api.pages.execution.graph_layout import MOST_ROOMY, Layout, lay_out, sizes_for
from api.pages.execution.timeline import Timeline, graph_of, timeline
from api.pages.execution.wave_view import WaveView, bar_of, edges_into, node, row, wave_views
from api.pages.rendering import render
from recovery.execution.progress import unverified
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.forecast.remaining import remaining
from recovery.operator.pending_decisions import pending_decisions
from recovery.text_format import about, count, moment

# What is expected changes with the clock, but nobody reads it by the second.
_LASTS_SECONDS = 5.0
PLAN_SYMBOLS = {
    PlanStatus.IN_PROGRESS: "▶",
    PlanStatus.PAUSED: "‖",
    PlanStatus.COMPLETED: "✓",
    PlanStatus.PARTIAL: "◐",
    PlanStatus.FAILED: "✗",
    PlanStatus.CANCELLED: "■",
}


@dataclass(frozen=True)
class Picture:
    """An execution, rendered.

    Attributes:
        frame: what the page's frame is rendered with.
        parts: what of it changes, by the ID of its element.
    """

    state: ExecutionState
    frame: dict[str, Any]
    parts: dict[str, str]


class Painter:
    """Paints one execution; pages that show the same sight share the picture."""

    def __init__(self) -> None:
        self._layout: tuple[tuple[tuple[str, ...], ...], Layout] | None = None
        self._last: tuple[tuple[int, int], Picture] | None = None

    def picture(self, sight: Sight[ExecutionState]) -> Picture:
        """The picture of a sight, as of now."""
        now = time.time()
        is_open = sight.value.end_time is None
        key = (sight.number, int(now // _LASTS_SECONDS) if is_open else 0)
        if self._last is None or self._last[0] != key:
            self._last = key, self._paint(sight.value, now)
        return self._last[1]

    def _paint(self, state: ExecutionState, now: float) -> Picture:
        layout, times = self._laid_out(state), timeline(state, now=now)
        critical = {each.wave_id for each in times.rows if each.is_critical}
        views = {view.wave_id: view for view in wave_views(state, critical)}
        compact = len(views) > MOST_ROOMY
        passed = {wave.wave_id for wave in state.waves if wave.lets_dependents_go_on}
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
        parts |= _around(state, times, now=now)
        return Picture(state, _frame(views, layout, times, compact=compact), parts)

    def _laid_out(self, state: ExecutionState) -> Layout:
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


def _around(state: ExecutionState, times: Timeline, *, now: float) -> dict[str, str]:
    """What is shown above, between and below the waves."""
    critical = [each for each in times.rows if each.is_critical]
    names = {wave.wave_id: wave.wave_name for wave in state.waves}
    return {
        "head": render("head", **_head(state, now=now)),
        "status-line": render("status_line", told=status_line(state)),
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
    broken = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.SKIPPED, WaveStatus.CANCELLED)
    return {
        "state": state,
        "symbol": PLAN_SYMBOLS[state.status],
        "sandbox": state.speed > 1,
        "up": up,
        "running": sum(wave.status is WaveStatus.IN_PROGRESS for wave in waves),
        "broken": sum(wave.status in broken for wave in waves),
        "total": total,
        "left": left(state, now=now),
        "launched": sum(wave.launched_count for wave in waves),
        "servers": sum(len(wave.servers) for wave in waves),
        "unverified": sum(unverified(wave) for wave in waves),
    }


def left(state: ExecutionState, *, now: float) -> str:
    """How long an execution still takes, in words; "" once it has ended."""
    if state.end_time is not None:
        return ""
    if not any(wave.is_running for wave in state.waves) and pending_decisions(state):
        return "waits for an operator"
    estimate = remaining(state, now=now)
    return "longer than expected" if estimate.overdue else f"about {about(estimate.seconds)} left"


def status_line(state: ExecutionState) -> str:
    """How an execution stands, in a sentence that a screen reader says with every change."""
    waves = state.waves
    tally = {status: sum(wave.status is status for wave in waves) for status in WaveStatus}
    up = tally.pop(WaveStatus.COMPLETED) + tally.pop(WaveStatus.PARTIAL)
    told = [f"{up} of {count(len(waves), 'wave')} up"]
    told += [f"{number} {status}" for status, number in tally.items() if number]
    launched = sum(wave.launched_count for wave in waves)
    servers = sum(len(wave.servers) for wave in waves)
    told.append(f"{launched} of {count(servers, 'server')} launched")
    if doubtful := sum(unverified(wave) for wave in waves):
        told.append(f"{doubtful} of them Verified: UNKNOWN")
    checking = sum(
        server.launch_status is LaunchStatus.LAUNCHED and server.verified is None
        for wave in waves
        for server in wave.servers
    )
    if checking:
        told.append(f"{checking} being verified")
    return ", ".join(told)


def seen_text(sight: Sight[Any]) -> str:
    """When a sight was last known to be so, for people."""
    return moment(sight.seen_time)
