"""The live view: an execution as a screenful that fits 80 columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.live.hints import hints
from cli.render.cells import fit
from recovery.execution.progress import SYMBOLS, remark, unverified
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.forecast.remaining import remaining
from recovery.text_format import about, clock, count, moment

_WIDEST_NAME = 24
_HEADER_LINES = 5
_FEWEST_ROWS = 3

# Blue, yellow, cyan and bold tell themselves apart for colour-blind people; each status has its
# own symbol and its word besides.
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
LOOKS = {status: (symbol, _STYLES[status]) for status, symbol in SYMBOLS.items()}


@dataclass
class Watched:
    """An execution on the screen.

    Attributes:
        plan_id: its plan.
        execution_id: the one that is meant; None for whichever is the last.
        sandbox: whether it runs in a sandbox.
        state: how it stood at the last look; None before the first answer.
        silent_since: since when Temporal does not answer (epoch seconds).
        trouble: why it does not.
        closed: how its workflow was closed from outside, if it was.
    """

    plan_id: str
    execution_id: str | None = None
    sandbox: bool = False
    state: ExecutionState | None = None
    silent_since: float | None = None
    trouble: str = ""
    closed: str | None = None


def look(wave: WaveState) -> Text:
    """A wave's status as a symbol and its word."""
    symbol, style = LOOKS[wave.status]
    return Text(f"{symbol} {wave.status}", style=style)


def view(
    watched: Watched, *, now: float, width: int, height: int, footer: Sequence[str] = ()
) -> RenderableType:
    """Draw an execution.

    Args:
        watched: the execution.
        now: epoch seconds.
        width: cells of the screen.
        height: lines of the screen that may be used.
        footer: lines below it, such as a prompt.
    """
    below = [Text(fit(line, width), style="bold") for line in footer]
    lines: list[RenderableType] = []
    if watched.state is None:
        lines.append(Text(f"Waiting for the state of {watched.plan_id}…"))
    else:
        lines += _header(watched, watched.state, now=now, width=width)
        hinted = hints(watched.state, width=width)
        below = [*(Text(hint, style="bold yellow") for hint in hinted), *below]
        room = max(_FEWEST_ROWS, height - len(lines) - len(below) - 4)
        lines += _waves(watched.state, now=now, width=width, rows=room)
    if watched.silent_since is not None:
        told = f"Temporal does not answer since {moment(watched.silent_since)}; trying again."
        lines.append(Text(told, style="bold yellow"))
        lines.append(Text(fit(watched.trouble, width), style="yellow"))
    if below:
        lines += [Text(""), *below]
    return Group(*lines)


def _header(
    watched: Watched, state: ExecutionState, *, now: float, width: int
) -> list[RenderableType]:
    real = state.execution_type is ExecutionType.RECOVERY
    title = Text(f" {state.execution_type} ", style="bold reverse" if real else "bold")
    if watched.sandbox:
        title.append(" SANDBOX ", style="bold")
    title.append(f" {fit(state.plan_name, width - cell_len(title.plain) - 2)}")
    end = state.end_time or now
    times = f" {state.status}, {clock(end - state.start_time)} elapsed"
    if state.end_time is None:
        times += f", {_left(state, now=now)}"
    doubtful = sum(unverified(wave) for wave in state.waves)
    if doubtful:
        times += f", {doubtful} unverified"
    lines = [title, Text(fit(f" {_identity(state)}", width)), Text(fit(times, width))]
    if state.end_time is None and state.status_reason:
        lines.append(Text(fit(f" {state.status_reason}", width), style="bold"))
    lines += [Text(fit(f" warning: {each}", width), style="yellow") for each in state.warnings]
    return [*lines, Text("")]


def _identity(state: ExecutionState) -> str:
    if state.from_execution is None:
        return state.execution_id
    return f"{state.execution_id}, going on from {state.from_execution}"


def _left(state: ExecutionState, *, now: float) -> str:
    if not any(wave.is_running for wave in state.waves) and hints(state, width=80):
        return "waits for an operator"
    estimate = remaining(state, now=now)
    if estimate.overdue:
        return "longer than expected"
    return f"about {about(estimate.seconds)} left"


def _waves(state: ExecutionState, *, now: float, width: int, rows: int) -> list[RenderableType]:
    waves = state.waves
    if len(waves) > rows:
        place = {wave.wave_id: _urgency(wave) for wave in waves}
        urgent = sorted(waves, key=lambda wave: place[wave.wave_id])[: rows - 1]
        chosen = {wave.wave_id for wave in urgent}
        waves = [wave for wave in waves if wave.wave_id in chosen]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, width=width)
    widest = max((cell_len(wave.wave_name) for wave in state.waves), default=4)
    table.add_column("", no_wrap=True, width=13)
    name = min(_WIDEST_NAME, max(widest, 4))
    table.add_column("wave", no_wrap=True, width=name)
    table.add_column("launched", no_wrap=True, justify="right", width=8)
    table.add_column("time", no_wrap=True, justify="right", min_width=5)
    crowded = 2 * len(waves) > rows
    table.add_column("", ratio=1, no_wrap=crowded, overflow="ellipsis" if crowded else "fold")
    for wave in waves:
        table.add_row(
            look(wave),
            fit(wave.wave_name, name),
            f"{wave.launched_count}/{len(wave.servers)}",
            _elapsed(wave, now=now),
            fit(remark(wave), 2 * width),
        )
    others = len(state.waves) - len(waves)
    hidden = [Text(f"and {count(others, 'more wave')}: {_others(state, waves)}")] if others else []
    return [table, *hidden]


def _urgency(wave: WaveState) -> int:
    """Running waves and failures first, then those that wait, then those that are done."""
    if wave.status is WaveStatus.IN_PROGRESS or (wave.attempt and not wave.status.is_settled):
        return 0
    if wave.status in (WaveStatus.FAILED, WaveStatus.TIMED_OUT):
        return 1
    return 3 if wave.status.is_settled else 2


def _others(state: ExecutionState, shown: list[WaveState]) -> str:
    seen = {wave.wave_id for wave in shown}
    rest = [wave.status for wave in state.waves if wave.wave_id not in seen]
    return ", ".join(f"{rest.count(status)} {status}" for status in WaveStatus if status in rest)


def _elapsed(wave: WaveState, *, now: float) -> str:
    if wave.start_time is None:
        return ""
    return clock((wave.end_time or now) - wave.start_time)
