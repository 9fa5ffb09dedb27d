"""The route of the metrics; every server says the same."""

import asyncio
from collections.abc import Awaitable

import structlog
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from api.auth.access import AuthenticatedRoute, Caller, Service
from api.hub import POLL_ERRORS
from api.metrics.execution_metrics import add_executions
from api.metrics.plan_metrics import add_goals, add_readiness
from api.service import ExecutionService
from client.decisions.inbox_reader import InboxState
from client.readiness.reports import readiness_rows

router = APIRouter(tags=["Metrics"], route_class=AuthenticatedRoute)

# Less than Prometheus's own limit of a scrape, 10 s.
_SECONDS = 8.0


@router.get(
    "/metrics",
    summary="Get metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: Service, caller: Caller) -> Response:
    """Return what plans, executions and workers are like, in Prometheus's text format.

    What cannot be read is left out, and `drs_waves_source_up` says so.
    """
    registry = CollectorRegistry()
    up = Gauge(
        "drs_waves_source_up",
        "1 if the source of metrics answered this scrape.",
        ("source",),
        registry=registry,
    )

    async def add(source: str, adding: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await adding
        except (TimeoutError, *POLL_ERRORS) as error:
            structlog.get_logger().warning(f"metrics of {source} cannot be read: {error}")
            up.labels(source).set(0)
        else:
            up.labels(source).set(1)

    await asyncio.gather(
        add("readiness", _readiness(registry, service)),
        add("executions", _executions(registry, service)),
        add("workers", _workers(registry, service)),
        add("plans", _goals(registry, service)),
    )
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _readiness(registry: CollectorRegistry, service: ExecutionService) -> None:
    add_readiness(registry, await readiness_rows(service.readiness_table))


async def _executions(registry: CollectorRegistry, service: ExecutionService) -> None:
    async with service.inbox.subscribed() as poller:
        found: InboxState = (await poller.fresh()).value
    add_executions(registry, found)


async def _workers(registry: CollectorRegistry, service: ExecutionService) -> None:
    client = await service.client()
    has_worker = await service.health.has_worker(client)
    problems = await service.health.problems(client)
    Gauge("drs_waves_worker_up", "1 if a worker runs new executions.", registry=registry).set(
        has_worker
    )
    Gauge(
        "drs_waves_launch_problems",
        "What keeps executions from launching: no worker, or a launcher that is lost or stuck.",
        registry=registry,
    ).set(len(problems))


async def _goals(registry: CollectorRegistry, service: ExecutionService) -> None:
    add_goals(registry, *await service.goals.read())
