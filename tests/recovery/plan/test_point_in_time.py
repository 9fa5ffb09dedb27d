"""What a recovery to a point in time launches is frozen beside the plan, and refused if unsafe."""

from dataclasses import replace

import pytest
from hypothesis import given

from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import IntendedStart, RequestRefusalCode, start_refusal
from recovery.plan.diff import differences
from recovery.plan.file.reader import PlanError, parse_plan
from recovery.plan.file.writer import plan_text
from recovery.plan.model import RecoveryPlan, Server
from recovery.plan.point_in_time import left_out_text, points_facts, points_problem, time_problem
from recovery.plan.snapshots import PointInTime, PointKind, ServerSnapshots, Snapshot
from tests.recovery.plans import KNOWN_REGIONS, diamond, recovery_plans, server_id

DB, APP1, APP2, WEB = (server_id(number) for number in range(1, 5))
NOON = 1_764_158_400.0


def known(**before: float | None) -> dict[str, ServerSnapshots]:
    """The snapshots of the servers, each taken so many seconds before noon; None: none."""
    ids = {"db": DB, "app1": APP1, "app2": APP2, "web": WEB}
    return {
        ids[name]: ServerSnapshots.of(
            ids[name],
            [] if age is None else [Snapshot(snapshot_id=f"pit-{name:x<17}", time=NOON - age)],
            around=NOON,
        )
        for name, age in before.items()
    }


def at_noon(plan: RecoveryPlan, read: dict[str, ServerSnapshots], **how: object) -> RecoveryPlan:
    return plan.at_point_in_time(PointInTime.model_validate({"time": NOON, **how}), read)


ALL = known(db=60.0, app1=120.0, app2=600.0, web=1200.0)


@given(recovery_plans())
def test_the_hash_names_the_plan_and_the_choice_has_its_own(plan: RecoveryPlan) -> None:
    chosen = plan.at_point_in_time(PointInTime(time=NOON), {})
    assert chosen.plan_hash == plan.plan_hash
    assert plan.points_hash is None
    assert chosen.points_hash is not None
    assert chosen.without_point_in_time() == plan
    assert RecoveryPlan.model_validate_json(chosen.model_dump_json()) == chosen
    assert differences(plan, chosen) == []
    assert parse_plan(plan_text(chosen), file="plan.yaml", regions=KNOWN_REGIONS).plan == plan


@pytest.mark.parametrize("change", ["time", "snapshot", "kind", "or_latest", "max_spread_seconds"])
def test_each_part_of_a_choice_changes_its_hash(change: str) -> None:
    chosen = at_noon(diamond(), ALL)
    server = chosen.waves[0].servers[0]
    point = server.chosen_point
    assert point is not None
    assert chosen.point_in_time is not None
    forged = chosen.model_copy(deep=True)
    if change == "snapshot":
        update = {"snapshot_id": "pit-00000000000000000"}
        forged.waves[0].servers[0].chosen_point = point.model_copy(update=update)
    elif change == "kind":
        update = {"kind": PointKind.LATEST}
        forged.waves[0].servers[0].chosen_point = point.model_copy(update=update)
    else:
        other = True if change == "or_latest" else 1.0
        wanted = chosen.point_in_time.model_copy(update={change: other})
        forged = forged.model_copy(update={"point_in_time": wanted})
    assert forged.points_hash != chosen.points_hash


def test_a_choice_without_a_point_in_time_changes_the_hash_of_the_plan() -> None:
    forged = at_noon(diamond(), ALL).model_copy(update={"point_in_time": None})
    assert forged.plan_hash != diamond().plan_hash


@pytest.mark.parametrize("key", ["PointInTime: {Time: 1}", "ChosenPoint: {Kind: LATEST}"])
def test_no_plan_file_says_what_is_chosen_at_the_start(key: str) -> None:
    servers = f"Servers: [{{SourceServerId: {DB}, {key}}}]"
    text = f"PlanId: crm\nRegion: us-west-2\nWaves: [{{WaveId: db, {servers}}}]"
    with pytest.raises(PlanError):
        parse_plan(text, file="plan.yaml", regions=KNOWN_REGIONS)
    with pytest.raises(PlanError):
        parse_plan(f"{text}\n{key}", file="plan.yaml", regions=KNOWN_REGIONS)


def test_a_spread_over_the_most_names_the_servers_that_cause_it() -> None:
    assert points_problem(at_noon(diamond(), ALL, max_spread_seconds=1140.0)) is None
    problem = points_problem(at_noon(diamond(), ALL, max_spread_seconds=300.0))
    assert problem is not None
    assert all(name in problem for name in (APP2, WEB, "19 min apart", "5 min are allowed"))
    assert DB not in problem
    assert APP1 not in problem


def test_a_server_without_a_snapshot_is_left_and_the_others_are_launched() -> None:
    chosen = at_noon(diamond(), ALL | known(web=None))
    assert points_problem(chosen) is None
    servers = {s.source_server_id: s for wave in chosen.waves for s in wave.servers}
    assert not servers[WEB].is_launched
    assert servers[DB].is_launched
    assert servers[DB].snapshot_id == f"pit-{'db':x<17}"
    facts = points_facts(chosen, {WEB: "web-1"})
    assert f"web-1 ({WEB})" in facts["Missing"]
    assert "3 snapshots" in facts["Chosen"]
    assert "a spread of 9 min" in facts["Chosen"]


def test_nothing_starts_if_no_server_has_a_snapshot_or_none_could_be_read() -> None:
    nothing = known(db=None, app1=None, app2=None, web=None)
    assert "no server has a snapshot" in str(points_problem(at_noon(diamond(), nothing)))
    assert "could be read" in str(points_problem(at_noon(diamond(), {})))
    assert points_problem(at_noon(diamond(), nothing, or_latest=True)) is None


def test_a_snapshot_of_the_plan_after_the_time_is_refused() -> None:
    plan = diamond()
    plan.waves[0].servers = [Server(source_server_id=DB, recovery_snapshot_id=f"pit-{1:017x}")]
    later = ServerSnapshots(
        source_server_id=DB, planned=Snapshot(snapshot_id=f"pit-{1:017x}", time=NOON + 1)
    )
    problem = points_problem(at_noon(plan, ALL | {DB: later}))
    assert problem is not None
    assert DB in problem
    assert "RecoverySnapshotId" in problem


def test_a_corrected_plan_keeps_the_choice_except_where_it_names_another_snapshot() -> None:
    earlier = at_noon(diamond(), ALL | known(web=None))
    corrected = diamond()
    corrected.waves[3].servers = [
        Server(source_server_id=WEB, recovery_snapshot_id=f"pit-{2:017x}")
    ]
    corrected.waves[2].servers.append(Server(source_server_id=server_id(9)))
    after = corrected.at_points_of(earlier)
    assert after.point_in_time == earlier.point_in_time
    points, before = after.chosen_points, earlier.chosen_points
    assert all(points[i] == before[i] for i in (DB, APP1, APP2))
    assert (points[WEB].kind, points[WEB].snapshot_id) == (PointKind.PLANNED, f"pit-{2:017x}")
    # Nobody chose a snapshot of a server that the plan did not have: not its latest data either.
    assert not points[server_id(9)].kind.is_launched
    assert diamond().at_points_of(diamond()).point_in_time is None


def test_a_time_in_the_future_is_refused() -> None:
    assert time_problem(NOON + 3600, now=NOON) is not None
    assert time_problem(NOON, now=NOON) is None


def test_latest_data_counts_in_the_spread_as_of_now() -> None:
    chosen = at_noon(diamond(), ALL | known(web=None), or_latest=True, max_spread_seconds=1200.0)
    assert points_problem(chosen, now=NOON + 60) is None
    problem = points_problem(chosen, now=NOON + 1000)
    assert problem is not None
    assert "the latest data are 27 min apart, and at most 20 min are allowed" in problem
    assert f"with the latest data: {WEB};" in problem
    assert problem.endswith(f"those of {APP2} (2025-11-26 11:50:00 UTC)")
    assert "the spread is 27 min" in points_facts(chosen, now=NOON + 1000)["Latest"]
    # Its client has looked before.
    assert points_problem(chosen) is None


def test_what_is_left_out_is_confirmed_before_a_drill_starts() -> None:
    assert left_out_text(at_noon(diamond(), ALL)) == ""
    left = left_out_text(at_noon(diamond(), ALL | known(web=None)))
    assert left.startswith(f"1 server that has no snapshot for the point in time ({WEB}; --or-late")
    assert "--or-latest" not in left_out_text(at_noon(diamond(), known(db=1.0, app1=1.0, app2=1.0)))
    drill = IntendedStart("crm", ExecutionType.DRILL, left_out=left)
    refused = start_refusal(drill, None)
    assert refused is not None
    assert refused.code is RequestRefusalCode.MISSING
    assert WEB in refused.text
    assert start_refusal(drill, "crm") is None
    assert start_refusal(replace(drill, continues=True), None) is None
