"""Draws a plan's wave graph for the terminal.

Waves are drawn from top to bottom by dependency depth. Edges to their left lead from a wave to its
dependents, each in a column, as in `git log --graph`. A graph that needs too many columns is
listed by depth instead.
"""

import itertools
from collections.abc import Iterator, Mapping

from rich.cells import cell_len

from cli.render.cells import fit, list_within, pad
from recovery.plan.graph import WaveGraph
from recovery.plan.model import RecoveryPlan, Wave
from recovery.text_format import count, hours_minutes

_MAX_COLUMNS = 8
_MAX_NAME_WIDTH = 28
_MIN_DEPENDENCIES_WIDTH = 18
_NODE = "●"


def graph_lines(
    plan: RecoveryPlan, durations: Mapping[str, float], *, width: int = 80
) -> list[str]:
    """Draw a plan's waves, which take so many seconds each, in lines of at most `width` cells."""
    labels = _WaveLabels(plan, durations, width)
    rows = list(_rows(plan.graph, {wave.wave_id: len(wave.all_steps) for wave in plan.waves}))
    edge_width = max(len(edges) for edges, _, _ in rows)
    if (edge_width + 1) // 2 <= _MAX_COLUMNS:
        return [
            f"{edges.ljust(edge_width)}  {labels.line(wave, number, edge_width + 2)}".rstrip()
            for edges, wave, number in rows
        ]
    return list(_by_depth(plan.graph, labels))


def _rows(graph: WaveGraph, steps: Mapping[str, int]) -> Iterator[tuple[str, str | None, int]]:
    """Draw the edges: for each line these, and the wave whose label follows them, if any.

    Below a wave there is a line for each of its steps, with its number from 1.
    Each column leads to a wave that is not drawn yet, or is free (None).
    """
    columns: list[str | None] = []
    above: int | None = None
    order = {wave: n for n, wave in enumerate(itertools.chain.from_iterable(graph.levels()))}
    for wave in order:
        awaited = wave in columns
        own = columns.index(wave) if awaited else _free_column(columns)
        if awaited and own == above:
            # Without an edge between them, the waves of a chain would look independent.
            yield _column_marks(columns, None), None, 0
        columns[own] = wave
        yield _column_marks(columns, own), wave, 0
        waiting = graph.dependents_of(wave)
        below = [each if n != own or waiting else None for n, each in enumerate(columns)]
        for number in range(steps[wave]):
            yield _column_marks(below, None), wave, number + 1
        dependents = sorted(graph.dependents_of(wave), key=order.__getitem__)
        targets = [each for each in dependents if each not in columns]
        joined = [columns.index(each) for each in dependents if each in columns]
        columns[own] = targets.pop(0) if targets else None
        opened = []
        for target in targets:
            column = _free_column(columns, after=own)
            columns[column] = target
            opened.append(column)
        ends = columns[own] is None
        above = own
        if opened or joined:
            yield _junction(columns, own, opened, joined, ends=ends), None, 0
            above = None
        while columns and columns[-1] is None:
            columns.pop()


def _free_column(columns: list[str | None], *, after: int = -1) -> int:
    for column in range(after + 1, len(columns)):
        if columns[column] is None:
            return column
    columns.append(None)
    return len(columns) - 1


def _column_marks(columns: list[str | None], own: int | None) -> str:
    marks = [_NODE if n == own else "│" if awaited else " " for n, awaited in enumerate(columns)]
    return " ".join(marks).rstrip()


_LEFT, _RIGHT, _UP, _DOWN = 1, 2, 4, 8
_LINE_CHARACTERS = {
    0: " ", _UP | _DOWN: "│", _LEFT | _RIGHT: "─",
    _UP | _RIGHT: "╰", _UP | _LEFT: "╯", _DOWN | _RIGHT: "╭", _DOWN | _LEFT: "╮",
    _UP | _DOWN | _RIGHT: "├", _UP | _DOWN | _LEFT: "┤",
    _UP | _LEFT | _RIGHT: "┴", _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _DOWN | _LEFT | _RIGHT: "┼", _UP: "╵", _DOWN: "╷", _LEFT: "╴", _RIGHT: "╶",
}  # fmt: skip


def _junction(
    columns: list[str | None], own: int, opened: list[int], joined: list[int], *, ends: bool
) -> str:
    """Draw the line below a wave where its column splits or joins columns of other waves."""
    turns = [*opened, *joined]
    first, last = min([own, *turns]), max([own, *turns])
    text = ""
    for column, awaited in enumerate(columns):
        directions = 0
        if column == own:
            directions |= _UP | (0 if ends else _DOWN)
        elif column in opened:
            directions |= _DOWN
        elif awaited:
            directions |= _UP | _DOWN
        # A column that is only crossed is not joined: a gap in the line marks the crossing.
        if column == own or column in turns:
            directions |= (_RIGHT if column < last else 0) | (_LEFT if column > first else 0)
        elif first < column < last and not awaited:
            directions |= _LEFT | _RIGHT
        text += _LINE_CHARACTERS[directions] + ("─" if first <= column < last else " ")
    return text.rstrip()


def _by_depth(graph: WaveGraph, labels: "_WaveLabels") -> Iterator[str]:
    for depth, level in enumerate(graph.levels(), start=1):
        if depth > 1:
            yield "│"
        yield f"├─ depth {depth}: {count(len(level), 'wave')}"
        for wave in level:
            for number in range(labels.step_count(wave) + 1):
                mark = " " if number else _NODE
                yield f"│  {mark} {labels.line(wave, number, 5)}"


class _WaveLabels:
    """The waves' labels: name, servers, expected start and end, dependencies."""

    def __init__(self, plan: RecoveryPlan, durations: Mapping[str, float], width: int) -> None:
        self._waves = {wave.wave_id: wave for wave in plan.waves}
        self._times = plan.graph.schedule(durations)
        self._width = width
        self._name = min(_MAX_NAME_WIDTH, max(cell_len(wave.wave_name) for wave in plan.waves))
        self._servers = max(len(self._count(wave)) for wave in plan.waves)
        self._span = max(len(self._when(wave)) for wave in plan.waves)

    def step_count(self, wave_id: str) -> int:
        """How many steps a wave has."""
        return len(self._waves[wave_id].all_steps)

    def line(self, wave_id: str | None, number: int, indent: int) -> str:
        """Return a wave's label, or the text of its step of this number, counted from 1."""
        if wave_id is None:
            return ""
        if not number:
            return self.label(wave_id, indent)
        phase, step = self._waves[wave_id].all_steps[number - 1]
        around = f"{phase.text:15}" if phase.text else ""
        return fit(f"  {around}{step.step_id}: {step.description}", self._width - indent)

    def label(self, wave_id: str, indent: int) -> str:
        """Return the label of a wave, for a line whose first `indent` cells are taken."""
        wave = self._waves[wave_id]
        fixed = self._servers + self._span + 4
        available = self._width - indent - fixed
        name = min(self._name, max(8, available - _MIN_DEPENDENCIES_WIDTH - 2))
        text = (
            f"{pad(wave.wave_name, name)}  {self._count(wave).rjust(self._servers)}"
            f"  {self._when(wave).ljust(self._span)}"
        )
        if wave.depends_on:
            names = [self._waves[each].wave_name for each in wave.depends_on]
            rest = self._width - indent - cell_len(text) - 2
            text += f"  {list_within(names, rest, start='after ')}"
        return fit(text.rstrip(), self._width - indent)

    def _count(self, wave: Wave) -> str:
        servers = count(len(wave.servers), "server")
        if wave.servers_by_tag:
            return f"{servers} by tags" if wave.servers else "by tags"
        return servers if wave.servers else "steps only"

    def _when(self, wave: Wave) -> str:
        start, end = self._times[wave.wave_id]
        return f"{hours_minutes(start)}-{hours_minutes(end)}"
