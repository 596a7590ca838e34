"""A span for each decision, where the command's correlation id is a W3C trace context.

    cid:00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01

in `header.frame_id` of a command names the trace and the span of whoever sent it: the supervisor's verdict becomes a
span below that. Its flag says whether it is sampled; of commands without one a share may be. Spans are sent by threads
of OpenTelemetry, OTLP over HTTP; what can not be sent is dropped, and never waited for.

Source: W3C Trace Context, 3.2.2 (traceparent).
"""

from __future__ import annotations

import re
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from safety_supervisor.metrics.board import Values

_PARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_ATTRIBUTES: Final = (
    "source", "verdict", "code", "rule", "joint", "value", "limit", "margin", "count", "id", "intervention", "model",
    "stage",
)  # fmt: skip


def parent_of(correlation: str) -> trace.SpanContext | None:
    """Return the span that a correlation id names; None where it is no trace context of version 00."""
    found = _PARENT.fullmatch(correlation)
    if found is None:
        return None
    context = trace.SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=trace.TraceFlags(int(found[3], 16) & 1)
    )
    return context if context.is_valid else None


class Tracer:
    """Makes spans of decisions, and sends them.

    Args:
        endpoint: URL of the collector's OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces.
        share: of decisions on commands without a trace context that become traces of their own, 0 to 1.
        resource: attributes of this supervisor.
    """

    def __init__(self, endpoint: str, share: float, resource: Values) -> None:
        """Begin; nothing is sent before the first span."""
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "safety_supervisor", **resource}),
            sampler=ParentBased(TraceIdRatioBased(share)),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=2), schedule_delay_millis=1000)
        )
        self._tracer = self._provider.get_tracer("safety_supervisor")

    def decision(self, told: Values, stamp: int) -> None:
        """Make a span of one message of `~/decisions`.

        Args:
            told: its values.
            stamp: of its header, UTC, [ns]. The verdict was then told; its span has no length of its own.
        """
        parent = parent_of(told.get("id", ""))
        around = None if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(parent))
        span = self._tracer.start_span(f"verdict {told.get('verdict', '')}"[:40], around, start_time=stamp)
        if span.is_recording():
            told_too: dict[str, Any] = {f"safety_supervisor.{key}": told[key] for key in _ATTRIBUTES if told.get(key)}
            span.set_attributes(told_too)
            if told.get("verdict") in ("REJECT", "STOP"):
                span.set_status(trace.StatusCode.ERROR, told.get("code", ""))
        span.end(stamp)

    def close(self) -> None:
        """Send what is left, for two seconds at most."""
        self._provider.force_flush(2000)
        self._provider.shutdown()
