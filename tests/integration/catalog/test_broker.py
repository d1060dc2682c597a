"""The service on RabbitMQ: it answers calls, and HTTP does not care whether the broker lives."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from tests.integration.catalog.processes import ServiceProcess
from tests.integration.catalog.rabbitmq import RabbitServer
from tests.support.clients import Client
from tests.support.waiting import wait_until

PRODUCT = {"title": "Lamp", "description": "", "category": "home", "price": "12.34", "stock": 5}
RPC = Exchange("nameko-rpc", type="topic", durable=True)


@pytest.fixture
def service(start_service: Callable[..., ServiceProcess], rabbitmq: RabbitServer) -> ServiceProcess:
    service = start_service(AMQP_URL=rabbitmq.url)
    wait_until(lambda: consumers(rabbitmq) == 1, 10, "the service listens to its queue")
    return service


@pytest.fixture
def thawed(rabbitmq: RabbitServer) -> Iterator[RabbitServer]:
    """A broker that a test may freeze."""
    yield rabbitmq
    rabbitmq.send(signal.SIGCONT)


def test_a_product_can_be_asked_for_by_rpc(seller: Client, rabbitmq: RabbitServer) -> None:
    product = seller.post("/api/catalog/products", PRODUCT).json()
    assert call(rabbitmq, {"args": [product["id"]], "kwargs": {}}) == {"result": product, "error": None}


def test_a_call_for_a_product_that_is_not_there_is_an_error(service: ServiceProcess, rabbitmq: RabbitServer) -> None:
    assert call(rabbitmq, {"args": [404], "kwargs": {}})["error"]["exc_type"] == "ProductNotFound"


def test_a_message_that_nobody_could_reply_to_does_no_harm(
    seller: Client, service: ServiceProcess, rabbitmq: RabbitServer
) -> None:
    product = seller.post("/api/catalog/products", PRODUCT).json()
    for body in ({"args": [product["id"]], "kwargs": {}}, {"nothing": 1}, [1, 2]):
        with Connection(rabbitmq.url) as connection:
            connection.Producer().publish(body, exchange=RPC, routing_key="catalog.product", serializer="json")
    assert call(rabbitmq, {"args": [product["id"]], "kwargs": {}})["result"] == product
    assert queued(rabbitmq) == 0


def test_http_is_answered_while_the_broker_is_frozen(
    service: ServiceProcess, thawed: RabbitServer, seller: Client
) -> None:
    product = seller.post("/api/catalog/products", PRODUCT).json()
    thawed.send(signal.SIGSTOP)
    for _ in range(20):
        started = time.monotonic()
        assert seller.get(f"/api/catalog/products/{product['id']}").status == 200
        assert time.monotonic() - started < 5
    assert service.client().get("/readyz").status == 200


def test_a_service_stops_in_time_with_its_broker_alive(service: ServiceProcess) -> None:
    assert service.seconds_to_stop() < 8


def test_a_service_stops_in_time_with_its_broker_frozen(service: ServiceProcess, thawed: RabbitServer) -> None:
    thawed.send(signal.SIGSTOP)
    assert service.seconds_to_stop() < 8


def test_a_service_outlives_its_broker_and_finds_it_again(
    seller: Client, service: ServiceProcess, rabbitmq: RabbitServer
) -> None:
    product = seller.post("/api/catalog/products", PRODUCT).json()
    rabbitmq.send(signal.SIGKILL)
    assert rabbitmq.process is not None
    rabbitmq.process.wait(10)
    assert seller.get(f"/api/catalog/products/{product['id']}").json() == product
    rabbitmq.start()
    wait_until(lambda: consumers(rabbitmq) == 1, 40, "the service listens to its queue again")
    assert call(rabbitmq, {"args": [product["id"]], "kwargs": {}})["result"] == product


def call(rabbitmq: RabbitServer, body: object, traceparent: str = "") -> dict[str, Any]:
    """One RPC as another service would make it."""
    replies: list[Any] = []
    key = str(uuid.uuid4())
    with Connection(rabbitmq.url) as connection:
        inbox = Queue(f"reply-{key}", RPC, routing_key=key, exclusive=True, auto_delete=True)
        with connection.Consumer(inbox, callbacks=[lambda reply, message: replies.append(reply)], no_ack=True):
            connection.Producer().publish(
                body,
                exchange=RPC,
                routing_key="catalog.product",
                reply_to=key,
                correlation_id=key,
                serializer="json",
                headers={"nameko.traceparent": traceparent} if traceparent else {},
            )
            connection.drain_events(timeout=20)
    return replies[0]


def consumers(rabbitmq: RabbitServer) -> int:
    return _declared(rabbitmq).consumer_count


def queued(rabbitmq: RabbitServer) -> int:
    return _declared(rabbitmq).message_count


def _declared(rabbitmq: RabbitServer) -> Any:
    with Connection(rabbitmq.url) as connection:
        return Queue("rpc-catalog", RPC, routing_key="catalog.*", durable=True)(
            connection.default_channel
        ).queue_declare()
