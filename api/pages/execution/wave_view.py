"""Renders a wave in the graph, on the timeline and in the table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup

from api.pages.execution.graph_layout import Box, Layout
from api.pages.execution.timeline import Span, WaveTimes
from api.pages.rendering import macro
from recovery.execution.progress import SYMBOLS, unverified, wave_notes
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState

_MAX_NAMES = 6


@dataclass(frozen=True)
class WaveView:
    """The values of a wave for all templates.

    Attributes:
        number: its position in the plan; part of its elements' IDs.
        wave_notes: details that the status does not include, such as what the wave waits for.
        is_critical: on the critical path.
        running_since: when its launch was accepted, while it runs (epoch seconds).
    """

    number: int
    wave_id: str
    name: str
    status: str
    symbol: str
    launched: int
    servers: int
    unverified: int
    wave_notes: str
    is_critical: bool
    is_late: bool
    attempt: int
    running_since: float | None
    start_time: float | None
    end_time: float | None
    completion_duration: float | None
    after: str

    @property
    def status_class(self) -> str:
        """The CSS class of the status."""
        return "is-" + self.status.lower().replace("_", "-")


def wave_views(state: ExecutionState, critical: set[str]) -> list[WaveView]:
    """The views of all waves, in the order of the plan."""
    names = {wave.wave_id: wave.wave_name for wave in state.waves}
    return [
        WaveView(
            number=number,
            wave_id=wave.wave_id,
            name=wave.wave_name,
            status=wave.status,
            symbol=SYMBOLS[wave.status],
            launched=wave.launched_count,
            servers=len(wave.servers),
            unverified=unverified(wave),
            wave_notes=wave_notes(wave),
            is_critical=wave.wave_id in critical,
            is_late=wave.late,
            attempt=wave.attempt,
            running_since=None if wave.end_time is not None else wave.start_time,
            start_time=wave.start_time,
            end_time=wave.end_time,
            completion_duration=wave.completion_duration,
            after=_after(wave, names),
        )
        for number, wave in enumerate(state.waves)
    ]


def _after(wave: WaveState, names: Mapping[str, str]) -> str:
    """The waves that a wave depends on, by name."""
    depends_on = [names.get(each, each) for each in wave.depends_on]
    more = len(depends_on) - _MAX_NAMES
    return ", ".join(depends_on[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


@lru_cache(maxsize=20_000)
def node(view: WaveView, box: Box, *, compact: bool) -> Markup:
    """Render a wave in the graph."""
    return Markup(macro("graph", "node")(view, box, compact))


@lru_cache(maxsize=20_000)
def row(view: WaveView) -> Markup:
    """Render a wave in the table."""
    return Markup(macro("waves", "row")(view))


@lru_cache(maxsize=20_000)
def bar(view: WaveView, planned: Span, actual: Span | None, length: float) -> Markup:
    """Render a wave on the timeline."""
    return Markup(macro("timeline", "bar")(view, planned, actual, length))


def bar_of(view: WaveView, times: WaveTimes, length: float) -> Markup:
    """Render a wave on a timeline of this length (seconds)."""
    return bar(view, times.planned, times.actual, length)


def edges_into(views: Mapping[str, WaveView], layout: Layout, passed: set[str]) -> dict[str, str]:
    """The edges of the graph as parts, one part per target wave.

    Args:
        views: all waves, by ID.
        layout: the positions of the waves.
        passed: waves that their dependents no longer wait for.
    """
    into: dict[str, list[tuple[str, str]]] = {wave_id: [] for wave_id in views}
    for edge in layout.edges:
        source, target = views[edge.source], views[edge.target]
        kinds = ["edge"]
        if edge.source in passed:
            kinds.append("is-passed")
        if source.is_critical and target.is_critical:
            kinds.append("is-critical")
        into[edge.target].append((edge.path, " ".join(kinds)))
    return {
        f"e{views[wave_id].number}": edge_group(views[wave_id].number, tuple(edges))
        for wave_id, edges in into.items()
        if edges
    }


@lru_cache(maxsize=20_000)
def edge_group(number: int, edges: tuple[tuple[str, str], ...]) -> Markup:
    """Render the edges into one wave."""
    return Markup(macro("graph", "edges")(number, edges))
