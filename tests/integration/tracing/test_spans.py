"""With a collector set, requests, calls and events are spans of the trace that they came with; a bad one hurts none."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from legacy_monolith.otlp import HAND_OVER_S
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import ServiceProcess
from tests.integration.catalog.rabbitmq import RabbitServer
from tests.integration.catalog.test_broker import call, consumers
from tests.integration.events.conftest import Broker, Side, event
from tests.integration.tracing.conftest import monolith
from tests.support.collector import Collector, Given, hanging
from tests.support.waiting import wait_until

PROBE = "tests.integration.catalog.probe_service:ProbeService"
PARENT = "00f067aa0ba902b7"

Starter = Callable[..., ServiceProcess]


def begun(flags: str = "01") -> tuple[str, str]:
    """A trace's id and its traceparent."""
    trace = secrets.token_hex(16)
    return trace, f"00-{trace}-{PARENT}-{flags}"


def wait_for(collector: Collector, trace: str, number: int = 1) -> list[Given]:
    wait_until(lambda: len(collector.of(trace)) >= number, 15, f"{number} spans of {trace}", every=0.1)
    return collector.of(trace)


def test_a_request_to_each_forked_process_of_the_monolith_is_a_span(collector: Collector, tmp_path: Path) -> None:
    processes: set[int] = set()
    with monolith(tmp_path, collector.url) as (url, _log):
        while len(processes) < 2:
            trace, traceparent = begun()
            said = httpx.get(f"{url}/things/7", headers={"traceparent": traceparent}).json()
            processes.add(said["process"])
        failed, traceparent = begun()
        assert httpx.get(f"{url}/fails", headers={"traceparent": traceparent}).status_code == 500
        unsampled, traceparent = begun("00")
        httpx.get(f"{url}/things/8", headers={"traceparent": traceparent})
        httpx.get(f"{url}/things/9")
    # The processes have ended: nothing was left behind.
    [span] = collector.of(trace)
    assert (span.service, span.name, span.kind, span.parent) == (
        "monolith",
        "GET /things/<int:thing>",
        "SERVER",
        PARENT,
    )
    assert span.facts["http.response.status_code"] == 200
    assert said["onward"] == f"00-{trace}-{span.id}-01"
    [span] = collector.of(failed)
    assert (span.is_error, span.facts["http.response.status_code"]) == (True, 500)
    assert "secret" not in str(span)
    assert collector.of(unsampled) == []
    assert {span.parent for span in collector.spans} == {PARENT}, "what is in no trace begins none"


def test_a_request_and_a_call_to_a_service_are_spans(
    start_service: Starter, collector: Collector, rabbitmq: RabbitServer, issuer: Issuer
) -> None:
    service = start_service(AMQP_URL=rabbitmq.url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    trace, traceparent = begun()
    listing = service.client(traceparent=traceparent).get("/api/catalog/products")
    assert listing.status == 200
    wait_until(lambda: consumers(rabbitmq) == 1, 10, "the service listens to its queue")
    called, traceparent = begun()
    assert call(rabbitmq, {"args": [404], "kwargs": {}}, traceparent)["error"]["exc_type"] == "ProductNotFound"
    assert call(rabbitmq, {"args": [1, 2, 3], "kwargs": {}})["error"]["exc_type"] == "IncorrectSignature"
    assert service.seconds_to_stop() < 8
    [span] = wait_for(collector, trace)
    assert (span.service, span.name, span.kind, span.parent) == (
        "catalog",
        "GET /api/catalog/products",
        "SERVER",
        PARENT,
    )
    [span] = wait_for(collector, called)
    assert (span.name, span.kind, span.parent, span.is_error) == ("catalog/product", "SERVER", PARENT, True)


def test_a_call_hangs_below_the_step_that_makes_it_and_not_below_the_callers_caller(
    start_service: Starter, collector: Collector, rabbitmq: RabbitServer
) -> None:
    there = {"AMQP_URL": rabbitmq.url, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    start_service(**there)
    caller = start_service("tests.integration.tracing.calling:CallingService", **there)
    wait_until(lambda: consumers(rabbitmq) == 1, 10, "the catalog listens to its queue")
    trace, traceparent = begun()
    assert caller.client(traceparent=traceparent).get("/asks/404").json() == {"known": [False, False]}
    spans = wait_for(collector, trace, 4)
    [whole] = [span for span in spans if span.parent == PARENT]
    assert (whole.service, whole.kind, whole.name) == ("calling", "SERVER", "GET /asks/<id:product_id>")
    [call_] = [span for span in spans if span.kind == "CLIENT"]
    assert call_.parent == whole.id
    answers = [span for span in spans if span.service == "catalog"]
    assert sorted(span.parent for span in answers) == sorted([call_.id, whole.id])


def test_an_event_that_is_taken_is_a_span_of_whoever_told_it(side: Side, broker: Broker, collector: Collector) -> None:
    side.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    side.start()
    wait_until(lambda: broker.is_declared() and broker.consumers() == 1, 20, "the side listens", every=0.05)
    told, (trace, traceparent) = event(), begun()
    told["traceparent"] = traceparent
    broker.publish(told)
    side.wait_for([told])
    [span] = wait_for(collector, trace)
    assert (span.name, span.kind, span.parent) == ("process order.paid", "CONSUMER", PARENT)
    assert span.facts["messaging.message.id"] == told["id"]


def refusals(log: str) -> list[str]:
    return [line for line in log.splitlines() if "takes no spans" in line]


@pytest.mark.parametrize("kind", ["service", "monolith"])
@pytest.mark.full
def test_a_collector_that_hangs_delays_nobody_and_is_reported_once(
    start_service: Starter, tmp_path: Path, kind: str
) -> None:
    with hanging() as (endpoint, taken):
        if kind == "service":
            service = start_service(PROBE, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="200")
            asked = asking(service.url + "/quick")
            wait_until(lambda: bool(refusals(service.said())), 20, "it is reported", every=0.1)
            asked += asking(service.url + "/quick")
            connections = len(taken)
            wait_until(lambda: len(taken) > connections, 20, "it is tried again", every=0.1)
            service.seconds_to_stop()
            said = service.said()
        else:
            with monolith(tmp_path, endpoint) as (url, log):
                asked = asking(url + "/things/1")
                wait_until(lambda: bool(refusals(log.read_text())), 20, "it is reported", every=0.1)
                asked += asking(url + "/things/1")
            said = log.read_text()
    assert max(asked) < HAND_OVER_S, "nobody waits for it"
    assert 1 <= len(refusals(said)) <= (1 if kind == "service" else 2), "once by each process"
    assert "opentelemetry" not in said


def asking(url: str) -> list[float]:
    """Seconds that some requests took."""
    seconds = []
    for _ in range(20):
        started = time.monotonic()
        assert httpx.get(url, headers={"traceparent": begun()[1]}).status_code == 200
        seconds.append(time.monotonic() - started)
    return seconds
