"""The layout of the graph of waves."""

import random
import time
from collections.abc import Sequence
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from api.pages.execution.graph_layout import COMPACT, STANDARD, Layout, inversions, lay_out

_DIAMOND = {"database": [], "app1": ["database"], "app2": ["database"], "web": ["app1", "app2"]}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Sequence[str]]:
    """Graphs of up to 30 waves, each of which may depend on earlier ones."""
    count = draw(st.integers(1, 30))
    return {
        f"w{n}": [f"w{each}" for each in draw(st.sets(st.integers(0, n - 1), max_size=4))]
        if n
        else []
        for n in range(count)
    }


def test_a_diamond_has_three_columns_around_one_line() -> None:
    found = lay_out(_DIAMOND, STANDARD)
    boxes = found.boxes
    assert boxes["database"].x < boxes["app1"].x == boxes["app2"].x < boxes["web"].x
    assert boxes["database"].y == boxes["web"].y == (boxes["app1"].y + boxes["app2"].y) / 2
    assert crossings(found) == 0


@given(graphs())
def test_no_two_waves_overlap_and_all_are_inside(graph: dict[str, Sequence[str]]) -> None:
    found = lay_out(graph, STANDARD)
    assert list(found.boxes) == list(graph)
    for box in found.boxes.values():
        assert 0 <= box.x <= found.width - STANDARD.width
        assert -0.01 <= box.y <= found.height - STANDARD.height + 0.01
    for one, other in combinations(found.boxes.values(), 2):
        apart = abs(one.x - other.x) >= STANDARD.width or abs(one.y - other.y) >= STANDARD.height
        assert apart


@given(graphs())
def test_every_dependency_runs_from_left_to_right(graph: dict[str, Sequence[str]]) -> None:
    found = lay_out(graph, STANDARD)
    drawn = {(edge.source, edge.target) for edge in found.edges}
    assert drawn == {(d, wave) for wave, needed in graph.items() for d in needed}
    for edge in found.edges:
        assert found.boxes[edge.source].x < found.boxes[edge.target].x
        assert all(x1 < x2 for (x1, _), (x2, _) in pairwise(edge.points))


@given(graphs())
def test_long_dependencies_pass_beside_waves_not_behind_them(
    graph: dict[str, Sequence[str]],
) -> None:
    found = lay_out(graph, STANDARD)
    # Edges may cross a layer that is split into several columns.
    if max(_in_columns(found)) > STANDARD.max_rows or len(_in_columns(found)) != _layers(graph):
        return
    for edge in found.edges:
        for (x1, y1), (x2, _) in list(pairwise(edge.points))[1:-1:2]:
            for box in found.boxes.values():
                behind = box.x == x1 and x2 == x1 + STANDARD.width
                assert not (behind and box.y < y1 < box.y + STANDARD.height)


def test_waves_in_reverse_order_are_laid_out_without_crossings() -> None:
    left, right = [f"a{n}" for n in range(6)], [f"b{n}" for n in range(6)]
    reversed_order = {each: list[str]() for each in left}
    reversed_order |= {each: [left[-1 - position]] for position, each in enumerate(right)}
    assert crossings(lay_out(reversed_order, STANDARD)) == 0


def test_a_thousand_parallel_waves_are_split_into_columns() -> None:
    found = lay_out({f"w{n}": [] for n in range(1000)}, COMPACT)
    assert found.height < 1000
    assert found.width < 10_000


def test_a_thousand_waves_are_laid_out_within_a_second() -> None:
    rng = random.Random(1)
    graph = {
        f"w{n}": [f"w{rng.randrange((n // 40 - 1) * 40, n // 40 * 40)}" for _ in range(3)]
        if n >= 40
        else []
        for n in range(1000)
    }
    began = time.process_time()
    lay_out(graph, COMPACT)
    # It takes 0.15 s; the limit only finds a change in complexity.
    assert time.process_time() - began < 1.0


def crossings(layout: Layout) -> int:
    """The number of crossings of edges between neighboring columns."""
    by_columns: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for edge in layout.edges:
        for (x1, y1), (x2, y2) in pairwise(edge.points):
            if x2 - x1 <= layout.sizes.column_gap:
                by_columns.setdefault((x1, x2), []).append((y1, y2))
    return sum(inversions(pairs) for pairs in by_columns.values())


def _in_columns(found: Layout) -> list[int]:
    columns = [box.x for box in found.boxes.values()]
    return [columns.count(x) for x in sorted(set(columns))]


def _layers(graph: dict[str, Sequence[str]]) -> int:
    depth: dict[str, int] = {}
    for wave, needed in graph.items():
        depth[wave] = 1 + max((depth[each] for each in needed), default=0)
    return max(depth.values())
