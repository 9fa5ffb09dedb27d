"""The readiness of registered plans as metrics; every server says the same."""

from collections.abc import Iterable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from api.auth.access import AuthenticatedRoute, Caller, Service
from client.readiness.reports import readiness_rows
from recovery.readiness.finding import Severity
from recovery.readiness.report import ReadinessRow
from recovery.readiness.verdict import ReadinessStatus

router = APIRouter(tags=["Metrics"], route_class=AuthenticatedRoute)


@router.get(
    "/metrics",
    summary="Get metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: Service, caller: Caller) -> Response:
    """Return the readiness of registered plans, in Prometheus's text format."""
    rows = await readiness_rows(service.readiness_table)
    return Response(readiness_metrics(rows), media_type=CONTENT_TYPE_LATEST)


def readiness_metrics(rows: Iterable[ReadinessRow]) -> bytes:
    """The readiness of plans in Prometheus's text format."""
    registry = CollectorRegistry()
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
    return generate_latest(registry)
