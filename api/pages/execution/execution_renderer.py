"""Renders an execution once for all its open pages."""

import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from api.hub import Snapshot
from api.pages.execution.graph_layout import (
    COMPACT,
    DENSE,
    STANDARD,
    STEPPED,
    Layout,
    lay_out,
    sizes_for,
)
from api.pages.execution.wave_view import edges_into, wave_views
from api.pages.rendering import MacroCache, render
from recovery.execution.progress import unverified
from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.state import SENDERS_NOT_VERIFIED, ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.execution.wave_group import WaveGroup
from recovery.forecast.timeline import Timeline, timeline
from recovery.launch_settings.isolation import isolation_lines
from recovery.operator.pending_decisions import remaining_text
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count

# The remaining time changes with the clock, but nobody needs it by the second.
_VALID_SECONDS = 5.0
_MAX_WAVES_WITHOUT_FOLDING = 12
# The CSS class of the graph; the style sheet has the sizes too.
_NODE_CLASSES = {
    STANDARD: "standard",
    STEPPED: "standard stepped",
    DENSE: "dense",
    COMPACT: "compact",
}
PLAN_SYMBOLS: dict[str, str] = {
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

    frame: dict[str, Any]
    parts: dict[str, str]


class ExecutionRenderer:
    """Renders one execution; pages that show the same snapshot share the result.

    Attributes:
        plan: its frozen plan; None until a page has read it.
    """

    def __init__(self) -> None:
        self.plan: RecoveryPlan | None = None
        self._macros = MacroCache()
        self._last: tuple[tuple[int, int], RenderedExecution] | None = None

    def render(self, snapshot: Snapshot[ExecutionState]) -> RenderedExecution:
        """Render a snapshot as of now."""
        # What is not known does not go on counting.
        now = snapshot.seen_time if snapshot.error else time.time()
        is_running = snapshot.value.end_time is None
        key = (snapshot.number, int(now // _VALID_SECONDS) if is_running else 0)
        if self._last is None or self._last[0] != key:
            self._last = key, self._rendered(snapshot.value, now)
        return self._last[1]

    def _rendered(self, state: ExecutionState, now: float) -> RenderedExecution:
        waves = tuple((wave.wave_id, *wave.depends_on) for wave in state.waves)
        layout = _layout(waves, with_steps=any(wave.steps for wave in state.waves))
        times = timeline(state, now=now)
        views = wave_views(state, set(times.critical_path))
        compact = layout.sizes is COMPACT
        macro = self._macros.render
        parts = _summary_parts(state, times, now=now)
        for wave_id, view in views.items():
            node, row = f"n{view.number}", f"r{view.number}"
            parts[node] = macro(node, "graph", "node", view, layout.boxes[wave_id], compact)
            parts[row] = macro(row, "waves", "row", view)
        groups: dict[WaveGroup, list[int]] = {group: [] for group in WaveGroup}
        for view in views.values():
            groups[view.group].append(view.number)
        for group, numbers in groups.items():
            parts[f"c-{group}"] = render("wave_count", group=group, number=len(numbers))
        for wave_id, paths in edges_into(views, layout).items():
            edges = f"e{views[wave_id].number}"
            parts[edges] = macro(edges, "graph", "edges", views[wave_id].number, paths)
        for each in times.rows:
            view = views[each.wave_id]
            bar = f"b{view.number}"
            parts[bar] = macro(bar, "timeline", "bar", view, each, times.length)
        frame = {
            "layout": layout,
            "node_class": _NODE_CLASSES[layout.sizes],
            "numbers": range(len(views)),
            "groups": groups,
            "are_finished_open": len(views) <= _MAX_WAVES_WITHOUT_FOLDING,
            "bar_numbers": [views[each.wave_id].number for each in times.rows],
        }
        return RenderedExecution(frame, parts)


@lru_cache(maxsize=100)
def _layout(waves: tuple[tuple[str, ...], ...], *, with_steps: bool) -> Layout:
    """The layout of waves, each given with the waves that it depends on."""
    return lay_out(
        {wave: after for wave, *after in waves}, sizes_for(len(waves), with_steps=with_steps)
    )


def _summary_parts(state: ExecutionState, times: Timeline, *, now: float) -> dict[str, str]:
    """The parts other than waves."""
    names = {wave.wave_id: wave.wave_name for wave in state.waves}
    chain = [names[wave_id] for wave_id in times.critical_path]
    return {
        "head": render("head", **summary(state, now=now)),
        "status-line": render("status_line", text=status_line(state)),
        "axis": render("axis", times=times, state=state),
        "chain": render("chain", names=chain),
        "messages": render(
            "messages", state=state, names=names, senders_not_verified=SENDERS_NOT_VERIFIED
        ),
        "cleanup": render("cleanup", cleanup=state.cleanup),
    }


def summary(state: ExecutionState, *, now: float) -> dict[str, Any]:
    """The values for the templates that summarize an execution."""
    statuses = [wave.status for wave in state.waves]
    return {
        "state": state,
        "isolation": isolation_lines(state),
        "symbol": PLAN_SYMBOLS[state.status],
        "up": statuses.count(WaveStatus.COMPLETED),
        "in_progress": statuses.count(WaveStatus.IN_PROGRESS),
        "broken": sum(s.is_settled and s is not WaveStatus.COMPLETED for s in statuses),
        "total": len(statuses),
        "unverified": sum(unverified(wave) for wave in state.waves),
        "left": _left(state, now=now),
        "waiting_steps": [
            (wave.wave_name, step)
            for wave in state.waves
            for step in wave.steps
            if step.awaits_operator
        ],
    }


def _left(state: ExecutionState, *, now: float) -> str:
    """The remaining time of an execution as text; "" once it has ended."""
    if state.is_over:
        return ""
    return remaining_text(state, now=now)


def status_line(state: ExecutionState) -> str:
    """The state of an execution in one sentence, which screen readers repeat on every change."""
    counts = Counter(wave.status for wave in state.waves)
    servers = [server for wave in state.waves for server in wave.servers]
    recorded = sum(each.is_recorded_up for each in servers)
    launched = [
        each
        for each in servers
        if each.launch_status is LaunchStatus.LAUNCHED and not each.is_recorded_up
    ]
    # What became of them after the end is not known here.
    came_up = "up" if state.end_time is None else "came up"
    up = counts.pop(WaveStatus.COMPLETED, 0)
    texts = [f"{up} of {count(len(state.waves), 'wave')} {came_up}"]
    texts += [f"{counts[status]} {status}" for status in WaveStatus if counts[status]]
    if servers:
        texts.append(f"{len(launched)} of {count(len(servers), 'server')} launched")
    waiting = sum(step.awaits_operator for wave in state.waves for step in wave.steps)
    if waiting:
        texts.append(f"{count(waiting, 'step')} waiting for an operator")
    if recorded:
        texts.append(f"{recorded} recorded as up, not checked yet")
    if unknown := sum(each.verified is Verified.UNKNOWN for each in launched):
        texts.append(f"{unknown} of them Verified: UNKNOWN")
    if checking := sum(each.verified is None for each in launched):
        texts.append(f"{checking} being verified")
    if state.cleanup is not None and state.cleanup.terminated:
        gone = count(len(state.cleanup.terminated), "instance")
        texts.append(f"{gone} terminated by the clean-up")
    return ", ".join(texts)
