"""A trace goes from a request to its calls and its events, on both sides alike; without one nothing is said of it."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from types import ModuleType
from uuid import uuid4

import pytest

import extracted.platform.event
import extracted.platform.trace
import legacy_monolith.event
import legacy_monolith.trace

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SIDES = [
    pytest.param(legacy_monolith.trace, legacy_monolith.event, id="monolith"),
    pytest.param(extracted.platform.trace, extracted.platform.event, id="service"),
]


def apart(act: Callable[[], None]) -> None:
    """In a context of its own: no test leaves a trace to another one."""
    contextvars.copy_context().run(act)


@pytest.mark.parametrize(("trace", "events"), SIDES)
def test_an_event_of_a_traced_request_carries_the_trace(trace: ModuleType, events: ModuleType) -> None:
    def act() -> None:
        trace.begin(GIVEN)
        document = events.Event(uuid4(), "order.paid", {}).document()
        assert document["traceparent"].split("-")[1] == GIVEN.split("-")[1]
        assert document["traceparent"] != GIVEN

    apart(act)


@pytest.mark.parametrize(("trace", "events"), SIDES)
@pytest.mark.parametrize("given", [None, "", "x", GIVEN.upper(), GIVEN + "0", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_without_a_trace_nothing_is_said_of_one(trace: ModuleType, events: ModuleType, given: str | None) -> None:
    def act() -> None:
        trace.begin(GIVEN)
        trace.begin(given)
        assert trace.onward() == trace.trace_id() == ""
        assert "traceparent" not in events.Event(uuid4(), "order.paid", {}).document()

    apart(act)
