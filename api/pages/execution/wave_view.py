"""A wave in the graph, on the timeline and in the table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from api.pages.execution.graph_layout import Layout
from api.pages.steps.step_view import StepsView
from recovery.execution.progress import SYMBOLS, unverified, wave_notes
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState, WaveStatus
from recovery.execution.wave_group import WaveGroup, wave_groups


@dataclass(frozen=True)
class WaveView:
    """A wave for all templates.

    Attributes:
        number: its position in the plan; part of its elements' IDs.
        group: its group in the list of waves.
        is_critical: on the critical path.
    """

    number: int
    wave: WaveState
    group: WaveGroup
    is_critical: bool

    @property
    def symbol(self) -> str:
        """The symbol of the status."""
        return SYMBOLS[self.wave.status]

    @property
    def status_class(self) -> str:
        """The CSS class of the status."""
        return "is-" + self.wave.status.lower().replace("_", "-")

    @property
    def unverified(self) -> int:
        """The number of launched servers that could not be verified."""
        return unverified(self.wave)

    @property
    def notes(self) -> str:
        """Details that the status does not include, such as what the wave waits for."""
        return wave_notes(self.wave, with_steps=True)

    @property
    def steps(self) -> StepsView | None:
        """Its steps in one line; None if it has none."""
        return StepsView.of(self.wave.steps)


def awaits_acceptance(wave: WaveState) -> bool:
    """Whether DRS has accepted nothing of this attempt; failures are of earlier ones."""
    return wave.status in (WaveStatus.PENDING, WaveStatus.WAITING)


def wave_views(state: ExecutionState, critical: Collection[str]) -> dict[str, WaveView]:
    """The views of all waves by ID, in the order of the plan."""
    groups = wave_groups(state)
    return {
        wave.wave_id: WaveView(number, wave, groups[wave.wave_id], wave.wave_id in critical)
        for number, wave in enumerate(state.waves)
    }


def edges_into(views: Mapping[str, WaveView], layout: Layout) -> dict[str, list[tuple[str, str]]]:
    """The edges of the graph by the wave that they lead to, each as a path and its CSS classes."""
    into: dict[str, list[tuple[str, str]]] = {}
    for edge in layout.edges:
        source, target = views[edge.source], views[edge.target]
        kinds = ["edge"]
        if source.wave.releases_dependents:
            kinds.append("is-passed")
        if source.is_critical and target.is_critical:
            kinds.append("is-critical")
        into.setdefault(edge.target, []).append((edge.path, " ".join(kinds)))
    return into
