"""The waves of an execution on a screen: decisions first, then what runs, then what is next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from rich.cells import cell_len
from rich.text import Text

from cli.live.hints import hint
from cli.render.cells import list_within, pad, wrapped
from cli.render.steps import name_width, step_row, wave_steps
from recovery.execution.open_decision import DecisionKind
from recovery.execution.progress import SYMBOLS, unverified, wave_notes
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus
from recovery.forecast.remaining import expected_seconds
from recovery.operator.pending_decisions import PendingDecision, pending_decisions
from recovery.plan.graph import WaveGraph
from recovery.steps.progress import steps_text
from recovery.text_format import count, rounded_duration, running_duration

_MAX_NAME_WIDTH = 32
# Of the status before a name.
_STATUS_WIDTH = 15
UNLIMITED = 1_000_000

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


@dataclass(frozen=True)
class _Section:
    """Some waves under a heading.

    Attributes:
        groups: of waves that are drawn as one.
        draw: draws a group; called only as far as there is room.
        collapsed: what the line says that stands for all of them where there is no room.
        whole: show all of them or none.
    """

    heading: str
    groups: Sequence[Sequence[WaveState]]
    draw: Callable[[Sequence[WaveState]], list[Text]]
    collapsed: str
    whole: bool = False

    def fitted(self, space: int, width: int) -> list[Text]:
        """Draw it in so many lines, at least one."""
        number = sum(map(len, self.groups))
        lines = [Text(f"{self.heading} ({number})", style="bold")]
        shown = 0
        if not self.whole or len(self.groups) < space:
            for group in self.groups:
                item = self.draw(group)
                is_last = shown + 1 == len(self.groups)
                if len(lines) + len(item) + (not is_last) > space:
                    break
                lines += item
                shown += 1
        rest = [wave.wave_name for group in self.groups[shown:] for wave in group]
        if not rest:
            return lines
        if self.whole:
            symbol = SYMBOLS[self.groups[0][0].status]
            return [Text(f"{symbol} {count(number, 'wave')} {self.collapsed}")]
        if not shown:
            start = f"{count(number, 'wave')} {self.collapsed}: "
            return [Text(list_within(rest, width, start=start))]
        return [*lines, Text(list_within(rest, width, start=f"  and {len(rest)} more: "))]


def most_important(
    state: ExecutionState, *, now: float, width: int, height: int | None, room: int, with_keys: bool
) -> list[Text]:
    """Draw what needs an operator, then what runs, what is next and what has ended.

    Args:
        state: the execution.
        now: epoch seconds.
        width: of the screen, in cells.
        height: draw so many lines at most; None to cut nothing.
        room: list the completed waves if all of it fits into so many lines.
        with_keys: name the keys of the live view, not the commands.
    """
    pending = pending_decisions(state)
    rows = _Rows(state, now=now, width=width)
    sections = _sections(state, pending, rows)
    limit = UNLIMITED if height is None else height
    lines: list[Text] = []
    if pending:
        lines = _decisions(state, pending, rows, limit - len(sections), with_keys=with_keys)
    for number, section in enumerate(sections, start=1):
        available = (room if section.whole else limit) - len(lines)
        lines += section.fitted(available - (len(sections) - number), width)
    return lines


def all_waves(
    state: ExecutionState, *, now: float, width: int, height: int, page: int
) -> list[Text]:
    """Draw a page of the list of all waves in the order of the plan, each in full.

    Args:
        state: the execution.
        now: epoch seconds.
        width: of the screen, in cells.
        height: of a page, in lines.
        page: from 1; after the last page, the list is empty.
    """
    pages: list[list[Text]] = [[]]
    space = height - 1
    for item in map(_Rows(state, now=now, width=width).full, state.waves):
        # A reason may be longer than a page.
        for part in (item[n : n + space] for n in range(0, len(item), space)):
            if pages[-1] and len(pages[-1]) + len(part) > space:
                pages.append([])
            pages[-1] += part
    if page > len(pages):
        return []
    heading = f"ALL {count(len(state.waves), 'WAVE').upper()}, page {page} of {len(pages)}"
    return [Text(heading, style="bold"), *pages[page - 1]]


class _Rows:
    """The lines of single waves."""

    def __init__(self, state: ExecutionState, *, now: float, width: int) -> None:
        self.state, self.now, self.width = state, now, width
        widest = max((cell_len(wave.wave_name) for wave in state.waves), default=0)
        self._name_width = min(widest, _MAX_NAME_WIDTH)

    def row(self, wave: WaveState, *, with_notes: bool = True) -> list[Text]:
        """The status of a wave, its name, how many of its servers are up, its time and notes."""
        name = wave.wave_name
        padded = pad(name, self._name_width) if cell_len(name) <= self._name_width else name
        done = steps_text(wave.steps) if wave.steps else ""
        up = f"{wave.launched_count}/{len(wave.servers)} up" if wave.servers else done
        text = f"{padded}  {up:>6}  {self._elapsed(wave):>7}".rstrip()
        if done and wave.servers:
            text += f"  {done}"
        notes = self._notes(wave) if with_notes else ""
        if _STATUS_WIDTH + cell_len(text) + 2 + cell_len(notes) <= self.width:
            return self._lines(wave.status, f"{text}  {notes}".rstrip())
        below = wrapped(notes, self.width, indent=" " * _STATUS_WIDTH)
        return [*self._lines(wave.status, text), *map(Text, below)]

    def with_steps(self, wave: WaveState) -> list[Text]:
        """A wave, and its steps that run or wait for an operator."""
        lines, names = self.row(wave), name_width(wave)
        for step in wave.steps_under_way:
            row = step_row(step, now=self.now, width=self.width, name_width=names)
            lines += [Text(line, style="cyan") for line in row]
        return lines

    def full(self, wave: WaveState) -> list[Text]:
        """A wave and all of its steps, with all that is known about them."""
        steps = wave_steps(wave, now=self.now, width=self.width)
        return [*self.row(wave), *map(Text, steps)]

    def group(self, waves: Sequence[WaveState]) -> list[Text]:
        """A wave; or the names of several that wait or were skipped, with their one reason."""
        if not _is_grouped(waves[0]):
            return self.with_steps(waves[0])
        names, notes = ", ".join(wave.wave_name for wave in waves), wave_notes(waves[0])
        return self._lines(waves[0].status, f"{names}: {notes}" if notes else names)

    def _lines(self, status: WaveStatus, text: str) -> list[Text]:
        lines = wrapped(text, self.width, indent=" " * _STATUS_WIDTH, first="")
        first = Text(pad(f"{SYMBOLS[status]} {status}", _STATUS_WIDTH), style=_STYLES[status])
        return [first + Text(lines[0]), *map(Text, lines[1:])]

    def _notes(self, wave: WaveState) -> str:
        notes = wave_notes(wave, with_steps=True)
        expected = expected_seconds(wave, self.state.speed)
        if self._running_seconds(wave) <= expected:
            return notes
        late = f"expected {rounded_duration(expected)}"
        return f"{late}; {notes}" if notes else late

    def lateness(self, wave: WaveState) -> float:
        """How many seconds a running wave takes longer than expected; 0 if it does not."""
        return max(0.0, self._running_seconds(wave) - expected_seconds(wave, self.state.speed))

    def _running_seconds(self, wave: WaveState) -> float:
        is_running = wave.status is WaveStatus.IN_PROGRESS and not wave.has_step_for_operator
        is_running &= wave.start_time is not None
        return self.now - (wave.start_time or 0.0) if is_running else 0.0

    def _elapsed(self, wave: WaveState) -> str:
        """How long this attempt runs, or all attempts took."""
        if wave.running_since is not None:
            return running_duration(self.now - wave.running_since)
        return "" if wave.total_duration is None else running_duration(wave.total_duration)


def _decisions(
    state: ExecutionState,
    pending: Sequence[PendingDecision],
    rows: _Rows,
    space: int,
    *,
    with_keys: bool,
) -> list[Text]:
    """The decisions that fit into so many lines, and the names of the others.

    The first one is always there, with its reason as far as it fits.
    """
    lines = [Text(f"NEEDS AN OPERATOR ({len(pending)})", style="bold yellow")]
    for number, each in enumerate(pending):
        rest = pending[number:]
        about = hint(state, each, now=rows.now, width=rows.width, with_keys=with_keys)
        heading = [Text(_name(each), style="bold yellow")]
        if each.wave is not None:
            heading = rows.row(each.wave, with_notes=False)
        used = len(lines) + len(heading) + len(about.what_to_do) + (len(rest) > 1)
        why = about.why
        if used + len(why) > space:
            if number:
                names = [_name(other) for other in rest]
                start = f"and {len(rest)} more: "
                return [*lines, Text(list_within(names, rows.width, start=start), style="yellow")]
            rest_in = "w" if with_keys else f"`drs-waves status {state.plan_id}`"
            why = [*why[: max(0, space - used - 1)], f"    … ({rest_in} shows the rest)"]
        lines += [*heading, *map(Text, why)]
        lines += [Text(line, style="bold yellow") for line in about.what_to_do]
    return lines


def _name(pending: PendingDecision) -> str:
    if pending.kind is DecisionKind.RECOVERY_APPROVAL:
        return "The recovery waits for approvals"
    if pending.wave is None:
        return "PAUSED"
    if pending.kind is DecisionKind.APPROVAL:
        return f"{pending.wave.wave_name} waits for approval"
    if pending.step is not None:
        return f"{pending.wave.wave_name} waits for step {pending.step.step_id}"
    return f"{pending.wave.wave_name} {pending.wave.status}"


def _sections(
    state: ExecutionState, pending: Sequence[PendingDecision], rows: _Rows
) -> list[_Section]:
    pending_ids = {each.wave.wave_id for each in pending if each.wave is not None}
    running: list[WaveState] = []
    waiting: list[WaveState] = []
    up: list[WaveState] = []
    other: list[WaveState] = []
    for wave in state.waves:
        if wave.wave_id in pending_ids:
            continue
        if not wave.status.is_settled:
            (running if _is_started(wave) else waiting).append(wave)
        else:
            is_up = wave.status is WaveStatus.COMPLETED and not unverified(wave)
            (up if is_up else other).append(wave)
    running.sort(key=rows.lateness, reverse=True)
    not_up = "ended, not all up and verified"
    found = [
        _Section("RUNNING", _grouped(running), rows.group, "in progress"),
        _Section(not_up.upper(), _grouped(other), rows.group, not_up),
        _Section("NEXT", _grouped(_soonest_first(waiting)), rows.group, "still waiting"),
        _Section("COMPLETED", _grouped(up), rows.group, "completed", whole=True),
    ]
    return [section for section in found if section.groups]


def _grouped(waves: Sequence[WaveState]) -> list[list[WaveState]]:
    """Put waves together that wait or were skipped for the same reason; leave others alone."""
    groups: dict[tuple[str, str], list[WaveState]] = {}
    for wave in waves:
        key = wave_notes(wave) if _is_grouped(wave) else wave.wave_id
        groups.setdefault((wave.status, key), []).append(wave)
    return list(groups.values())


def _is_grouped(wave: WaveState) -> bool:
    if wave.status is WaveStatus.SKIPPED:
        return True
    return not wave.status.is_settled and not _is_started(wave)


def _is_started(wave: WaveState) -> bool:
    if wave.status is WaveStatus.IN_PROGRESS:
        return True
    return bool(wave.attempt) and not wave.status.is_settled


def _soonest_first(waves: Sequence[WaveState]) -> list[WaveState]:
    """Order waiting waves by how many waves before them wait as well."""
    by_id = {wave.wave_id: wave for wave in waves}
    graph = WaveGraph({w.wave_id: [d for d in w.depends_on if d in by_id] for w in waves})
    return [by_id[wave_id] for wave_id in chain.from_iterable(graph.levels())]
