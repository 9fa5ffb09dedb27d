"""Which plans of a portfolio are started when, and how it ends."""

from random import Random

import pytest

from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import OperatorDecision, WaveStatus
from recovery.portfolio.model import PlanDependency
from recovery.portfolio.scheduler import PortfolioScheduler
from recovery.portfolio.state import (
    MemberState,
    MemberStatus,
    PlanReport,
    PortfolioState,
    attention,
    rto_risk,
)

NOW = 1_000_000.0
DRILL, RECOVERY = ExecutionType.DRILL, ExecutionType.RECOVERY


def scheduler(
    *plans: str, kind: ExecutionType = DRILL, priorities: dict[str, int] | None = None
) -> PortfolioScheduler:
    """A portfolio of plans, each as `id` or `id: needed, needed`."""
    members = []
    for each in plans:
        plan_id, _, needed = each.partition(": ")
        members.append(
            MemberState(
                plan_id=plan_id,
                plan_name=plan_id.title(),
                depends_on=[PlanDependency.of(d) for d in needed.split(", ") if d],
                priority=(priorities or {}).get(plan_id, 3),
                execution_id=f"{plan_id}-0123456789ab",
            )
        )
    return PortfolioScheduler(
        PortfolioState(
            execution_id="all-0123456789ab",
            portfolio_id="all",
            portfolio_name="All",
            execution_type=kind,
            started_by="ops",
            start_time=NOW,
            deadline_seconds=3600.0,
            plans=members,
        )
    )


def report(plan_id: str, status: PlanStatus, **fields: object) -> PlanReport:
    """A report of the plan's own execution, which has ended unless it is IN_PROGRESS."""
    ended = None if status in (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED) else NOW + 60
    values = {"end_time": ended, "start_time": NOW} | fields
    return PlanReport(
        execution_id=f"{plan_id}-0123456789ab",
        execution_type=DRILL,
        status=status,
        **values,
    )


def ready(found: PortfolioScheduler) -> list[str]:
    return [each.plan_id for each in found.ready()]


def end(found: PortfolioScheduler, plan_id: str, status: PlanStatus = PlanStatus.COMPLETED) -> None:
    """Start a plan if it is not started, and end it."""
    if not found.state.member(plan_id).has_started:
        found.request_start(plan_id)
        found.begin(plan_id, f"{plan_id}-0123456789ab")
    found.report(plan_id, report(plan_id, status))


def test_plans_without_dependencies_start_at_once_those_of_high_priority_first() -> None:
    found = scheduler("crm", "directory", "shop: directory", priorities={"directory": 1})
    assert ready(found) == ["directory", "crm"]
    assert found.state.member("shop").status_reason == "Waiting for Directory"


def test_a_plan_whose_start_is_asked_for_is_not_started_again() -> None:
    found = scheduler("crm")
    found.request_start("crm")
    assert ready(found) == []
    found.hold("crm", "DRILL crm-1 runs")
    assert ready(found) == []
    assert found.state.member("crm").status_reason == "DRILL crm-1 runs"
    found.release("crm")
    assert ready(found) == ["crm"]


def test_a_partial_plan_releases_its_dependents() -> None:
    found = scheduler("directory", "crm: directory")
    end(found, "directory", PlanStatus.PARTIAL)
    assert ready(found) == ["crm"]


def test_a_single_wave_releases_a_plan_while_its_own_plan_runs() -> None:
    found = scheduler("directory", "crm: directory/dns")
    found.request_start("directory")
    running = report("directory", PlanStatus.IN_PROGRESS, awaited={"dns": WaveStatus.IN_PROGRESS})
    found.report("directory", running)
    assert ready(found) == []
    assert found.awaited_waves("directory") == ["dns"]
    for status in (WaveStatus.FAILED, WaveStatus.SKIPPED, WaveStatus.WAITING):
        found.report("directory", running.model_copy(update={"awaited": {"dns": status}}))
        assert ready(found) == []
    found.report("directory", running.model_copy(update={"awaited": {"dns": WaveStatus.PARTIAL}}))
    assert ready(found) == ["crm"]


def test_a_drill_skips_what_depends_on_a_failed_plan_and_runs_the_rest() -> None:
    found = scheduler("directory", "crm: directory", "web: crm", "shop")
    end(found, "directory", PlanStatus.FAILED)
    assert found.state.member("crm").status is MemberStatus.SKIPPED
    assert found.state.member("web").status is MemberStatus.SKIPPED
    assert "Directory is FAILED" in found.state.member("crm").status_reason
    assert ready(found) == ["shop"]
    end(found, "shop")
    assert found.is_over
    found.close(now=NOW + 90)
    assert found.state.status is PlanStatus.FAILED


def test_a_recovery_asks_until_its_deadline_and_then_starts_nothing() -> None:
    found = scheduler("directory", "crm: directory", kind=RECOVERY)
    end(found, "directory", PlanStatus.FAILED)
    waiting = found.state.member("crm")
    assert waiting.status is MemberStatus.WAITING
    assert "drs-waves run --from directory-0123456789ab --recovery" in waiting.status_reason
    assert "drs-waves portfolio accept all directory" in waiting.status_reason
    assert not found.is_over
    assert found.next_deadline == NOW + 3600
    found.tick(now=NOW + 3599)
    assert not found.is_over
    found.tick(now=NOW + 3600)
    assert found.state.member("crm").status is MemberStatus.FAILED
    assert "Not started before the portfolio's deadline" in waiting.status_reason
    assert found.is_over


def test_a_plan_that_is_run_again_releases_what_was_skipped_because_of_it() -> None:
    found = scheduler("directory", "crm: directory", "slow")
    found.request_start("slow")
    end(found, "directory", PlanStatus.FAILED)
    assert found.state.member("crm").status is MemberStatus.SKIPPED
    again = report("directory", PlanStatus.IN_PROGRESS)
    again.execution_id = "directory-ba9876543210"
    found.report("directory", again)
    assert found.state.member("crm").status is MemberStatus.WAITING
    assert found.state.member("directory").is_attached
    found.report("directory", again.model_copy(update={"status": PlanStatus.COMPLETED,
                                                       "end_time": NOW + 99}))  # fmt: skip
    assert ready(found) == ["crm"]


def test_a_plan_that_has_set_its_end_but_still_runs_is_not_up_before_it_ended() -> None:
    found = scheduler("directory", "crm: directory")
    found.request_start("directory")
    early = report("directory", PlanStatus.COMPLETED, end_time=None)
    found.report("directory", early)
    assert found.state.member("directory").status is MemberStatus.IN_PROGRESS
    assert ready(found) == []


def test_operators_decisions_make_the_end_partial_and_keep_the_plans_own_status() -> None:
    found = scheduler("directory", "crm: directory", kind=RECOVERY)
    end(found, "directory", PlanStatus.FAILED)
    by = OperatorDecision(actor="ann", time=NOW, reason="fixed by hand")
    found.state.member("directory").accepted_by = by
    found.update()
    assert ready(found) == ["crm"]
    end(found, "crm")
    found.close(now=NOW + 90)
    assert found.state.member("directory").status is MemberStatus.FAILED
    assert found.state.status is PlanStatus.PARTIAL


def test_what_depends_on_a_skipped_plan_starts_without_it() -> None:
    found = scheduler("directory", "crm: directory")
    found.state.member("directory").skipped_by = OperatorDecision(actor="ann", time=NOW)
    found.update()
    assert ready(found) == ["crm"]
    end(found, "crm")
    found.close(now=NOW + 90)
    assert found.state.status is PlanStatus.PARTIAL


def test_a_paused_portfolio_starts_nothing_and_a_cancelled_one_never_does() -> None:
    found = scheduler("directory", "crm: directory")
    found.state.status = PlanStatus.PAUSED
    found.update()
    assert ready(found) == []
    assert "resume" in found.state.member("directory").status_reason
    found.state.status = PlanStatus.IN_PROGRESS
    found.cancel("over")
    assert ready(found) == []
    found.close(now=NOW + 1)
    assert found.state.status is PlanStatus.CANCELLED
    assert found.is_over


def test_all_completed_is_completed() -> None:
    found = scheduler("directory", "crm: directory")
    end(found, "directory")
    end(found, "crm")
    assert found.is_over
    found.close(now=NOW + 90)
    assert found.state.status is PlanStatus.COMPLETED


def test_what_needs_a_person_is_shown_decisions_first_then_failures_then_the_rto() -> None:
    found = scheduler("late", "failed", "asks", "fine", kind=RECOVERY)
    for each in found.state.plans:
        found.request_start(each.plan_id)
        each.rto = 10
    due = NOW + 500
    found.report("late", report("late", PlanStatus.IN_PROGRESS, ready_time=NOW + 900))
    end(found, "failed", PlanStatus.FAILED)
    found.state.member("failed").rto = None
    asks = report("asks", PlanStatus.IN_PROGRESS, decisions=["Web FAILED"], decisions_due=due)
    found.report("asks", asks.model_copy(update={"ready_time": NOW + 60}))
    end(found, "fine")
    needs = attention(found.state, now=NOW + 30)
    assert [each.plan_id for each in needs] == ["asks", "failed", "late"]
    assert needs[0].due == due
    assert needs[1].command == "drs-waves run --from failed-0123456789ab --recovery"
    assert "5 min late" in needs[2].text


def test_an_rto_is_at_risk_by_the_forecast_and_missed_by_the_clock() -> None:
    found = scheduler("crm")
    member = found.state.member("crm")
    member.rto, member.expected_seconds = 10, 500.0
    assert rto_risk(found.state, member, now=NOW) is None
    assert "at risk" in str(rto_risk(found.state, member, now=NOW + 200))
    assert "is over" in str(rto_risk(found.state, member, now=NOW + 601))
    end(found, "crm")
    assert rto_risk(found.state, member, now=NOW + 601) is None


@pytest.mark.parametrize("wave", [WaveStatus.CANCELLED, WaveStatus.TIMED_OUT, None])
def test_a_partial_plan_does_not_release_what_waits_for_a_wave_of_it_that_is_not_up(
    wave: WaveStatus | None,
) -> None:
    drill, recovery = (scheduler("net", "crm: net/dns", kind=kind) for kind in ExecutionType)
    for found in (drill, recovery):
        end(found, "net", PlanStatus.PARTIAL)
        awaited = {} if wave is None else {"dns": wave}
        found.report("net", report("net", PlanStatus.PARTIAL, awaited=awaited))
        assert ready(found) == []
    assert drill.state.member("crm").status is MemberStatus.SKIPPED
    assert "dns of Net is not up" in drill.state.member("crm").status_reason
    assert recovery.state.member("crm").status is MemberStatus.WAITING
    # Either an operator of the plan let its dependents go on, or one of the portfolio does.
    passed = report("net", PlanStatus.PARTIAL, awaited=awaited, passed=["dns"])
    recovery.report("net", passed)
    assert ready(recovery) == ["crm"]


def test_the_execution_of_another_version_is_no_completed_portfolio() -> None:
    found = scheduler("net", "crm: net/dns", kind=RECOVERY)
    found.state.member("net").plan_hash = "a" * 64
    end(found, "net")
    found.report("net", report("net", PlanStatus.COMPLETED, plan_hash="b" * 64))
    assert "another version" in found.state.member("net").status_reason
    assert ready(found) == [], "its wave dns may not exist"
    found.state.member("crm").skipped_by = OperatorDecision(actor="ann", time=NOW, reason="")
    found.update()
    found.close(now=NOW + 90)
    assert found.state.status is PlanStatus.PARTIAL
    assert "another version than was confirmed ran of Net" in found.state.status_reason


@pytest.mark.parametrize("status", [PlanStatus.FAILED, PlanStatus.CANCELLED])
def test_a_recovery_that_waits_because_of_a_plan_that_is_not_up_needs_a_person_first(
    status: PlanStatus,
) -> None:
    found = scheduler("other", "net", "crm: net", "shop: net", kind=RECOVERY)
    found.refuse("other", "its start is not signed")
    end(found, "net", status)
    needs = attention(found.state, now=NOW)
    assert [(each.plan_id, each.due) for each in needs] == [
        ("net", found.state.deadline),
        ("other", None),
    ]
    assert "Crm, Shop" in needs[0].text
    assert needs[0].command == "drs-waves run --from net-0123456789ab --recovery"
    assert "not signed" in needs[1].text
    found.state.member("net").accepted_by = OperatorDecision(actor="ann", time=NOW, reason="")
    found.update()
    assert [each.plan_id for each in attention(found.state, now=NOW)] == ["other"]


def test_a_recovery_that_a_drill_holds_back_needs_a_person() -> None:
    found = scheduler("net", kind=RECOVERY)
    found.request_start("net")
    found.hold("net", "DRILL net-aaaaaaaaaaaa of it runs")
    (need,) = attention(found.state, now=NOW)
    assert need.command == "drs-waves cancel net"
    found.release("net")
    assert attention(found.state, now=NOW) == []


def test_a_cancelled_portfolio_says_which_executions_go_on() -> None:
    found = scheduler("own", "followed")
    for plan_id, execution_id in (
        ("own", "own-0123456789ab"),
        ("followed", "followed-aaaaaaaaaaaa"),
    ):
        found.request_start(plan_id)
        found.begin(plan_id, execution_id)
    found.cancel("Cancelled by ann")
    found.close(now=NOW)
    own, followed = found.state.plans
    assert "has not confirmed the cancellation: Cancelled by ann" in own.status_reason
    assert "goes on: the portfolio did not start it" in followed.status_reason


def test_what_continues_a_portfolio_counts_its_rto_from_the_first_start() -> None:
    found = scheduler("crm")
    found.state.member("crm").rto = 10
    assert rto_risk(found.state, found.state.plans[0], now=NOW + 1) is None
    found.state.declared_time = NOW - 3600
    assert "is over" in str(rto_risk(found.state, found.state.plans[0], now=NOW + 1))


def test_three_hundred_plans_each_start_once_and_only_after_what_they_wait_for() -> None:
    random = Random(0)
    names = [f"p{number:03}" for number in range(300)]
    waits = {
        name: set(random.sample(names[max(0, n - 20) : n], min(n, random.randrange(4))))
        for n, name in enumerate(names)
    }
    # The last third is a chain, the longest order that 100 plans can have.
    waits |= {name: {names[n - 1]} for n, name in enumerate(names) if n >= 200}
    found = scheduler(*(f"{name}: {', '.join(sorted(waits[name]))}" for name in names))
    running: list[str] = []
    ended: set[str] = set()
    most = 0
    while not found.is_over:
        for plan_id in ready(found):
            assert plan_id not in ended
            assert plan_id not in running
            assert waits[plan_id] <= ended
            found.request_start(plan_id)
            running.append(plan_id)
        most = max(most, len(running))
        plan_id = running.pop(random.randrange(len(running)))
        end(found, plan_id)
        ended.add(plan_id)
    assert ended == set(names)
    assert most > 20
    found.close(now=NOW + 100)
    assert found.state.status is PlanStatus.COMPLETED
