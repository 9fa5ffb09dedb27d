"""The achieved recovery points are shown beside the RPO, and are unknown where DRS is silent."""

from recovery.execution.recovery_points import (
    AchievedPoints,
    recovery_point_lines,
    recovery_point_text,
)
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.plan.snapshots import PointInTime, ServerSnapshots, Snapshot
from tests.recovery.plans import diamond, server_id

DB, APP1, APP2, WEB = (server_id(number) for number in range(1, 5))
START = 1_764_158_400.0


def state(
    points: dict[str, float | None], *, rpo: int | None = None, without_snapshot: str = ""
) -> ExecutionState:
    """An execution with these servers up, each with its recovery point before the start."""
    wanted = PointInTime(time=START - 60, or_latest=bool(without_snapshot))
    snapshots = [Snapshot(snapshot_id=f"pit-{1:017x}", time=START - 60)]
    known = {
        i: ServerSnapshots.of(i, [] if i == without_snapshot else snapshots, around=wanted.time)
        for i in (DB, APP1, APP2, WEB)
    }
    plan = diamond().model_copy(update={"rpo": rpo}).at_point_in_time(wanted, known)
    found = ExecutionState.begin(
        plan, execution_id="crm-1", execution_type=ExecutionType.DRILL, started_by="ops", now=START
    )
    for wave in found.waves:
        wave.servers = [
            ServerResult(
                source_server_id=s.source_server_id,
                launch_status=LaunchStatus.LAUNCHED,
                recovery_point=None if age is None else START - age,
            )
            if (age := points.get(s.source_server_id, -1.0)) != -1.0
            else s
            for s in wave.servers
        ]
    return found


def test_each_point_is_compared_with_the_rpo_and_with_what_was_chosen() -> None:
    found = AchievedPoints.of(state({DB: 60.0, APP1: 1000.0, APP2: None}, rpo=15))
    assert found.known == {DB: START - 60, APP1: START - 1000}
    assert found.unknown == [APP2]
    assert found.over_rpo == [APP1]
    # Somebody else's job may have launched it from other data.
    assert found.other == [APP1]


def test_the_lines_name_what_needs_a_look() -> None:
    lines = "\n".join(recovery_point_lines(state({DB: 60.0, APP1: 1000.0, APP2: None}, rpo=15)))
    assert "recovered to 2025-11-26 11:59:00 UTC" in lines
    assert f"1 server over the RPO of 15 min: {APP1}" in lines
    assert f"1 server up with an unknown recovery point: {APP2}" in lines
    assert f"another point than was chosen: check their data: {APP1}" in lines
    assert "17 min before the start; RPO 15 min" in lines


def test_a_server_with_the_latest_data_is_not_said_to_be_recovered_to_the_time() -> None:
    lines = recovery_point_lines(state({DB: 60.0, APP1: 0.0}, without_snapshot=APP1))
    assert lines[0].endswith("by the snapshots chosen for it, except 1 server")
    assert f"1 server up with the latest data, for want of a snapshot: {APP1}" in lines
    # One that is not up has no data.
    assert "latest" not in "\n".join(recovery_point_lines(state({DB: 60.0}, without_snapshot=APP1)))


def test_a_server_that_is_not_up_has_no_recovery_point() -> None:
    found = state({DB: 1000.0, APP1: None}, rpo=15)
    texts = [recovery_point_text(found, server) for wave in found.waves for server in wave.servers]
    assert "17 min before the start, over the RPO of 15 min" in texts[0]
    assert texts[1:] == ["recovery point unknown", "", ""]
