"""A plan's wave graph as a picture for the terminal.

Waves are drawn from top to bottom by dependency depth. The lines to their left lead from a wave
to those that wait for it, as in `git log --graph`. Where there would be too many lines side by
side, the waves stand under a heading for each depth instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.cells import cell_len

from cli.render.cells import fit, list_within, pad
from recovery.plan.graph import WaveGraph
from recovery.plan.model import RecoveryPlan, Wave
from recovery.text_format import count, hours_minutes

_MOST_LANES = 8
_WIDEST_NAME = 28
_SHORTEST_AFTER = 18
_NODE = "●"


def graph_picture(
    plan: RecoveryPlan, durations: Mapping[str, float], *, width: int = 80
) -> list[str]:
    """Draw a plan's waves.

    Args:
        plan: the plan.
        durations: seconds that each wave is expected to take.
        width: cells that a line may have.

    Returns:
        The lines of the picture.
    """
    texts = _Texts(plan, durations, width)
    lines = list(_rails(plan.graph))
    lanes = max((len(line.rails) + 1) // 2 for line in lines)
    if lanes <= _MOST_LANES:
        gutter = max(len(line.rails) for line in lines)
        return [
            f"{line.rails.ljust(gutter)}  {texts.of(line.wave, gutter + 2)}".rstrip()
            if line.wave
            else line.rails
            for line in lines
        ]
    return list(_by_depth(plan.graph, texts))


@dataclass(frozen=True)
class _Line:
    """One line of the picture: its rails, and the wave whose text stands beside them."""

    rails: str
    wave: str | None = None


def _rails(graph: WaveGraph) -> Iterator[_Line]:
    """Draw the edges. Each lane leads to a wave that is still to come, or is free (None)."""
    lanes: list[str | None] = []
    above: int | None = None
    for wave in (wave for level in graph.levels() for wave in level):
        awaited = wave in lanes
        own = lanes.index(wave) if awaited else _free_lane(lanes)
        if awaited and own == above:
            # Without it, a chain would look like waves that have nothing to do with each other.
            yield _Line(_row(lanes, None))
        lanes[own] = wave
        yield _Line(_row(lanes, own), wave)
        targets = [t for t in _nearest_first(graph, wave) if t not in lanes]
        joined = [t for t in graph.dependents_of(wave) if t in lanes]
        lanes[own] = targets.pop(0) if targets else None
        opened = []
        for target in targets:
            lane = _free_lane(lanes, after=own)
            lanes[lane] = target
            opened.append(lane)
        closes = lanes[own] is None
        joined_lanes = [lanes.index(target) for target in joined]
        above = own
        if opened or joined_lanes:
            yield _Line(_junction(lanes, own, opened, joined_lanes, closes=closes))
            above = None
        while lanes and lanes[-1] is None:
            lanes.pop()


def _nearest_first(graph: WaveGraph, wave: str) -> list[str]:
    order = {each: place for place, each in enumerate(w for level in graph.levels() for w in level)}
    return sorted(graph.dependents_of(wave), key=order.__getitem__)


def _free_lane(lanes: list[str | None], *, after: int = -1) -> int:
    for lane in range(after + 1, len(lanes)):
        if lanes[lane] is None:
            return lane
    lanes.append(None)
    return len(lanes) - 1


def _row(lanes: list[str | None], own: int | None) -> str:
    marks = [_NODE if n == own else "│" if awaited else " " for n, awaited in enumerate(lanes)]
    return " ".join(marks).rstrip()


_LEFT, _RIGHT, _UP, _DOWN = 1, 2, 4, 8
_STROKES = {
    0: " ", _UP | _DOWN: "│", _LEFT | _RIGHT: "─",
    _UP | _RIGHT: "╰", _UP | _LEFT: "╯", _DOWN | _RIGHT: "╭", _DOWN | _LEFT: "╮",
    _UP | _DOWN | _RIGHT: "├", _UP | _DOWN | _LEFT: "┤",
    _UP | _LEFT | _RIGHT: "┴", _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _DOWN | _LEFT | _RIGHT: "┼", _UP: "╵", _DOWN: "╷", _LEFT: "╴", _RIGHT: "╶",
}  # fmt: skip


def _junction(
    lanes: list[str | None], own: int, opened: list[int], joined: list[int], *, closes: bool
) -> str:
    """The line below a wave in which its lane splits, or joins lanes that lead elsewhere."""
    ends = [*opened, *joined]
    first, last = min([own, *ends]), max([own, *ends])
    cells = []
    for lane, awaited in enumerate(lanes):
        strokes = 0
        if lane == own:
            strokes |= _UP | (0 if closes else _DOWN)
        elif lane in opened:
            strokes |= _DOWN
        elif awaited:
            strokes |= _UP | _DOWN
        # A lane that is only crossed stays whole: a break in its line marks the crossing.
        if lane == own or lane in ends:
            strokes |= (_RIGHT if lane < last else 0) | (_LEFT if lane > first else 0)
        elif first < lane < last and not awaited:
            strokes |= _LEFT | _RIGHT
        cells.append(_STROKES[strokes])
    text = ""
    for lane, cell in enumerate(cells):
        text += cell + ("─" if first <= lane < last else " ")
    return text.rstrip()


def _by_depth(graph: WaveGraph, texts: "_Texts") -> Iterator[str]:
    for depth, level in enumerate(graph.levels(), start=1):
        if depth > 1:
            yield "│"
        yield f"├─ depth {depth}: {count(len(level), 'wave')}"
        for wave in level:
            yield f"│  {_NODE} {texts.of(wave, 5)}".rstrip()


class _Texts:
    """What stands beside the rails: name, servers, expected start and end, dependencies."""

    def __init__(self, plan: RecoveryPlan, durations: Mapping[str, float], width: int) -> None:
        self._waves = {wave.wave_id: wave for wave in plan.waves}
        self._times = plan.graph.schedule(durations)
        self._width = width
        self._name = min(_WIDEST_NAME, max(cell_len(wave.wave_name) for wave in plan.waves))
        self._servers = max(len(self._count(wave)) for wave in plan.waves)
        self._span = max(len(self._when(wave)) for wave in plan.waves)

    def of(self, wave_id: str, indent: int) -> str:
        """The text of a wave that begins in column `indent`."""
        wave = self._waves[wave_id]
        fixed = self._servers + self._span + 4
        room = self._width - indent - fixed
        name = min(self._name, max(8, room - _SHORTEST_AFTER - 2))
        text = (
            f"{pad(wave.wave_name, name)}  {self._count(wave).rjust(self._servers)}"
            f"  {self._when(wave).ljust(self._span)}"
        )
        if wave.depends_on:
            names = [self._waves[each].wave_name for each in wave.depends_on]
            left = self._width - indent - cell_len(text) - 2
            text += f"  {list_within(names, left, start='after ')}"
        return fit(text.rstrip(), self._width - indent)

    def _count(self, wave: Wave) -> str:
        return count(len(wave.servers), "server")

    def _when(self, wave: Wave) -> str:
        start, end = self._times[wave.wave_id]
        return f"{hours_minutes(start)}-{hours_minutes(end)}"
