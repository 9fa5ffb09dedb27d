"""What Prometheus reads of plans."""

from prometheus_client import CollectorRegistry

from api.metrics.execution_metrics import add_executions
from api.metrics.plan_metrics import add_goals, add_readiness
from client.decisions.inbox_reader import InboxState
from recovery.coverage.evidence import DrillRecord, EndedDrill
from recovery.execution.state import PlanStatus
from recovery.plan.model import RecoveryPlan
from recovery.readiness.report import ReadinessRow
from recovery.readiness.result import Lag
from recovery.readiness.verdict import ReadinessStatus


def values(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """The values of all metrics, by name and labels."""
    return {
        (each.name.removeprefix("drs_waves_plan_"), *each.labels.values()): each.value
        for family in registry.collect()
        for each in family.samples
    }


def read(*rows: ReadinessRow) -> dict[tuple[str, ...], float]:
    """The metrics of the readiness of plans."""
    registry = CollectorRegistry()
    add_readiness(registry, rows)
    return values(registry)


def test_a_plan_has_one_status_its_findings_its_lag_and_the_time_of_the_look() -> None:
    row = ReadinessRow(
        plan_id="crm",
        plan_name="CRM",
        status=ReadinessStatus.STALE,
        looked_time=1_795_449_841.0,
        blocks=2,
        warns=1,
        worst_lag=Lag(seconds=90.0, source_server_id="s-1"),
    )
    assert read(row) == {
        ("readiness", "crm", "READY"): 0,
        ("readiness", "crm", "NOT_READY"): 0,
        ("readiness", "crm", "UNKNOWN"): 0,
        ("readiness", "crm", "STALE"): 1,
        ("findings", "crm", "BLOCKS"): 2,
        ("findings", "crm", "UNKNOWN"): 0,
        ("findings", "crm", "WARNS"): 1,
        ("looked_timestamp_seconds", "crm"): 1_795_449_841.0,
        ("replication_lag_seconds", "crm"): 90.0,
    }


def test_a_plan_that_was_never_looked_at_is_unknown_and_has_no_zeros() -> None:
    row = ReadinessRow(plan_id="crm", plan_name="CRM", status=ReadinessStatus.UNKNOWN)
    found = read(row)
    assert found["readiness", "crm", "UNKNOWN"] == 1
    assert {name for name, *_ in found} == {"readiness"}


def test_a_plan_has_its_rpo_and_the_time_of_the_drill_that_proved_it() -> None:
    plans = [RecoveryPlan(plan_id="crm", waves=[], rpo=15), RecoveryPlan(plan_id="shop", waves=[])]
    drill = EndedDrill(
        execution_id="crm-1",
        plan_id="crm",
        plan_hash="",
        status=PlanStatus.COMPLETED,
        end_time=7.0,
    )
    registry = CollectorRegistry()
    add_goals(registry, plans, {"crm": DrillRecord(proved=drill)})
    assert values(registry) == {
        ("rpo_seconds", "crm"): 900.0,
        ("last_drill_timestamp_seconds", "crm"): 7.0,
        ("last_drill_timestamp_seconds", "shop"): 0.0,
    }


def test_where_nothing_runs_each_kind_of_wait_is_zero() -> None:
    registry = CollectorRegistry()
    add_executions(registry, InboxState([]))
    found = values(registry)
    assert found["drs_waves_executions_running", "RECOVERY"] == 0
    assert found["drs_waves_decisions_open", "RECOVERY_APPROVAL", "RECOVERY"] == 0
    assert found[("drs_waves_launcher_queue_servers",)] == 0
    assert not any(found.values())
