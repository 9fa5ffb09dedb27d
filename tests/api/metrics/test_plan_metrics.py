"""What Prometheus reads of plans."""

from prometheus_client.parser import text_string_to_metric_families

from api.metrics.plan_metrics import readiness_metrics
from recovery.readiness.report import ReadinessRow
from recovery.readiness.result import Lag
from recovery.readiness.verdict import ReadinessStatus


def read(*rows: ReadinessRow) -> dict[tuple[str, ...], float]:
    """The values of all metrics, by name and labels."""
    families = text_string_to_metric_families(readiness_metrics(rows).decode())
    return {
        (each.name.removeprefix("drs_waves_plan_"), *each.labels.values()): each.value
        for family in families
        for each in family.samples
    }


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
    values = read(row)
    assert values["readiness", "crm", "UNKNOWN"] == 1
    assert {name for name, *_ in values} == {"readiness"}
