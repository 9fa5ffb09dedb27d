"""The readiness, the RPO and the drills of registered plans as metrics."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Gauge

from recovery.coverage.evidence import DrillRecord
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import Severity
from recovery.readiness.report import ReadinessRow
from recovery.readiness.verdict import ReadinessStatus


def add_readiness(registry: CollectorRegistry, rows: Iterable[ReadinessRow]) -> None:
    """Add the readiness of plans."""
    status = Gauge(
        "drs_waves_plan_readiness",
        "1 for what the plan is: READY, NOT_READY, UNKNOWN or STALE.",
        ("plan", "status"),
        registry=registry,
    )
    findings = Gauge(
        "drs_waves_plan_findings",
        "Findings of the last look, by severity.",
        ("plan", "severity"),
        registry=registry,
    )
    looked = Gauge(
        "drs_waves_plan_looked_timestamp_seconds",
        "When the plan was last looked at.",
        ("plan",),
        registry=registry,
    )
    lag = Gauge(
        "drs_waves_plan_replication_lag_seconds",
        "The worst replication lag of the plan's servers at the last look.",
        ("plan",),
        registry=registry,
    )
    for row in rows:
        for each in ReadinessStatus:
            status.labels(row.plan_id, each).set(each is row.status)
        if row.looked_time is None:
            continue
        counts = {
            Severity.BLOCKS: row.blocks,
            Severity.UNKNOWN: row.unknown,
            Severity.WARNS: row.warns,
        }
        for severity, number in counts.items():
            findings.labels(row.plan_id, severity).set(number)
        looked.labels(row.plan_id).set(row.looked_time)
        if row.worst_lag is not None:
            lag.labels(row.plan_id).set(row.worst_lag.seconds)


def add_goals(
    registry: CollectorRegistry, plans: Iterable[RecoveryPlan], drills: Mapping[str, DrillRecord]
) -> None:
    """Add what plans should reach, and when a drill last proved that they do.

    Args:
        registry: to add to.
        plans: the newest version of each.
        drills: by PlanId; of a plan that was never drilled the time is 0.
    """
    rpo = Gauge("drs_waves_plan_rpo_seconds", "The RPO of the plan.", ("plan",), registry=registry)
    drilled = Gauge(
        "drs_waves_plan_last_drill_timestamp_seconds",
        "When the last drill ended that was COMPLETED or PARTIAL; 0 if there was none.",
        ("plan",),
        registry=registry,
    )
    for plan in plans:
        if plan.rpo is not None:
            rpo.labels(plan.plan_id).set(60.0 * plan.rpo)
        proved = drills.get(plan.plan_id, DrillRecord()).proved
        drilled.labels(plan.plan_id).set(proved.end_time if proved is not None else 0.0)
