"""What a process exports of itself: the worker's metrics, and traces of executions.

Off unless a setting or OpenTelemetry's own variables say where to. Spans and metrics are sent by
threads of their own, so nothing waits for a collector, and what it does not take is lost.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from urllib.parse import unquote

from temporalio.client import Interceptor
from temporalio.runtime import OpenTelemetryConfig, PrometheusConfig, Runtime, TelemetryConfig

from activities.telemetry.measurements import LAUNCH, LAUNCH_BUCKETS
from client.errors import RefusedError
from settings import Settings

_LOG = logging.getLogger(__name__)


def metrics_runtime(settings: Settings) -> Runtime | None:
    """The SDK's runtime that exports the worker's metrics; None if nobody gets them.

    They are served to Prometheus, or else sent by OTLP over HTTP.

    Raises:
        RefusedError: the address is in use, or is none of this machine.
    """
    if settings.metrics_address is not None:
        serving = PrometheusConfig(
            bind_address=settings.metrics_address,
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
            histogram_bucket_overrides={LAUNCH: LAUNCH_BUCKETS},
        )
        try:
            return Runtime(telemetry=TelemetryConfig(metrics=serving))
        except (RuntimeError, ValueError) as error:
            raise RefusedError(
                f"the worker cannot serve metrics at {settings.metrics_address}: {error}. Set "
                "DRS_WAVES_METRICS_ADDRESS to another address, or unset it"
            ) from error
    if (url := _endpoint("metrics")) is None:
        return None
    sending = OpenTelemetryConfig(
        url=url,
        http=True,
        headers=_headers(),
        metric_periodicity=_interval(),
        durations_as_seconds=True,
        histogram_bucket_overrides={LAUNCH: LAUNCH_BUCKETS},
    )
    return Runtime(telemetry=TelemetryConfig(metrics=sending))


@cache
def tracing_interceptors() -> Sequence[Interceptor]:
    """What makes one trace of an execution: of its start, workflows, activities and signals."""
    if _endpoint("traces") is None:
        return ()
    try:
        from runtime.tracing import make_interceptor  # noqa: PLC0415
    except ModuleNotFoundError as error:
        _LOG.warning(
            "Traces are not sent, as %s is not installed: pip install 'drs-waves[otel]'", error.name
        )
        return ()
    return (make_interceptor(),)


def _endpoint(signal: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Where a signal is sent by OpenTelemetry's variables; None: nowhere.

    Source: OpenTelemetry Protocol Exporter specification, "Endpoint URLs for OTLP/HTTP".
    """
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    is_off |= environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").lower() == "none"
    if is_off:
        return None
    if own := environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"):
        return own
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return f"{base.rstrip('/')}/v1/{signal}" if base else None


def _headers(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    text = environment.get("OTEL_EXPORTER_OTLP_METRICS_HEADERS") or environment.get(
        "OTEL_EXPORTER_OTLP_HEADERS", ""
    )
    pairs = (each.partition("=") for each in text.split(",") if "=" in each)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _interval(environment: Mapping[str, str] = os.environ) -> timedelta:
    """Between two exports of metrics."""
    text = environment.get("OTEL_METRIC_EXPORT_INTERVAL", "")
    return timedelta(milliseconds=int(text) if text.isdecimal() and int(text) else 60_000)
