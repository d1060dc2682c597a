"""A connection to RabbitMQ on which nothing waits for ever, and publishing that knows what the broker has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from kombu.connection import Connection
from kombu.exceptions import KombuError

from cdc.outbox.errors import BrokerAway, NobodyListens

BROKER_ERRORS = (AMQPError, KombuError, OSError)
CONNECT_SECONDS = 3
ANSWER_SECONDS = 5.0
HEARTBEAT_SECONDS = 30


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A py-amqp connection; BrokerAway for whatever goes wrong on it.

    In the end it is dropped, not closed: a frozen broker answers no farewell.
    """
    connection = None
    try:
        address = Connection(  # type: ignore[no-untyped-call, unused-ignore]
            url, connect_timeout=CONNECT_SECONDS, heartbeat=HEARTBEAT_SECONDS
        )
        connection = address.transport.establish_connection()
        # py-amqp waits for ever for most answers; its socket does not.
        connection.sock.settimeout(ANSWER_SECONDS)
        yield connection
    except BROKER_ERRORS as error:
        raise BrokerAway(str(error) or type(error).__name__) from error
    finally:
        if connection is not None:
            connection.collect()


@dataclass(frozen=True)
class Message:
    """One persistent message, on its way to a routing key."""

    id: str
    key: str
    body: bytes
    headers: dict[str, Any] | None = None


class Publishing:
    """A channel in confirm mode; one batch at a time."""

    def __init__(self, connection: Any, exchange: str) -> None:
        self._connection, self._exchange = connection, exchange
        self._channel = connection.channel()
        self._channel.confirm_select()
        self._sent = 0
        self._open: dict[int, int] = {}  # Delivery tag -> place in the batch.
        self._refused = False
        self._returned: set[str] = set()
        for event, heard in (("ack", self._acked), ("nack", self._nacked), ("return", self._came_back)):
            self._channel.events[f"basic_{event}"].add(heard)

    def declare_topic(self) -> None:
        """As Nameko's dispatcher declares it."""
        self._channel.exchange_declare(self._exchange, "topic", durable=True, auto_delete=False)

    def publish(self, batch: Sequence[Message]) -> None:
        """Return once the broker has all of them in queues; BrokerAway or NobodyListens when it has not."""
        self._open.clear()
        self._returned.clear()
        self._refused = False
        for place, message in enumerate(batch):
            self._sent += 1
            self._open[self._sent] = place
            self._channel.basic_publish(
                self._prepared(message), self._exchange, message.key, mandatory=True, timeout=ANSWER_SECONDS
            )
        deadline = time.monotonic() + ANSWER_SECONDS
        while self._open:
            try:
                self._connection.drain_events(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                silent = f"{len(self._open)} message(s) were not confirmed within {ANSWER_SECONDS:g} s"
                raise BrokerAway(silent) from error
        if self._refused:
            raise BrokerAway("it refuses messages (nack): a queue is full or a node is down")
        if self._returned:
            raise NobodyListens(self._exchange, len(self._returned))

    def watch(self) -> None:
        """Look after an idle connection: heartbeats, and whether it still is one."""
        self._connection.heartbeat_tick()
        try:
            self._connection.drain_events(timeout=0)
        except TimeoutError:
            return

    def _prepared(self, message: Message) -> Any:
        return self._channel.prepare_message(
            message.body,
            content_type="application/json",
            headers=message.headers,
            properties={"message_id": message.id, "delivery_mode": 2},
        )

    def _acked(self, tag: int, multiple: bool) -> None:
        for one in [open_tag for open_tag in self._open if open_tag == tag or (multiple and open_tag < tag)]:
            del self._open[one]

    def _nacked(self, tag: int, multiple: bool) -> None:
        self._refused = True
        self._acked(tag, multiple)

    def _came_back(self, _reason: object, _exchange: str, _key: str, message: Any) -> None:
        """The broker says so before it confirms the same message."""
        self._returned.add(message.properties.get("message_id", ""))
