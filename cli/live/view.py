"""Draws an execution on a screen of 80 columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.live.hints import hints
from cli.render.cells import fit
from recovery.execution.progress import SYMBOLS, unverified, wave_notes
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.forecast.remaining import remaining
from recovery.text_format import count, rounded_duration, running_duration, timestamp

_MAX_NAME_WIDTH = 24
_MIN_ROWS = 3

# Colour-blind people can distinguish blue, yellow, cyan and bold; each status also has its own
# symbol and name.
_STYLES = {
    WaveStatus.PENDING: "dim",
    WaveStatus.WAITING: "dim",
    WaveStatus.IN_PROGRESS: "bold cyan",
    WaveStatus.COMPLETED: "blue",
    WaveStatus.PARTIAL: "yellow",
    WaveStatus.FAILED: "bold yellow",
    WaveStatus.TIMED_OUT: "bold yellow",
    WaveStatus.SKIPPED: "yellow",
    WaveStatus.CANCELLED: "yellow",
}


@dataclass
class WatchedExecution:
    """An execution that the command follows.

    Attributes:
        execution_id: None for the plan's last execution, until the first response.
        state: its state in the last response; None before the first response.
        unreachable_since: since when Temporal does not respond (epoch seconds).
        error: why Temporal does not respond.
        closed_status: how its workflow was closed, if that was not by its own end.
    """

    plan_id: str
    execution_id: str | None = None
    sandbox: bool = False
    state: ExecutionState | None = None
    unreachable_since: float | None = None
    error: str = ""
    closed_status: str | None = None


def view(
    watched: WatchedExecution, *, now: float, width: int, height: int, footer: Sequence[str] = ()
) -> RenderableType:
    """Draw an execution within so many cells and lines, with a footer such as a prompt below it.

    `now` is in epoch seconds.
    """
    below = [Text(fit(line, width), style="bold") for line in footer]
    lines: list[RenderableType] = []
    if watched.state is None:
        lines.append(Text(f"Waiting for the state of {watched.plan_id}…"))
    else:
        lines += _header(watched, watched.state, now=now, width=width)
        hint_lines = hints(watched.state, width=width)
        below = [*(Text(hint, style="bold yellow") for hint in hint_lines), *below]
        rows = max(_MIN_ROWS, height - len(lines) - len(below) - 4)
        lines += _wave_table(watched.state, now=now, width=width, rows=rows)
    if watched.unreachable_since is not None:
        text = (
            f"Temporal does not answer since {timestamp(watched.unreachable_since)}; trying again."
        )
        lines.append(Text(text, style="bold yellow"))
        lines.append(Text(fit(watched.error, width), style="yellow"))
    if below:
        lines += [Text(""), *below]
    return Group(*lines)


def _header(
    watched: WatchedExecution, state: ExecutionState, *, now: float, width: int
) -> list[RenderableType]:
    is_recovery = state.execution_type is ExecutionType.RECOVERY
    title = Text(f" {state.execution_type} ", style="bold reverse" if is_recovery else "bold")
    if watched.sandbox:
        title.append(" SANDBOX ", style="bold")
    title.append(f" {fit(state.plan_name, width - cell_len(title.plain) - 2)}")
    end = state.end_time or now
    times = f" {state.status}, {running_duration(end - state.start_time)} elapsed"
    if state.end_time is None:
        times += f", {_remaining(state, now=now)}"
    unverified_count = sum(unverified(wave) for wave in state.waves)
    if unverified_count:
        times += f", {unverified_count} unverified"
    earlier = f", going on from {state.from_execution}" if state.from_execution else ""
    identity = f" {state.execution_id}{earlier}"
    lines = [title, Text(fit(identity, width)), Text(fit(times, width))]
    if state.end_time is None and state.status_reason:
        lines.append(Text(fit(f" {state.status_reason}", width), style="bold"))
    lines += [Text(fit(f" warning: {each}", width), style="yellow") for each in state.warnings]
    return [*lines, Text("")]


def _remaining(state: ExecutionState, *, now: float) -> str:
    if not any(wave.is_running for wave in state.waves) and hints(state, width=80):
        return "waits for an operator"
    estimate = remaining(state, now=now)
    if estimate.overdue:
        return "longer than expected"
    return f"about {rounded_duration(estimate.seconds)} left"


def _wave_table(
    state: ExecutionState, *, now: float, width: int, rows: int
) -> list[RenderableType]:
    waves = _most_urgent(state.waves, rows)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, width=width)
    widest = max((cell_len(wave.wave_name) for wave in state.waves), default=4)
    table.add_column("", no_wrap=True, width=13)
    name = min(_MAX_NAME_WIDTH, max(widest, 4))
    table.add_column("wave", no_wrap=True, width=name)
    table.add_column("launched", no_wrap=True, justify="right", width=8)
    table.add_column("time", no_wrap=True, justify="right", min_width=5)
    crowded = 2 * len(waves) > rows
    table.add_column("", ratio=1, no_wrap=crowded, overflow="ellipsis" if crowded else "fold")
    for wave in waves:
        table.add_row(
            Text(f"{SYMBOLS[wave.status]} {wave.status}", style=_STYLES[wave.status]),
            fit(wave.wave_name, name),
            f"{wave.launched_count}/{len(wave.servers)}",
            _elapsed(wave, now=now),
            fit(wave_notes(wave), 2 * width),
        )
    hidden = len(state.waves) - len(waves)
    if not hidden:
        return [table]
    return [table, Text(f"and {count(hidden, 'more wave')}: {_hidden_counts(state, waves)}")]


def _most_urgent(waves: list[WaveState], rows: int) -> list[WaveState]:
    if len(waves) <= rows:
        return waves
    urgent = {wave.wave_id for wave in sorted(waves, key=_urgency)[: rows - 1]}
    return [wave for wave in waves if wave.wave_id in urgent]


def _urgency(wave: WaveState) -> int:
    """Rank running waves first, then failed, then waiting, then settled ones."""
    if wave.status is WaveStatus.IN_PROGRESS or (wave.attempt and not wave.status.is_settled):
        return 0
    if wave.status in (WaveStatus.FAILED, WaveStatus.TIMED_OUT):
        return 1
    return 3 if wave.status.is_settled else 2


def _hidden_counts(state: ExecutionState, shown: list[WaveState]) -> str:
    shown_ids = {wave.wave_id for wave in shown}
    hidden = [wave.status for wave in state.waves if wave.wave_id not in shown_ids]
    statuses = [status for status in WaveStatus if status in hidden]
    return ", ".join(f"{hidden.count(status)} {status}" for status in statuses)


def _elapsed(wave: WaveState, *, now: float) -> str:
    if wave.start_time is None:
        return ""
    return running_duration((wave.end_time or now) - wave.start_time)
