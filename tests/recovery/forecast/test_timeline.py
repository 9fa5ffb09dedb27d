"""Planned and actual times on one axis."""

import pytest

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.forecast.timeline import Span, timeline

_STARTED = 1_700_000_000.0


def state(*waves: WaveState, speed: float = 1.0) -> ExecutionState:
    """An execution that started at `_STARTED`."""
    return ExecutionState(
        execution_id="crm-0123456789ab",
        plan_id="crm",
        plan_name="CRM",
        plan_hash="0",
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        start_time=_STARTED,
        speed=speed,
        waves=list(waves),
    )


def wave(name: str, *after: str, **fields: object) -> WaveState:
    """A wave that is expected to take 100 s."""
    defaults: dict[str, object] = {"expected_seconds": 100.0}
    values = defaults | {"wave_id": name, "wave_name": name, "depends_on": list(after)} | fields
    return WaveState.model_validate(values)


def diamond(**web: object) -> list[WaveState]:
    """Database; a slow App1 and a quick App2; Web."""
    return [
        wave("database"),
        wave("app1", "database", expected_seconds=300.0),
        wave("app2", "database"),
        wave("web", "app1", "app2", **web),
    ]


def test_a_wave_is_planned_after_its_slowest_dependency() -> None:
    found = timeline(state(*diamond()), now=_STARTED)
    planned = {row.wave_id: row.planned for row in found.rows}
    assert planned["app2"] == Span(100.0, 200.0)
    assert planned["web"] == Span(400.0, 500.0)
    assert found.planned_seconds == 500.0


def test_planned_times_are_scaled_by_the_sandbox_speed() -> None:
    found = timeline(state(*diamond(), speed=50.0), now=_STARTED)
    assert found.planned_seconds == 10.0


def test_a_wave_without_an_expected_duration_gets_the_default() -> None:
    found = timeline(state(wave("database", expected_seconds=None)), now=_STARTED)
    assert found.planned_seconds == 540.0


def test_actual_times_count_from_the_start_of_the_execution() -> None:
    waves = [
        wave("done", start_time=_STARTED + 10, end_time=_STARTED + 70, status=WaveStatus.COMPLETED),
        wave("running", start_time=_STARTED + 20, status=WaveStatus.IN_PROGRESS),
        wave("waiting", "running"),
        wave("unconfirmed", start_time=_STARTED + 20, status=WaveStatus.CANCELLED),
    ]
    found = timeline(state(*waves), now=_STARTED + 90)
    actual = {row.wave_id: row.actual for row in found.rows}
    assert actual.pop("unconfirmed") is None
    assert actual == {"done": Span(10.0, 70.0), "running": Span(20.0, None), "waiting": None}


def test_the_axis_holds_everything_and_has_few_ticks() -> None:
    for now in (0.0, 3.0, 500.0, 501.0, 7_000.0, 400_000.0):
        found = timeline(state(*diamond()), now=_STARTED + now)
        assert found.length >= max(500.0, now)
        assert 2 <= len(found.ticks) <= 9


def test_the_axis_does_not_change_each_second() -> None:
    lengths = {timeline(state(*diamond()), now=_STARTED + n).length for n in range(500, 560)}
    assert len(lengths) <= 2


def test_the_rows_are_in_the_order_of_planned_starts() -> None:
    found = timeline(state(wave("web", "database"), wave("database")), now=_STARTED)
    assert [row.wave_id for row in found.rows] == ["database", "web"]


@pytest.mark.parametrize(
    ("late", "path"),
    [(150.0, ("database", "app1", "web")), (900.0, ("database", "app2", "web"))],
)
def test_the_critical_path_follows_actual_times(late: float, path: tuple[str, ...]) -> None:
    """A wave that runs longer than all others is on the critical path."""
    waves = diamond()
    waves[2] = wave("app2", "database", start_time=_STARTED, status=WaveStatus.IN_PROGRESS)
    assert timeline(state(*waves), now=_STARTED + late).critical_path == path


def test_a_skipped_wave_is_not_on_the_critical_path() -> None:
    waves = diamond()
    waves[1] = wave("app1", "database", expected_seconds=300.0, status=WaveStatus.SKIPPED)
    found = timeline(state(*waves), now=_STARTED)
    assert found.critical_path == ("database", "app2", "web")
