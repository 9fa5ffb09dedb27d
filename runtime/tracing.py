"""The traces of executions, sent by OTLP over HTTP; its packages are the extra `otel`."""

import threading
from collections.abc import Sequence
from functools import partial

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes
from temporalio.contrib.opentelemetry import TracingInterceptor

from runtime.exit import before_exit

# Pages, watchers and health checks send them every second.
_LEFT_OUT = ("QueryWorkflow:", "HandleQuery:", "StartWorkflow:PingWorkflow", "RunWorkflow:PingWork")
_FLUSH_SECONDS = 2.0


class WithoutQueries(Sampler):
    """Samples all but queries and pings."""

    def __init__(self) -> None:
        self._others = ParentBased(ALWAYS_ON)

    def should_sample(  # noqa: PLR0917
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See base class."""
        if name.startswith(_LEFT_OUT):
            return SamplingResult(Decision.DROP)
        return self._others.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """See base class."""
        return "WithoutQueries"


def make_interceptor() -> TracingInterceptor:
    """The SDK's interceptor, whose spans are sent where OpenTelemetry's variables say."""
    resource = Resource({SERVICE_NAME: "drs-waves"}).merge(OTELResourceDetector().detect())
    # Python's end would wait for a collector.
    provider = TracerProvider(sampler=WithoutQueries(), resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    before_exit(partial(flush, provider))
    # What a Schedule starts has no caller that began a trace.
    return TracingInterceptor(provider.get_tracer("drs-waves"), always_create_workflow_spans=True)


def flush(provider: TracerProvider) -> None:
    """Send the last spans, for two seconds at most."""
    # OpenTelemetry ignores a limit of its own, and a collector may hang.
    sending = threading.Thread(target=provider.force_flush, daemon=True)
    sending.start()
    sending.join(_FLUSH_SECONDS)
