"""From a stream's slot to its topic: the source's transactions in their order, each at least once.

The slot is told only of what all replicas have acknowledged, record after record. Whatever ends a session, the next one
begins where the slot stands and repeats the rest; readers know it from its number (`cdc.kafka.topic_reader`).
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg
from kafka import TopicPartition
from kafka.errors import KafkaError

from cdc import servers
from cdc.capture import source_types
from cdc.capture.changes import Keepalive
from cdc.capture.heartbeat import Heartbeat
from cdc.capture.losses import SlotInvalidated, SlotMissing
from cdc.capture.source import FRAME, SourceConnection
from cdc.confirm import ASK_AFTER_SILENCE, GONE_AFTER_SILENCE, STATUS_EVERY
from cdc.decoding import decode
from cdc.kafka import topic_start
from cdc.kafka.topic_batches import Acknowledgement, Batches, Wake
from cdc.kafka.topic_writer import Outgoing
from cdc.kafka.transport import abandon
from cdc.spec import StreamSpec
from cdc.stream_errors import ConnectionLost

_log = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]

TURN = 1000
"""Messages read before acknowledgements are looked at."""
MOST_BYTES = 64 * 1024 * 1024
"""On their way to the brokers before reading pauses: bounds memory, however long Kafka is away."""
PROGRESS_EVERY = 0.1
"""Seconds between records of a slot that has nothing for us."""
IDLE_WAIT = 0.1
MOMENT = 0.002
"""Seconds in which the source may write on before it is read again, while there is an acknowledgement to come: whoever
reads each message by itself makes the source slow, and sends batches of one."""
FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 0.05, 5.0, 10.0


class TopicPublisher:
    """Publishes one stream until told to stop."""

    def __init__(self, spec: StreamSpec, checkpoint: Checkpoint = lambda name: None) -> None:
        self._spec = spec
        self._checkpoint = checkpoint

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. What passes by itself is tried again; any other error is raised."""
        pause = FIRST_PAUSE
        with Heartbeat(self._spec):
            while not stop.is_set():
                began = time.monotonic()
                try:
                    with _kafka_named(), closing(PublishingSession(self._spec, self._checkpoint)) as session:
                        session.run(stop)
                except ConnectionLost as error:
                    pause = FIRST_PAUSE if time.monotonic() - began > STEADY_SECONDS else pause
                    _log.warning("publisher %s: %s; again in %.2g s", self._spec.name, error.message, pause)
                    stop.wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)


@contextmanager
def _kafka_named() -> Iterator[None]:
    """A broker that is away may show at any moment of a session, also while it is made."""
    try:
        yield
    except KafkaError as error:
        raise ConnectionLost("Kafka", str(error) or type(error).__name__) from error


class PublishingSession:
    """One replication connection and one producer; any exception ends both."""

    def __init__(self, spec: StreamSpec, checkpoint: Checkpoint) -> None:
        self._transport, self._checkpoint = topic_start.require_transport(spec), checkpoint
        self._topic = self._transport.topic
        made = topic_start.made_topics(spec, self._transport)
        self._pending: deque[tuple[Acknowledgement, int, int]] = deque()
        """(batch, bytes, LSN that it reaches) of what was handed over and is not acknowledged."""
        self._bytes = self._reaches = 0
        """Bytes of all that is not acknowledged; LSN that is reached with what was not handed over."""
        self._confirmed = self._written = 0
        self._sent_at = self._asked_at = self._wrote_at = 0.0
        with ExitStack() as opened:
            connection = SourceConnection(spec.source_dsn, f"fig-publish {spec.name}")
            self._source = opened.enter_context(closing(connection))
            self._catalogue = opened.enter_context(
                servers.connect(spec.source_dsn, "source", f"fig-publish {spec.name}")
            )  # fmt: skip
            standing = connection.standing(spec.slot)
            identity, confirmed = standing.identity, standing.confirmed
            if confirmed is None:
                kind = SlotInvalidated if standing.is_invalidated else SlotMissing
                raise kind(spec.name, [f"slot {spec.slot} does not exist or has lost its WAL"])
            # Before anything is written: while a predecessor still has the slot, this is refused.
            connection.start(spec.slot, spec.publication, confirmed)
            self._wake = opened.enter_context(closing(Wake()))
            producer = self._transport.producer()
            opened.callback(abandon, producer)
            for name in {name for name, _ in made.values()} or {self._topic}:
                producer.partitions_for(name)  # Known before anything is sent.
            self._batches = Batches(producer, self._wake)
            self._partitions: dict[tuple[str, int], TopicPartition] = {}
            self._writer = topic_start.writer(spec, made, lambda r: source_types.facts(self._catalogue, r))
            self._confirmed = self._written = confirmed
            for record in self._writer.open(identity, confirmed):
                self._send(record)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """What is not sent yet is not sent any more: the next session sends it."""
        self._opened.close()

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                self._turn()
        except psycopg.OperationalError as error:
            raise servers.refused("source", error) from error

    def _turn(self) -> None:
        is_full = self._bytes >= MOST_BYTES
        may_be_more = not is_full and self._receive()
        if not may_be_more:
            self._idle(is_full)
        self._acknowledged()
        self._keep_alive()

    def _receive(self) -> bool:
        """Take what has arrived; True if there may be more."""
        take, receive, send = self._writer.take, self._source.receive_framed, self._send
        for _ in range(TURN):
            received = receive()
            if received is None:
                return False
            if isinstance(received, Keepalive):
                self._keepalive(received)
            else:
                for record in take(int.from_bytes(received[1:9], "big"), decode(received, FRAME)):
                    send(record)
        return True

    def _keepalive(self, message: Keepalive) -> None:
        if message.reply:
            self._sent_at = 0.0
        if not self._writer.is_open:
            self._writer.reached = max(self._writer.reached, message.wal_end)

    def _send(self, record: Outgoing) -> None:
        place = self._partitions.get((record.topic, record.partition))
        if place is None:
            place = TopicPartition(record.topic or self._topic, record.partition)
            self._partitions[record.topic, record.partition] = place
        if not self._batches.takes(len(record.value or b"")):
            self._hand_over()
        self._bytes += self._batches.add(place, record.key, record.value, record.header, record.headers)
        if record.reaches:
            self._reaches = self._written = record.reaches

    def _hand_over(self) -> None:
        """The batches of all partitions at once: only with the last one everything before the LSN is handed over."""
        handed = list(self._batches.hand_over())
        last = len(handed) - 1
        self._pending += [(batch, size, self._reaches if i == last else 0) for i, (batch, size) in enumerate(handed)]
        self._reaches = 0
        self._checkpoint("sent")

    def _idle(self, is_full: bool) -> None:
        """Nothing more has arrived: say so now and then, and do not let the last records wait for others. While a batch
        is on its way, what comes makes the next one."""
        writer, now = self._writer, time.monotonic()
        if not writer.is_open and writer.reached > self._written and now - self._wrote_at > PROGRESS_EVERY:
            for record in writer.progress(writer.reached):
                self._send(record)
            self._wrote_at = now
        if self._batches and not self._pending:
            self._hand_over()
        poll = select.poll()
        poll.register(self._wake.socket, select.POLLIN)
        if self._pending and not is_full:
            poll.poll(1000 * MOMENT)
        else:
            if not is_full:
                poll.register(self._source.socket, select.POLLIN)
            poll.poll(1000 * min(IDLE_WAIT, PROGRESS_EVERY))
        self._wake.clear()

    def _acknowledged(self) -> None:
        """Confirm what all replicas have. One record that they refuse ends the session: what follows it is void."""
        pending, reached = self._pending, 0
        while pending and pending[0][0].is_done:
            batch, size, lsn = pending.popleft()
            if batch.exception is not None:
                raise ConnectionLost("Kafka", f"a record was not taken: {type(batch.exception).__name__}")
            self._bytes -= size
            reached = lsn or reached
        if reached:
            self._checkpoint("acknowledged")
            self._confirmed = reached
            self._source.send_status(reached, reached)
            self._sent_at = time.monotonic()
            self._checkpoint("confirmed")

    def _keep_alive(self) -> None:
        now, silence = time.monotonic(), self._source.silence()
        if silence > GONE_AFTER_SILENCE and self._bytes < MOST_BYTES:
            raise ConnectionLost("source", f"no word for {GONE_AFTER_SILENCE:g} s, though asked")
        ask = silence > ASK_AFTER_SILENCE and now - self._asked_at > ASK_AFTER_SILENCE / 2
        if ask or now - self._sent_at > STATUS_EVERY:
            self._source.send_status(self._confirmed, self._confirmed, ask)
            self._sent_at, self._asked_at = now, now if ask else self._asked_at
