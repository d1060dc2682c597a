"""A switch as a trace for an OpenTelemetry collector, where one is set (otlp.py).

The trace's id is the switch's, as the journal has it: who finishes a switch that somebody else began adds to its
trace. Told once it is over, from the moments that the journal gets: nobody who is held waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from migration_plan.tracing import otlp

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "fig"
_switch: ContextVar[int] = ContextVar("switch")


@dataclass(frozen=True)
class Told:
    """One step: when it was done, its name in the journal, and what the journal says of it."""

    at: datetime
    kind: str
    detail: Mapping[str, object]


def tell(name: str, switch: UUID, began: datetime, steps: Sequence[Told], facts: Mapping[str, object]) -> None:
    """The whole as one span, and below it one for each step: from the end of the one before to its own."""
    provider = _provider()
    if provider is None or not steps:
        return
    from opentelemetry.context import Context
    from opentelemetry.trace import StatusCode, set_span_in_context

    tracer, context = provider.get_tracer(SERVICE), _switch.set(switch.int)
    try:
        whole = tracer.start_span(name, Context(), attributes=_attributes(facts), start_time=_nanoseconds(began))
    finally:
        _switch.reset(context)
    below, since = set_span_in_context(whole, Context()), began
    for step in steps:
        span = tracer.start_span(step.kind, below, attributes=_attributes(step.detail), start_time=_nanoseconds(since))
        span.end(_nanoseconds(step.at))
        since = step.at
    if steps[-1].kind == "aborted":
        whole.set_status(StatusCode.ERROR)
    whole.end(_nanoseconds(since))


@cache
def _provider() -> TracerProvider | None:
    """One for the process, whose new traces have the switch's id."""
    made = otlp.provider(SERVICE)
    if made is None:
        return None
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class OfTheSwitch(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return _switch.get()

    made.id_generator = OfTheSwitch()
    return made


def _attributes(detail: Mapping[str, object]) -> dict[str, str | int | float]:
    return {
        f"fig.{name}": value if isinstance(value, str | int | float) else str(value) for name, value in detail.items()
    }


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000
