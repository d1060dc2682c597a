"""A stream tries again for as long as Kafka is away: no attempt may leave a socket or a thread behind."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest

from cdc.kafka import transport as kafka_transport
from cdc.kafka.transport import KafkaTransport
from cdc.stream_errors import ConnectionLost

CLIENTS: dict[str, Callable[[KafkaTransport], object]] = {
    "admin": KafkaTransport.admin,
    "producer": KafkaTransport.producer,
    "consumer": KafkaTransport.consumer,
    "member": lambda transport: transport.consumer(group_id="closing"),
}


def held() -> tuple[int, int]:
    """Open files, sockets among them, and threads of this process."""
    return psutil.Process().num_fds(), threading.active_count()


@pytest.fixture(params=["nobody listens", "nobody answers"])
def away(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaTransport]:
    monkeypatch.setattr(kafka_transport, "ANSWER_MS", 200)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        if request.param == "nobody answers":
            place.listen()
        yield KafkaTransport(f"127.0.0.1:{place.getsockname()[1]}", "closing")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_finds_no_broker_leaves_no_socket_and_no_thread(away: KafkaTransport, client: str) -> None:
    gc.disable()  # What only the collector closes is not closed.
    try:
        before = held()
        with pytest.raises(ConnectionLost):
            CLIENTS[client](away)
        assert held() == before
    finally:
        gc.enable()
