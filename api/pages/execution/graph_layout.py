"""The layout of the graph of waves: one column per level of dependencies, few crossings.

Sugiyama's method: waves in layers, a dummy node in each layer that an edge passes through, and the
order within a layer by the barycenter of the neighbours.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from recovery.plan.graph import WaveGraph

_SWEEPS = 6
_RELAXATIONS = 4
# Above these limits, a better layout is not worth its time.
_MAX_DUMMY_NODES = 2_000
_MAX_SORTED = 6_000
_MAX_ALIGNED = 600
_DUMMY_HEIGHT = 10.0


@dataclass(frozen=True)
class Sizes:
    """Sizes in pixels.

    Attributes:
        max_rows: a layer with more waves is split into several columns.
    """

    width: float
    height: float
    column_gap: float
    row_gap: float
    max_rows: int


STANDARD = Sizes(width=186, height=92, column_gap=46, row_gap=18, max_rows=12)
STEPPED = Sizes(width=186, height=110, column_gap=46, row_gap=18, max_rows=12)
DENSE = Sizes(width=150, height=66, column_gap=26, row_gap=10, max_rows=12)
COMPACT = Sizes(width=168, height=30, column_gap=40, row_gap=6, max_rows=25)
_MAX_STANDARD_WAVES = 24
_MAX_DENSE_WAVES = 60


def sizes_for(waves: int, *, with_steps: bool = False) -> Sizes:
    """The sizes for this number of waves; steps take one more line."""
    if waves <= _MAX_STANDARD_WAVES:
        return STEPPED if with_steps else STANDARD
    return DENSE if waves <= _MAX_DENSE_WAVES else COMPACT


@dataclass(frozen=True)
class Box:
    """The position of a wave: its upper left corner."""

    x: float
    y: float


@dataclass(frozen=True)
class Edge:
    """A dependency, from a wave to its dependent.

    Attributes:
        points: the start, both ends of each dummy node, the end.
    """

    source: str
    target: str
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """The edge as an SVG path, horizontal at both ends."""
        (x, y), *others = self.points
        commands = f"M{x:.0f} {y:.1f}"
        for to_x, to_y in others:
            bend = (to_x - x) / 2
            commands += (
                f"C{x + bend:.0f} {y:.1f} {to_x - bend:.0f} {to_y:.1f} {to_x:.0f} {to_y:.1f}"
            )
            x, y = to_x, to_y
        return commands


@dataclass(frozen=True)
class Layout:
    """The positions of waves and edges."""

    sizes: Sizes
    boxes: dict[str, Box]
    edges: tuple[Edge, ...]
    width: float
    height: float


@dataclass
class _Item:
    """A node in a layer: a wave, or a dummy node of an edge that passes through."""

    wave: str | None
    layer: int
    position: int = 0
    x: float = 0.0
    y: float = 0.0
    before: list["_Item"] = field(default_factory=list)
    after: list["_Item"] = field(default_factory=list)


def lay_out(dependencies: Mapping[str, Sequence[str]], sizes: Sizes) -> Layout:
    """Lay out the waves of a graph.

    Args:
        dependencies: for each wave the waves that it depends on, in the order of the plan.
        sizes: the sizes.

    Raises:
        ValueError: the dependencies have a cycle.
    """
    graph = WaveGraph(dependencies)
    layers, chains = _layered(graph)
    _order(layers)
    width = _set_columns(layers, sizes)
    _set_rows(layers, sizes)
    boxes = {item.wave: Box(item.x, item.y) for layer in layers for item in layer if item.wave}
    height = max((item.y + _height(item, sizes) for layer in layers for item in layer), default=0.0)
    edges = tuple(_edge(chain, sizes) for chain in chains)
    return Layout(sizes, {wave: boxes[wave] for wave in graph.waves}, edges, width, height)


def _layered(graph: WaveGraph) -> tuple[list[list[_Item]], list[list[_Item]]]:
    """The layers, and for each edge the items that it connects."""
    layers: list[list[_Item]] = []
    items: dict[str, _Item] = {}
    for number, waves in enumerate(graph.levels()):
        layers.append([items.setdefault(wave, _Item(wave, number)) for wave in waves])
    pairs = [(items[d], items[w]) for w in graph.waves for d in graph.dependencies_of(w)]
    # Without dummy nodes, long edges pass behind waves.
    has_dummies = (
        sum(target.layer - source.layer - 1 for source, target in pairs) <= _MAX_DUMMY_NODES
    )
    chains = []
    for source, target in pairs:
        between = range(source.layer + 1, target.layer) if has_dummies else ()
        dummies = [_Item(None, layer) for layer in between]
        for dummy in dummies:
            layers[dummy.layer].append(dummy)
        chain = [source, *dummies, target]
        for left, right in pairwise(chain):
            left.after.append(right)
            right.before.append(left)
        chains.append(chain)
    return layers, chains


def _order(layers: list[list[_Item]]) -> None:
    """Order each layer by its neighbours in both directions, and keep the best order."""
    _number(layers)
    if sum(map(len, layers)) > _MAX_SORTED:
        return
    best, fewest = list(map(list, layers)), _count(layers)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            layer.sort(key=lambda item: _barycenter(item, forward=forward))
            _number([layer])
        if (found := _count(layers)) < fewest:
            best, fewest = list(map(list, layers)), found
    layers[:] = best
    _number(layers)


def _number(layers: list[list[_Item]]) -> None:
    for layer in layers:
        for position, item in enumerate(layer):
            item.position = position


def _barycenter(item: _Item, *, forward: bool) -> float:
    neighbours = item.before if forward else item.after
    if not neighbours:
        return float(item.position)
    return sum(each.position for each in neighbours) / len(neighbours)


def _count(layers: list[list[_Item]]) -> int:
    return sum(
        inversions([(item.position, right.position) for item in layer for right in item.after])
        for layer in layers
    )


def inversions(pairs: list[tuple[float, float]]) -> int:
    """The number of edge pairs that cross; each edge has a start and an end position."""
    ends: list[float] = []
    found = 0
    for _, end in sorted(pairs):
        found += len(ends) - bisect_right(ends, end)
        insort(ends, end)
    return found


def _set_columns(layers: list[list[_Item]], sizes: Sizes) -> float:
    """Set the x of each item; return the total width."""
    x = 0.0
    for layer in layers:
        columns = max(1, -(-len(layer) // sizes.max_rows))
        for item in layer:
            item.x = x + (item.position // sizes.max_rows) * (sizes.width + sizes.row_gap)
        x += columns * (sizes.width + sizes.row_gap) - sizes.row_gap + sizes.column_gap
    return max(0.0, x - sizes.column_gap)


def _set_rows(layers: list[list[_Item]], sizes: Sizes) -> None:
    """Set the y of each item: stacked, or near its neighbours in a small graph."""
    for layer in layers:
        for first in range(0, len(layer), sizes.max_rows):
            y = 0.0
            for item in layer[first : first + sizes.max_rows]:
                item.y = y
                y += _height(item, sizes) + sizes.row_gap
    if sum(map(len, layers)) <= _MAX_ALIGNED and all(len(e) <= sizes.max_rows for e in layers):
        _align(layers, sizes)


def _align(layers: list[list[_Item]], sizes: Sizes) -> None:
    for sweep in range(_RELAXATIONS):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            desired = [_desired(item, sizes, forward=forward) for item in layer]
            _resolve_overlaps(layer, desired, sizes)
    top = min((item.y for layer in layers for item in layer), default=0.0)
    for layer in layers:
        for item in layer:
            item.y -= top


def _desired(item: _Item, sizes: Sizes, *, forward: bool) -> float:
    neighbours = item.before if forward else item.after
    if not neighbours:
        return item.y
    middles = [each.y + _height(each, sizes) / 2 for each in neighbours]
    return sum(middles) / len(middles) - _height(item, sizes) / 2


def _resolve_overlaps(layer: list[_Item], desired: list[float], sizes: Sizes) -> None:
    """Move items to their desired y without overlaps; blocks of items share the difference."""
    blocks: list[tuple[list[tuple[_Item, float]], float]] = []
    for item, desired_start in zip(layer, desired, strict=True):
        members, start = [(item, 0.0)], desired_start
        while blocks and _end(blocks[-1], sizes) > start:
            above, above_start = blocks.pop()
            offset = _end((above, above_start), sizes) - above_start
            n, m = len(above), len(members)
            start = (n * above_start + m * (start - offset)) / (n + m)
            members = above + [(each, offset + down) for each, down in members]
        blocks.append((members, start))
    for members, start in blocks:
        for item, down in members:
            item.y = start + down


def _end(block: tuple[list[tuple[_Item, float]], float], sizes: Sizes) -> float:
    members, start = block
    last, down = members[-1]
    return start + down + _height(last, sizes) + sizes.row_gap


def _edge(chain: list[_Item], sizes: Sizes) -> Edge:
    source, target = chain[0], chain[-1]
    assert source.wave is not None
    assert target.wave is not None
    points = [(source.x + sizes.width, source.y + sizes.height / 2)]
    for dummy in chain[1:-1]:
        middle = dummy.y + _DUMMY_HEIGHT / 2
        points += [(dummy.x, middle), (dummy.x + sizes.width, middle)]
    points.append((target.x, target.y + sizes.height / 2))
    return Edge(source.wave, target.wave, tuple(points))


def _height(item: _Item, sizes: Sizes) -> float:
    return sizes.height if item.wave is not None else _DUMMY_HEIGHT
