"""What is in no plan, and which plans no drill has proved."""

from typing import Any

from recovery.coverage.csv_rows import coverage_csv
from recovery.coverage.evidence import (
    CoverageEvidence,
    DrillRecord,
    DrillRecords,
    EndedDrill,
    ListedServer,
    ListedTarget,
)
from recovery.coverage.gaps import Coverage, Gap, GapCode, coverage
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.plan.model import RecoveryPlan, Target
from recovery.readiness.failed_read import FailedRead
from tests.recovery.plans import diamond, role_arn, server_id, wave

NOW = 1_800_000_000.0
DAY = 86_400.0
HERE = Target(region="us-west-2")


def listed(*numbers: int, target: Target = HERE, **fields: Any) -> ListedTarget:
    servers = [
        ListedServer(source_server_id=server_id(n), server_name=f"host-{n}") for n in numbers
    ]
    return ListedTarget(target=target, account_id="111111111111", servers=servers, **fields)


def drill(
    plan: RecoveryPlan,
    status: PlanStatus = PlanStatus.COMPLETED,
    days_ago: float = 1,
    **fields: Any,
) -> ExecutionState:
    """An execution that has ended, by default a drill."""
    end = NOW - days_ago * DAY
    state = ExecutionState.begin(
        plan,
        execution_id=f"{plan.plan_id}-{int(days_ago):012x}",
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        now=end - 600,
    )
    return state.model_copy(update={"status": status, "end_time": end} | fields)


def judged(plan: RecoveryPlan, *newest_first: ExecutionState, servers: int = 4) -> Coverage:
    records = DrillRecords([plan.plan_id])
    for state in newest_first:
        records.add(state)
    evidence = CoverageEvidence(
        targets=[listed(*range(1, servers + 1))],
        plans=[plan],
        drills={plan.plan_id: records.of(plan.plan_id)},
    )
    return coverage(evidence, now=NOW)


def codes(found: Coverage) -> list[GapCode]:
    return [gap.code for gap in found.gaps]


def only(found: Coverage, code: GapCode) -> Gap:
    (gap,) = [gap for gap in found.gaps if gap.code is code]
    return gap


def test_a_drilled_plan_of_all_servers_has_no_gap() -> None:
    found = judged(diamond(), drill(diamond()))
    assert found.is_complete
    assert (found.servers, found.plans, found.targets[0].servers) == (4, 1, 4)


def test_a_server_in_no_plan_is_named_with_its_account_and_region() -> None:
    gap = only(judged(diamond(), drill(diamond()), servers=5), GapCode.IN_NO_PLAN)
    assert (gap.source_server_id, gap.server_name) == (server_id(5), "host-5")
    assert (gap.account_id, gap.region) == ("111111111111", "us-west-2")
    assert gap.message.startswith(f"host-5 ({server_id(5)}) in us-west-2 of account 111111111111")


def test_a_server_that_two_roles_see_is_one_gap() -> None:
    by_role = Target(region="us-west-2", role_arn=role_arn("111111111111"))
    evidence = CoverageEvidence(targets=[listed(5), listed(5, target=by_role)])
    found = coverage(evidence, now=NOW)
    assert codes(found) == [GapCode.IN_NO_PLAN]
    assert found.servers == 1


def test_a_server_in_two_plans_names_both_also_if_drs_does_not_know_it() -> None:
    other = RecoveryPlan(plan_id="shop", waves=[wave("db", 1), wave("app", 9)])
    third = RecoveryPlan(plan_id="erp", waves=[wave("app", 9)])
    evidence = CoverageEvidence(
        targets=[listed(1, 2, 3, 4)], plans=[diamond(), other, third], drills=None
    )
    known, unknown = sorted(coverage(evidence, now=NOW).gaps, key=lambda gap: gap.plan_ids)
    assert known.plan_ids == ["crm", "shop"]
    assert known.server_name == "host-1"
    assert (unknown.plan_ids, unknown.region) == (["erp", "shop"], None)


def test_a_plan_is_never_drilled_if_no_drill_has_proved_it() -> None:
    assert codes(judged(diamond())) == [GapCode.NEVER_DRILLED]
    ended = [drill(diamond(), status) for status in (PlanStatus.FAILED, PlanStatus.CANCELLED)]
    gap = only(judged(diamond(), *ended), GapCode.NEVER_DRILLED)
    assert "ended FAILED" in gap.message
    others = [
        drill(diamond(), PlanStatus.IN_PROGRESS, end_time=None),
        drill(diamond(), execution_type=ExecutionType.RECOVERY),
        drill(diamond().model_copy(update={"plan_id": "crm2"})),
    ]
    assert codes(judged(diamond(), *others)) == [GapCode.NEVER_DRILLED]


def test_a_drill_is_overdue_after_the_days_that_the_plan_says() -> None:
    plan = diamond()
    assert codes(judged(plan, drill(plan, days_ago=89))) == []
    gap = only(judged(plan, drill(plan, PlanStatus.PARTIAL, 91)), GapCode.DRILL_OVERDUE)
    assert "91 days ago; it is due every 90 days" in gap.message
    assert gap.last_drill is not None
    assert gap.last_drill.status is PlanStatus.PARTIAL
    yearly = plan.model_copy(update={"drill_interval_days": 365})
    assert codes(judged(yearly, drill(yearly, days_ago=91))) == []


def test_a_failed_drill_does_not_hide_that_the_last_good_one_is_old() -> None:
    plan = diamond()
    newest_first = [drill(plan, PlanStatus.FAILED, 2), drill(plan, days_ago=120)]
    gap = only(judged(plan, *newest_first), GapCode.DRILL_OVERDUE)
    assert "The last attempt" in gap.message
    assert "FAILED" in gap.message


def test_a_plan_that_changed_since_its_last_drill_shows_both_hashes() -> None:
    plan = diamond()
    changed = plan.model_copy(update={"rto": 30})
    gap = only(judged(changed, drill(plan)), GapCode.CHANGED_SINCE_DRILL)
    assert plan.plan_hash[:12] in gap.message
    assert changed.plan_hash[:12] in gap.message


def test_reading_ends_when_each_plan_has_its_drill() -> None:
    records = DrillRecords(["crm"])
    records.add(drill(diamond(), PlanStatus.FAILED))
    assert not records.are_complete
    records.add(drill(diamond(), days_ago=3))
    assert records.are_complete
    records.add(drill(diamond(), days_ago=9))
    proved = records.of("crm").proved
    assert proved is not None
    assert proved.end_time == NOW - 3 * DAY


def test_what_could_not_be_read_is_unknown_and_comes_first() -> None:
    denied = ListedTarget(
        target=Target(region="eu-central-1", role_arn=role_arn("222222222222")),
        failed=FailedRead(action="drs:DescribeSourceServers", error="no", is_denied=True),
    )
    evidence = CoverageEvidence(targets=[listed(1), denied], unread=["No table"], drills=None)
    found = coverage(evidence, now=NOW)
    assert codes(found) == [GapCode.UNKNOWN, GapCode.UNKNOWN, GapCode.IN_NO_PLAN]
    assert not found.is_complete
    gap = found.gaps[1]
    assert (gap.account_id, gap.permission) == ("222222222222", "drs:DescribeSourceServers")
    assert "The worker lacks drs:DescribeSourceServers" in gap.message
    assert [target.servers for target in found.targets] == [1, None]


def test_drills_that_are_not_known_are_no_missing_drills() -> None:
    evidence = CoverageEvidence(plans=[diamond()], drills=None, unread=["The history is away"])
    assert codes(coverage(evidence, now=NOW)) == [GapCode.UNKNOWN]


def test_more_gaps_than_a_result_takes_are_counted() -> None:
    evidence = CoverageEvidence(targets=[listed(*range(20))])
    found = coverage(evidence, now=NOW, max_gaps=5)
    assert (len(found.gaps), found.left_out) == (5, 15)


def test_csv_has_a_row_a_gap_and_runs_no_formula() -> None:
    target = listed(5)
    target.servers[0].server_name = "=1+1"
    plan = diamond()
    last = EndedDrill.of(drill(plan, days_ago=100))
    evidence = CoverageEvidence(
        targets=[target], plans=[plan], drills={"crm": DrillRecord(proved=last)}
    )
    heading, server, overdue = coverage_csv(coverage(evidence, now=NOW)).splitlines()
    assert heading.startswith("Code,PlanIds,SourceServerId")
    assert f",{server_id(5)},'=1+1,111111111111,us-west-2,,,," in server
    assert overdue.startswith("DRILL_OVERDUE,crm,,,,,crm-000000000064,2026-")


def of_two_accounts(*plans: RecoveryPlan) -> Coverage:
    """Server 1 in two accounts."""
    there = Target(region="us-west-2", role_arn=role_arn("222222222222"))
    other = listed(1, target=there).model_copy(update={"account_id": "222222222222"})
    evidence = CoverageEvidence(targets=[listed(1), other], plans=list(plans), drills=None)
    return coverage(evidence, now=NOW)


def in_target(plan_id: str, **target: Any) -> RecoveryPlan:
    """A plan of server 1."""
    given = wave("db", 1).model_copy(update=target)
    return RecoveryPlan(plan_id=plan_id, waves=[given])


def test_a_server_of_another_account_with_the_same_id_is_not_covered() -> None:
    gap = only(of_two_accounts(in_target("crm")), GapCode.IN_NO_PLAN)
    assert gap.account_id == "222222222222"


def test_plans_of_two_accounts_do_not_have_the_same_server() -> None:
    role = role_arn("222222222222")
    assert of_two_accounts(in_target("crm"), in_target("shop", role_arn=role)).is_complete
    found = of_two_accounts(in_target("crm"), in_target("shop"), in_target("x", role_arn=role))
    assert only(found, GapCode.IN_SEVERAL_PLANS).plan_ids == ["crm", "shop"]


def test_a_plan_of_another_region_does_not_cover_a_server() -> None:
    evidence = CoverageEvidence(
        targets=[listed(1), ListedTarget(target=Target(region="eu-west-1"))],
        plans=[in_target("crm", region="eu-west-1")],
        drills=None,
    )
    assert codes(coverage(evidence, now=NOW)) == [GapCode.IN_NO_PLAN]
