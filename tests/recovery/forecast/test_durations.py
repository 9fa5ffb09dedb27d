"""What servers took before is learned from the record, from true launches only."""

from typing import Any

import pytest

from recovery.execution.server import LaunchStatus, OperatingSystem, ServerResult
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.forecast.durations import LAUNCHES_REMEMBERED, learn_durations
from recovery.steps.model import StepKind, StepPhase
from recovery.steps.state import StepOverride, StepState, StepStatus
from tests.recovery.plans import diamond, server_id

NOON = 1_800_000_000.0


def execution(
    took: float,
    *,
    speed: float = 1.0,
    status: LaunchStatus = LaunchStatus.LAUNCHED,
    taken_over: bool = False,
) -> ExecutionState:
    """An execution of the diamond whose Database took so many wall-clock seconds."""
    state = ExecutionState.begin(
        diamond(),
        execution_id="e",
        execution_type=ExecutionType.DRILL,
        started_by="me",
        now=NOON,
    )
    state.speed = speed
    wave = state.waves[0]
    wave.status, wave.start_time = WaveStatus.COMPLETED, NOON
    wave.servers = [
        ServerResult(
            source_server_id=server_id(1),
            launch_status=status,
            taken_over=taken_over,
            launch_time=NOON + took,
        )
    ]
    return state


def test_a_servers_latest_launches_count_by_their_median() -> None:
    old = [execution(9000.0)] * 10
    latest = [execution(took) for took in (600.0, 620.0, 610.0, 3000.0, 605.0)]
    assert len(latest) == LAUNCHES_REMEMBERED
    assert learn_durations([*latest, *old]).servers == {server_id(1): 610.0}


def test_durations_of_a_faster_sandbox_are_scaled_to_real_time() -> None:
    assert learn_durations([execution(9.0, speed=60.0)]).servers == {
        server_id(1): pytest.approx(540.0)
    }


@pytest.mark.parametrize(
    "said_nothing",
    [
        execution(500.0, status=LaunchStatus.FAILED),
        execution(500.0, taken_over=True),
        execution(-5.0),
    ],
    ids=["failed", "taken over", "launched before its wave"],
)
def test_only_a_servers_own_launches_are_learned_from(said_nothing: ExecutionState) -> None:
    assert learn_durations([said_nothing]).servers == {}


def test_a_server_that_never_launched_is_expected_to_take_what_others_of_its_system_took() -> None:
    recorded = execution(700.0)
    recorded.waves[0].operating_systems = {
        server_id(1): OperatingSystem.WINDOWS,
        server_id(2): OperatingSystem.WINDOWS,
        server_id(3): OperatingSystem.LINUX,
    }
    assert learn_durations([recorded]).durations == {
        server_id(1): 700.0,
        server_id(2): 700.0,
        server_id(3): 540.0,
    }


def test_systems_that_are_learned_of_later_fill_in_but_never_replace_a_servers_own_time() -> None:
    known = learn_durations([execution(700.0)]).with_operating_systems(
        {server_id(1): OperatingSystem.WINDOWS, server_id(9): OperatingSystem.WINDOWS}
    )
    assert known.durations == {server_id(1): 700.0, server_id(9): 1200.0}


def test_a_steps_latest_runs_count_by_their_median_in_its_own_plan() -> None:
    def with_step(took: float, **keys: Any) -> ExecutionState:
        state = execution(1.0, speed=10.0)
        done = StepState(
            step_id="up", kind=StepKind.TCP, phase=StepPhase.POST_LAUNCH,
            status=StepStatus.SUCCEEDED, start_time=NOON, end_time=NOON + took,
        )  # fmt: skip
        state.waves[0].steps = [done.model_copy(update=keys)]
        return state

    ran = [with_step(took) for took in (3.0, 5.0, 4.0)]
    not_run = [
        with_step(900.0, status=StepStatus.FAILED),
        with_step(900.0, decision=StepOverride.COMPLETE),
    ]
    learned = learn_durations([*not_run, *ran])
    assert learned.steps == {"crm": {"db/up": 40.0}}
    assert learned.durations_of("crm")["db/up"] == 40.0
    assert "db/up" not in learned.durations_of("other")
