"""A trace goes from a request to its calls and its events, on both sides alike; without one nothing is said of it."""

from __future__ import annotations

import contextvars
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from uuid import uuid4

import pytest

import extracted.platform.event
import extracted.platform.otlp
import extracted.platform.spans
import extracted.platform.trace
import legacy_monolith.event
import legacy_monolith.otlp
import legacy_monolith.spans
import legacy_monolith.trace
import migration_plan.tracing.otlp

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
        # Nothing of its own is recorded between the two.
        assert document["traceparent"] == trace.onward() == GIVEN

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


@pytest.mark.parametrize(("trace", "events"), SIDES)
def test_what_a_later_version_adds_is_left_out(trace: ModuleType, events: ModuleType) -> None:
    def act() -> None:
        trace.begin("01" + GIVEN[2:] + "-more")
        assert trace.onward() == GIVEN

    apart(act)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (legacy_monolith.trace, extracted.platform.trace),
        (legacy_monolith.spans, extracted.platform.spans),
        (legacy_monolith.otlp, extracted.platform.otlp),
        (legacy_monolith.otlp, migration_plan.tracing.otlp),
    ],
)
def test_those_that_may_not_import_each_other_have_the_same(ours: ModuleType, theirs: ModuleType) -> None:
    expected = inspect.getsource(ours).replace("from legacy_monolith import", f"from {theirs.__package__} import")
    assert inspect.getsource(theirs) == expected


WITHOUT_A_COLLECTOR = """
import sys
from datetime import UTC, datetime
from uuid import uuid4
from extracted.platform import spans, trace
from migration_plan.tracing.spans import Told, tell
from tests.integration.tracing.traced import create_app
now = datetime.now(UTC)
tell("switch", uuid4(), now, [Told(now, "done", {})], {})
spans.start("catalog")
trace.begin(sys.argv[1])
with spans.step("GET /", "SERVER", {}) as step:
    step.answered(500)
assert create_app().test_client().get("/things/1", headers={"traceparent": sys.argv[1]}).status_code == 200
sys.exit(any(name.startswith("opentelemetry") for name in sys.modules))
"""


def test_without_a_collector_nothing_of_it_is_even_imported() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", WITHOUT_A_COLLECTOR, GIVEN]
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 0
