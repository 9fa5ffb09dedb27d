"""Where the waves of a graph stand: a column for each step of dependencies, few crossings.

After Sugiyama: waves in layers, a place held in each layer that an edge passes, the order in a
layer by the barycenter of its neighbours. Pure arithmetic; it draws nothing.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from recovery.plan.graph import WaveGraph

_SWEEPS = 6
_RELAXATIONS = 4
# Beyond these, better looks are not worth the milliseconds.
_MOST_PASSAGES = 2_000
_MOST_SORTED = 6_000
_MOST_ALIGNED = 600
_PASSAGE_HEIGHT = 10.0


@dataclass(frozen=True)
class Sizes:
    """Measures of a drawing, in pixels.

    Attributes:
        most_rows: a layer with more waves is broken into several columns.
    """

    width: float
    height: float
    column_gap: float
    row_gap: float
    most_rows: int


ROOMY = Sizes(width=186, height=72, column_gap=46, row_gap=18, most_rows=12)
COMPACT = Sizes(width=168, height=30, column_gap=40, row_gap=6, most_rows=25)
MOST_ROOMY = 60


def sizes_for(waves: int) -> Sizes:
    """The measures that suit so many waves."""
    return ROOMY if waves <= MOST_ROOMY else COMPACT


@dataclass(frozen=True)
class Box:
    """Where a wave stands: its upper left corner."""

    x: float
    y: float


@dataclass(frozen=True)
class Edge:
    """A dependency: from the wave that is awaited to the one that waits.

    Attributes:
        points: start, the ends of each passage through a layer, end.
    """

    source: str
    target: str
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """The edge as an SVG path that leaves and arrives level."""
        (x, y), *others = self.points
        told = f"M{x:.0f} {y:.1f}"
        for to_x, to_y in others:
            bend = (to_x - x) / 2
            told += f"C{x + bend:.0f} {y:.1f} {to_x - bend:.0f} {to_y:.1f} {to_x:.0f} {to_y:.1f}"
            x, y = to_x, to_y
        return told


@dataclass(frozen=True)
class Layout:
    """A graph with places."""

    sizes: Sizes
    boxes: dict[str, Box]
    edges: tuple[Edge, ...]
    width: float
    height: float


@dataclass
class _Item:
    """A wave in its layer, or a place that is held for an edge which passes it."""

    wave: str | None
    layer: int
    place: int = 0
    x: float = 0.0
    y: float = 0.0
    before: list["_Item"] = field(default_factory=list)
    after: list["_Item"] = field(default_factory=list)


def lay_out(dependencies: Mapping[str, Sequence[str]], sizes: Sizes) -> Layout:
    """Place the waves of a graph.

    Args:
        dependencies: for each wave the waves that it waits for; in the order of the file.
        sizes: the measures.

    Raises:
        ValueError: waves wait for each other.
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


def crossings(layout: Layout) -> int:
    """How often edges between two neighbouring columns cross."""
    by_columns: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for edge in layout.edges:
        for (x1, y1), (x2, y2) in pairwise(edge.points):
            if x2 - x1 <= layout.sizes.column_gap:
                by_columns.setdefault((x1, x2), []).append((y1, y2))
    return sum(_inversions(pairs) for pairs in by_columns.values())


def _layered(graph: WaveGraph) -> tuple[list[list[_Item]], list[list[_Item]]]:
    """The layers, and for each edge the items that it leads through."""
    layers: list[list[_Item]] = []
    items: dict[str, _Item] = {}
    for number, waves in enumerate(graph.levels()):
        layers.append([items.setdefault(wave, _Item(wave, number)) for wave in waves])
    pairs = [(items[d], items[w]) for w in graph.waves for d in graph.dependencies_of(w)]
    # Long edges run behind the waves where there are too many of them.
    holds = sum(target.layer - source.layer - 1 for source, target in pairs) <= _MOST_PASSAGES
    chains = []
    for source, target in pairs:
        between = range(source.layer + 1, target.layer) if holds else ()
        passages = [_Item(None, layer) for layer in between]
        for passage in passages:
            layers[passage.layer].append(passage)
        chain = [source, *passages, target]
        for left, right in pairwise(chain):
            left.after.append(right)
            right.before.append(left)
        chains.append(chain)
    return layers, chains


def _order(layers: list[list[_Item]]) -> None:
    """Order each layer by its neighbours, there and back, and keep the best order seen."""
    _number(layers)
    if sum(map(len, layers)) > _MOST_SORTED:
        return
    best, fewest = _orders(layers), _count(layers)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            layer.sort(key=lambda item: _barycenter(item, forward=forward))
            for place, item in enumerate(layer):
                item.place = place
        if (found := _count(layers)) < fewest:
            best, fewest = _orders(layers), found
    layers[:] = best
    _number(layers)


def _orders(layers: list[list[_Item]]) -> list[list[_Item]]:
    return [list(layer) for layer in layers]


def _number(layers: list[list[_Item]]) -> None:
    for layer in layers:
        for place, item in enumerate(layer):
            item.place = place


def _barycenter(item: _Item, *, forward: bool) -> float:
    neighbours = item.before if forward else item.after
    if not neighbours:
        return float(item.place)
    return sum(each.place for each in neighbours) / len(neighbours)


def _count(layers: list[list[_Item]]) -> int:
    return sum(
        _inversions([(item.place, right.place) for item in layer for right in item.after])
        for layer in layers
    )


def _inversions(pairs: list[tuple[float, float]]) -> int:
    """How many pairs of edges cross, each given by where it begins and ends."""
    ends: list[float] = []
    found = 0
    for _, end in sorted(pairs):
        found += len(ends) - bisect_right(ends, end)
        insort(ends, end)
    return found


def _set_columns(layers: list[list[_Item]], sizes: Sizes) -> float:
    """Set where each item stands across; returns the width of all."""
    x = 0.0
    for layer in layers:
        columns = max(1, -(-len(layer) // sizes.most_rows))
        for item in layer:
            item.x = x + (item.place // sizes.most_rows) * (sizes.width + sizes.row_gap)
        x += columns * (sizes.width + sizes.row_gap) - sizes.row_gap + sizes.column_gap
    return max(0.0, x - sizes.column_gap)


def _set_rows(layers: list[list[_Item]], sizes: Sizes) -> None:
    """Set where each item stands down: stacked, and where there are few, beside its neighbours."""
    for layer in layers:
        for first in range(0, len(layer), sizes.most_rows):
            y = 0.0
            for item in layer[first : first + sizes.most_rows]:
                item.y = y
                y += _height(item, sizes) + sizes.row_gap
    if sum(map(len, layers)) <= _MOST_ALIGNED and all(len(e) <= sizes.most_rows for e in layers):
        _align(layers, sizes)


def _align(layers: list[list[_Item]], sizes: Sizes) -> None:
    for sweep in range(_RELAXATIONS):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            wished = [_wished(item, sizes, forward=forward) for item in layer]
            _settle(layer, wished, sizes)
    top = min((item.y for layer in layers for item in layer), default=0.0)
    for layer in layers:
        for item in layer:
            item.y -= top


def _wished(item: _Item, sizes: Sizes, *, forward: bool) -> float:
    neighbours = item.before if forward else item.after
    if not neighbours:
        return item.y
    middles = [each.y + _height(each, sizes) / 2 for each in neighbours]
    return sum(middles) / len(middles) - _height(item, sizes) / 2


def _settle(layer: list[_Item], wished: list[float], sizes: Sizes) -> None:
    """Give items their wishes as far as they do not overlap, and share what they cannot have."""
    blocks: list[tuple[list[tuple[_Item, float]], float]] = []
    for item, wish in zip(layer, wished, strict=True):
        members, start = [(item, 0.0)], wish
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
    for passage in chain[1:-1]:
        middle = passage.y + _PASSAGE_HEIGHT / 2
        points += [(passage.x, middle), (passage.x + sizes.width, middle)]
    points.append((target.x, target.y + sizes.height / 2))
    return Edge(source.wave, target.wave, tuple(points))


def _height(item: _Item, sizes: Sizes) -> float:
    return sizes.height if item.wave is not None else _PASSAGE_HEIGHT
