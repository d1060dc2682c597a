"""Steps of a trace, for an OpenTelemetry collector where one is set (otlp.py); otherwise nothing of them is kept.

A step is a child of what its trace came with (trace.py); what it calls or tells is a child of the step. What belongs
to no trace is no step. The monolith and the services have the same file, and neither imports the other's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from extracted.platform import otlp, trace

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Facts = Mapping[str, str | int]
"""Names are those of OpenTelemetry's semantic conventions. Nothing that a person typed, no ids of people."""

_tracer: Tracer | None = None


def start(service: str) -> None:
    """Once in a process, after it was forked."""
    global _tracer
    provider = otlp.provider(service)
    _tracer = provider.get_tracer("shop") if provider else None


class Step:
    """One that is under way."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def answered(self, status: int) -> None:
        """By HTTP."""
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)
            if status >= 500:
                self.fail(str(status))

    def fail(self, reason: str) -> None:
        """`reason`: the error's kind, never its text."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", reason)
            self._span.set_status(StatusCode.ERROR)


@contextmanager
def step(name: str, kind: str, facts: Facts) -> Iterator[Step]:
    """`kind`: SERVER for what somebody waits for, CONSUMER for what somebody has told, CLIENT for a call to others."""
    given = trace.onward()
    if _tracer is None or not given:
        yield Step()
        return
    span = _begun(_tracer, name, kind, facts, given)
    context = span.get_span_context()
    trace.begin(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")
    under_way = Step(span)
    try:
        yield under_way
    except BaseException as error:
        under_way.fail(type(error).__name__)
        raise
    finally:
        span.end()
        trace.begin(given)


def _begun(tracer: Tracer, name: str, kind: str, facts: Facts, given: str) -> Span:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

    _, trace_id, parent, flags = given.split("-")
    parent_context = SpanContext(int(trace_id, 16), int(parent, 16), True, TraceFlags(int(flags, 16)))
    context = set_span_in_context(NonRecordingSpan(parent_context), Context())
    return tracer.start_span(name, context, SpanKind[kind], dict(facts))
