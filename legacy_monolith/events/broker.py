"""A connection to RabbitMQ that nobody can hang on: every wait of it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from kombu import Connection
from kombu.exceptions import KombuError

BROKER_ERRORS = (AMQPError, KombuError, OSError)
CONNECT_S = 3
ANSWER_S = 5.0
HEARTBEAT_S = 10


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A py-amqp connection; publishing on its channels waits for the broker's confirmation.

    In the end it is dropped, not closed: a frozen broker answers no farewell, and takes back what was not
    acknowledged either way.
    """
    options = {"confirm_publish": True}
    address = Connection(url, connect_timeout=CONNECT_S, heartbeat=HEARTBEAT_S, transport_options=options)
    connection = address.transport.establish_connection()
    try:
        # py-amqp waits for ever for most answers; its socket does not.
        connection.sock.settimeout(ANSWER_S)
        yield connection
    finally:
        connection.collect()
