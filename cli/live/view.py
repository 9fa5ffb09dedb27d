"""Draws an execution on a screen of 80 columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.live.hints import hints
from cli.render.cells import fit
from client.executions import last_known_text
from recovery.execution.progress import SYMBOLS, unverified, wave_notes
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.operator.pending_decisions import remaining_text
from recovery.text_format import count, listed, running_duration, timestamp

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
        place: which Temporal it runs on.
        state: its state in the last response; None before the first response.
        seen_time: when the state was current, if nothing newer is known (epoch seconds).
        unreachable_since: since when Temporal or the workers do not respond (epoch seconds).
        lacks_worker: Temporal responds, but no worker does.
        error: why there is no response.
        closed_status: how its workflow was closed, if that was not by its own end.
    """

    plan_id: str
    execution_id: str | None = None
    sandbox: bool = False
    place: str = ""
    state: ExecutionState | None = None
    seen_time: float | None = None
    unreachable_since: float | None = None
    lacks_worker: bool = False
    error: str = ""
    closed_status: str | None = None

    @property
    def outage(self) -> str:
        """What does not respond."""
        return "No worker answers" if self.lacks_worker else "Temporal does not answer"


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
        if watched.seen_time is not None:
            text = f" {last_known_text(watched.seen_time, now)} "
            lines.append(Text(fit(text, width), style="bold reverse"))
            # What is not known does not go on counting.
            now = watched.seen_time
        lines += _header(watched, watched.state, now=now, width=width)
        hint_lines = hints(watched.state, now=now, width=width)
        below = [*(Text(hint, style="bold yellow") for hint in hint_lines), *below]
        rows = max(_MIN_ROWS, height - len(lines) - len(below) - 4)
        lines += _wave_table(watched.state, now=now, width=width, rows=rows)
    if watched.unreachable_since is not None:
        text = f"{watched.outage} (since {timestamp(watched.unreachable_since)}); trying again."
        lines.append(Text(text, style="bold yellow"))
        lines.append(Text(watched.error, style="yellow"))
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
        times += f", {remaining_text(state, now=now)}"
    unverified_count = sum(unverified(wave) for wave in state.waves)
    if unverified_count:
        times += f", {unverified_count} unverified"
    earlier = f", going on from {state.from_execution}" if state.from_execution else ""
    identity = f" {state.execution_id}{earlier}"
    lines = [title, Text(fit(identity, width))]
    lines += [Text(fit(f" {each}", width)) for each in places(watched.place, state)]
    lines.append(Text(fit(times, width)))
    if state.end_time is None and state.status_reason:
        lines.append(Text(fit(f" {state.status_reason}", width), style="bold"))
    lines += [Text(fit(f" warning: {each}", width), style="yellow") for each in state.warnings]
    return [*lines, Text("")]


def places(temporal: str, state: ExecutionState) -> list[str]:
    """Name the Temporal, and the accounts, Regions and endpoints of AWS, as far as known."""
    targets = dict.fromkeys(
        f"{wave.account_id} {wave.region}" for wave in state.waves if wave.account_id
    )
    aws = f"AWS {listed(list(targets), shown=3)}" if targets else ""
    if state.endpoints:
        aws = f"{aws or 'AWS'} at {listed(state.endpoints, shown=2)}"
    return [each for each in (temporal, aws) if each]


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
