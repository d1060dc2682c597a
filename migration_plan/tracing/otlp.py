"""Handing spans to an OpenTelemetry collector. Where OTEL_EXPORTER_OTLP_ENDPOINT names none, nothing is even imported.

A thread hands them over in the background: nobody waits for a collector, and what it does not take in time is dropped.
The monolith, the services and the toolkit have the same file, and none imports another's.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HAND_OVER_S = 3.0
"""How long one batch may take. At the end of a process none is begun any more after as long."""

log = logging.getLogger(__name__)


def provider(service: str) -> TracerProvider | None:
    """Of the spans of this process, whose service has this name; None without a collector."""
    if not os.environ.get(ENDPOINT):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

    class Exporter(OTLPSpanExporter):
        """Says once that a collector takes nothing, and once that it does again."""

        is_away = False
        end = math.inf

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            if time.monotonic() > self.end:
                return SpanExportResult.FAILURE
            result = super().export(spans)
            if (is_away := result is not SpanExportResult.SUCCESS) is not self.is_away:
                self.is_away = is_away
                # Never the address, which may hold a password.
                log.warning("the collector at %s %s", ENDPOINT, "takes no spans" if is_away else "takes spans again")
            return result

    def finish() -> None:
        exporter.end = time.monotonic() + HAND_OVER_S
        made.shutdown()

    # It would say the same of every batch, and of every span that is dropped.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = Exporter(timeout=HAND_OVER_S)
    made = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(exporter))
    atexit.register(finish)
    return made
