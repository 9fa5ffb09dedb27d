"""What the recovery mode FAST saves, and what it has saved."""

from typing import Any

import pytest

from cli.render.summary import summary
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.forecast.durations import LearnedDurations, learn_durations
from recovery.forecast.estimates import CONVERSION_SHARE, expected_durations
from recovery.forecast.fast_mode import fast_lines, fast_mode, launch_modes, optimal_seconds
from recovery.forecast.report import FastMode
from recovery.launch_settings.model import LaunchSettings, RecoveryMode
from recovery.plan.model import RecoveryPlan
from tests.recovery.forecast.test_durations import execution
from tests.recovery.launch_settings.settings import DRILL
from tests.recovery.plans import diamond, server_id

DB, APP1, APP2, WEB = map(server_id, (1, 2, 3, 4))
FAST = LaunchSettings(recovery_mode=RecoveryMode.FAST)


def saved(plan: RecoveryPlan, **learned: Any) -> FastMode:
    known = LearnedDurations(**learned)
    durations = expected_durations(plan, known.durations_of(plan.plan_id))
    return fast_mode(plan, known, plan.graph.critical_path(durations))


def test_it_saves_the_conversion_of_the_servers_on_the_critical_path() -> None:
    found = saved(diamond(), servers={DB: 1000.0, APP1: 2000.0, APP2: 500.0, WEB: 1000.0})
    assert found.server_ids == [DB, APP1, WEB]
    assert found.saves_seconds == pytest.approx(4000.0 * CONVERSION_SHARE)
    assert 0.36 < CONVERSION_SHARE < 0.38


def test_another_path_limits_what_it_saves() -> None:
    found = saved(diamond(), servers={DB: 1.0, APP1: 1000.0, APP2: 999.0, WEB: 1.0})
    assert found.saves_seconds == pytest.approx(1.0 + 2 * CONVERSION_SHARE, abs=0.1)


def test_what_the_plan_already_names_saves_nothing() -> None:
    plan = diamond().model_copy(update={"launch_settings": FAST})
    found = saved(plan)
    assert (found.saves_seconds, found.server_ids, found.named_servers) == (0.0, [], 4)


def test_what_drills_have_measured_counts_before_the_estimate() -> None:
    times = {DB: 1000.0, APP1: 1000.0, APP2: 1.0, WEB: 1000.0}
    found = saved(diamond(), servers=times, optimal=times, fast={APP1: 900.0})
    assert found.saves_seconds == pytest.approx(100.0 + 2000.0 * CONVERSION_SHARE)
    (measured,) = found.measured
    assert (measured.optimal_seconds, measured.fast_seconds) == (1000.0, 900.0)


def test_a_drill_that_isolates_its_servers_is_known_to_be_fast() -> None:
    isolated = LaunchSettings(subnet_id=DRILL, recovery_mode=RecoveryMode.FAST)
    plan = diamond().model_copy(update={"drill_launch_settings": isolated})
    drill = execution(600.0)
    assert set(launch_modes(drill, plan).values()) == {RecoveryMode.FAST}
    recovery = drill.model_copy(update={"execution_type": ExecutionType.RECOVERY})
    assert set(launch_modes(recovery, plan).values()) == {RecoveryMode.OPTIMAL}
    # Nobody knows whether they were applied.
    named = diamond().model_copy(update={"launch_settings": FAST})
    assert launch_modes(recovery, named) == {}


def test_a_fast_drill_does_not_make_a_recovery_look_faster() -> None:
    def recorded(execution_id: str, took: float) -> ExecutionState:
        return execution(took).model_copy(update={"execution_id": execution_id})

    fast = {"fast": {DB: RecoveryMode.FAST}, "slow": {DB: RecoveryMode.OPTIMAL}}
    learned = learn_durations([recorded("fast", 300.0), recorded("slow", 500.0)], fast)
    assert (learned.servers, learned.fast, learned.optimal) == (
        {DB: 500.0},
        {DB: 300.0},
        {DB: 500.0},
    )
    # Nothing else is known: the recovery converts the disks, which the drill left out.
    learned = learn_durations([recorded("fast", 300.0)], fast)
    assert learned.servers == {DB: pytest.approx(300.0 / (1 - CONVERSION_SHARE))}
    assert saved(diamond(), **dict(learned)).server_ids[0] == DB


def test_a_drill_in_the_mode_of_recoveries_takes_as_long_as_one() -> None:
    isolated = LaunchSettings(subnet_id=DRILL, recovery_mode=RecoveryMode.FAST)
    plan = diamond().model_copy(update={"launch_settings": FAST, "drill_launch_settings": isolated})
    drill = execution(300.0).model_copy(update={"execution_type": ExecutionType.DRILL})
    assert learn_durations([drill], {drill.execution_id: launch_modes(drill, plan)}).servers == {
        DB: 300.0
    }


def test_a_fast_drill_says_what_it_saved_and_what_it_cannot_know() -> None:
    isolated = LaunchSettings(subnet_id=DRILL, recovery_mode=RecoveryMode.FAST)
    plan = diamond().model_copy(update={"drill_launch_settings": isolated})
    known = LearnedDurations(optimal={DB: 500.0, APP1: 400.0})
    drill = ExecutionState.begin(
        plan, execution_id="crm-1", execution_type=ExecutionType.DRILL, started_by="ops", now=0.0
    )
    for planned, wave in zip(plan.waves, drill.waves, strict=True):
        wave.optimal_seconds = optimal_seconds(plan, planned, known)
        wave.start_time = 1000.0
        for server in wave.servers:
            if server.source_server_id in (DB, APP2):
                server.launch_status, server.launch_time = LaunchStatus.LAUNCHED, 1300.0
    assert fast_lines(drill) == []
    drill.end_time = 2000.0
    assert fast_lines(drill) == [
        f"RecoveryMode FAST: {DB} took 5 min in FAST mode, 8 min in OPTIMAL: 3 min less",
        "RecoveryMode FAST: of 1 server it is not known what it saved, because no launch in "
        f"OPTIMAL mode is recorded to compare with: {APP2}",
        "RecoveryMode FAST: of 2 servers it is not known what it saved, because this drill did "
        f"not launch them: {APP1}, {WEB}",
    ]
    shown = drill.model_dump(mode="json")["Waves"][0]
    assert (shown["OptimalSeconds"], shown["FastSavedSeconds"]) == ({DB: 500.0}, {DB: 200.0})
    assert ExecutionState.model_validate_json(drill.model_dump_json()) == drill
    assert all(line in "\n".join(summary(drill)) for line in fast_lines(drill))
