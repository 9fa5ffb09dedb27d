"""What workers and the API export of a real drill, and that nothing depends on who collects it."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from client.connection import connect_to_temporal
from client.errors import RefusedError
from client.readiness.reports import look_now
from recovery.execution.state import PlanStatus
from runtime.telemetry import metrics_runtime, tracing_interceptors
from sandbox.stack import free_port
from settings import Settings, get_settings
from storage.plans import PlanTable
from storage.readiness import ReadinessTable
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers

DEPLOY = Path(__file__).parents[2] / "deploy"


class Collector(ThreadingHTTPServer):
    """An OTLP collector: keeps what is sent to it, by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        return [
            span
            for path, body in list(self.sent)
            if path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> set[str]:
        return {
            metric.name
            for path, body in list(self.sent)
            if path == "/v1/metrics"
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Collector)
        self.server.sent.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@asynccontextmanager
async def exporting(env: E2eEnvironment, url: str) -> AsyncIterator[E2eEnvironment]:
    """The environment with a client and a worker that export to a URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        tracing_interceptors.cache_clear()
        client = await connect_to_temporal(metrics_runtime(get_settings()))
        own = replace(env, client=client)
        async with RunningWorkers(own):
            yield own
    tracing_interceptors.cache_clear()


def used_metrics() -> set[str]:
    """The metrics that the dashboard and the alert rules use."""
    dashboard = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    texts += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return set(re.findall(r"\b(?:drs_waves|temporal)_[a-z_]+", " ".join(texts)))


def exported(text: str) -> set[str]:
    families = text_string_to_metric_families(text)
    return {sample.name for family in families for sample in family.samples}


async def test_a_drill_is_one_trace_and_exports_what_dashboard_and_alerts_use(
    env_without_worker: E2eEnvironment, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("DRS_WAVES_METRICS_ADDRESS", f"127.0.0.1:{port}")
    get_settings.cache_clear()
    async with exporting(env_without_worker, collector.url) as env:
        plan = env.plan(env.wave("Database"), env.wave("App", "Database"), rpo=60)
        await PlanTable(get_settings()).register(plan, author="ann")
        state = await env.run(plan)
        assert state.status is PlanStatus.COMPLETED
        await look_now(env.client, ReadinessTable(get_settings()), plan.plan_id)
        with TestClient(create_app(get_settings()), base_url="http://127.0.0.1") as api:
            of_api = (await asyncio.to_thread(api.get, "/api/metrics")).text

        def scraped() -> str:
            with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return str(answer.read().decode())

        of_worker = await asyncio.to_thread(scraped)

        async def has_ended() -> bool:
            return any(each.name == "CompleteWorkflow:RecoveryPlanWorkflow" for each in spans())

        def spans() -> list[Any]:
            return collector.spans()

        await env.eventually(has_ended)
    # Nothing was refused in this drill.
    missing = used_metrics() - exported(of_api) - exported(of_worker)
    assert missing == {"drs_waves_refusals_total"}
    assert 'drs_waves_source_up{source="plans"} 1.0' in of_api
    assert f'drs_waves_plan_rpo_seconds{{plan="{plan.plan_id}"}} 3600.0' in of_api
    assert "drs_waves_worker_up 1.0" in of_api
    assert re.search(r"drs_waves_server_launch_seconds_count\{[^}]*\} 2\n", of_worker)
    names: dict[bytes, set[str]] = {}
    for span in collector.spans():
        names.setdefault(span.trace_id, set()).add(span.name)
    (trace,) = [each for each in names.values() if "RunWorkflow:RecoveryPlanWorkflow" in each]
    assert trace >= {"RunWorkflow:WaveWorkflow", "RunActivity:watch_servers"}
    assert not any("Query" in each or "Ping" in each for some in names.values() for each in some)


@pytest.mark.slow
async def test_a_drill_does_not_need_a_collector(env_without_worker: E2eEnvironment) -> None:
    async with exporting(env_without_worker, f"http://127.0.0.1:{free_port()}") as env:
        assert (await env.run(env.plan(env.wave("Database")))).status is PlanStatus.COMPLETED


async def test_metrics_are_sent_by_otlp_where_nobody_scrapes_them(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
    runtime = metrics_runtime(Settings())
    assert runtime is not None
    runtime.metric_meter.create_counter("drs_waves_refusals").add(1)
    async with asyncio.timeout(30):
        while "drs_waves_refusals" not in collector.metrics():
            await asyncio.sleep(0.1)


def test_nothing_is_exported_unless_a_variable_says_where_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing_interceptors.cache_clear()
    assert metrics_runtime(Settings()) is None
    assert tracing_interceptors() == ()
    tracing_interceptors.cache_clear()


def test_an_address_in_use_is_refused_with_the_setting(collector: Collector) -> None:
    taken = Settings(metrics_address=f"127.0.0.1:{collector.server_port}")
    with pytest.raises(RefusedError, match="DRS_WAVES_METRICS_ADDRESS"):
        metrics_runtime(taken)
