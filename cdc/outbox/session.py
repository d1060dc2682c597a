"""One session of a publisher: from the slot to the broker and back, until told to stop or something is wrong."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psycopg

from cdc import servers, signature
from cdc.capture.changes import Keepalive
from cdc.capture.source import SourceConnection
from cdc.messages import Begin, Commit, Insert, LogicalMessage, Origin, Relation, Row
from cdc.outbox import install as outbox_install
from cdc.outbox.broker import BROKER_ERRORS, Message, Publishing, connected
from cdc.outbox.errors import BrokerAway, EventUnpublishable, NobodyListens, OutboxChanged
from cdc.outbox.event import message_of
from cdc.outbox.figures import Figures
from cdc.outbox.notes import PublishedNotes
from cdc.outbox.spec import OutboxSpec
from cdc.pgoutput import decode
from cdc.stream_errors import ConnectionLost

Checkpoint = Callable[[str], None]
"""Called with a name at the points where a crash is most interesting; does nothing in production."""

MOST = 200
"""Events that are on their way to the broker at once."""
STATUS_EVERY = 1.0
IDLE_WAIT = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
ASK_AFTER_SILENCE, GONE_AFTER_SILENCE = 10.0, 30.0
COLUMNS = ("id", "type", "payload")


class Session:
    """One connection to the log, and one to the broker for as long as there is something to publish."""

    def __init__(self, spec: OutboxSpec, on_figures: Callable[[Figures], None], checkpoint: Checkpoint) -> None:
        self._spec, self._on_figures, self._checkpoint = spec, on_figures, checkpoint
        with ExitStack() as opened:
            connection = SourceConnection(spec.dsn, f"fig-outbox {spec.name}")
            self._source = opened.enter_context(closing(connection))
            found = outbox_install.read(spec)
            self._backlog, self._skipped = found.backlog, found.skipped
            confirmed = connection.confirmed(spec.slot)
            if confirmed is None or connection.identify(spec.slot) != found.identity:
                raise outbox_install.lost(spec, found.identity, connection.identify(spec.slot), confirmed)
            connection.start(spec.slot, spec.publication, confirmed)
            opened.pop_all()
        self._broker: ExitStack | None = None
        self._publishing: Publishing | None = None
        self._relations: dict[int, Relation] = {}
        self._batch: list[Message] = []
        self._is_open = self._is_ours = False
        """Whether a transaction is being received, and whether a stream of ours wrote it."""
        self._reached = self._confirmed = confirmed
        self._published = 0
        self._trouble = ""
        self._told: Figures | None = None
        self._sent_at = self._asked_at = 0.0
        self._pause, self._again_at = FIRST_PAUSE, 0.0
        self._notes = PublishedNotes(spec)

    def close(self) -> None:
        self._notes.close()
        self._drop_broker()
        self._source.close()

    def run(self, stop: threading.Event) -> None:
        self._meet_broker()
        try:
            if self._backlog:
                self._publish_backlog(stop)
            while not stop.is_set():
                waits = self._turn()
                if waits:
                    self._wait()
        except psycopg.OperationalError as error:
            # The server went while it was being told something.
            raise servers.refused("source", error) from error

    def _turn(self) -> bool:
        """Read, publish, confirm; True if there is nothing to do for now."""
        is_full = len(self._batch) >= MOST
        is_all = is_full or self._receive()
        if self._batch and time.monotonic() >= self._again_at:
            self._publish(self._batch)
        if not self._batch and self._reached > self._confirmed:
            self._confirm()
        if not is_full and self._source.silence() > GONE_AFTER_SILENCE:
            raise ConnectionLost("source", f"no word for {GONE_AFTER_SILENCE:g} s, though asked")
        self._keep_alive()
        self._tell()
        return is_all or bool(self._batch)

    def _receive(self) -> bool:
        """Take what has arrived, a batch of events at most; True if nothing more is there."""
        while len(self._batch) < MOST:
            received = self._source.receive()
            if received is None:
                return True
            if isinstance(received, Keepalive):
                if not self._is_open:
                    self._reached = max(self._reached, received.wal_end)
                if received.reply:
                    self._sent_at = 0.0
            else:
                self._take(received.content)
        return False

    def _take(self, content: bytes) -> None:
        message = decode(content)
        if isinstance(message, Begin):
            self._is_open, self._is_ours = True, False
        elif isinstance(message, Origin):
            self._is_ours = message.name.startswith(signature.OURS)
        elif isinstance(message, LogicalMessage):
            self._is_ours |= self._is_open and signature.is_ours(message.prefix, message.content)
        elif isinstance(message, Relation):
            self._relations[message.oid] = message
        elif isinstance(message, Commit):
            self._is_open, self._reached = False, message.end_lsn
        elif isinstance(message, Insert) and not self._is_ours:
            self._add(*self._values(message))

    def _values(self, insert: Insert) -> Iterator[str]:
        relation = self._relations[insert.relation]
        place = {column.name: i for i, column in enumerate(relation.columns)}
        for name in COLUMNS:
            if name not in place:
                raise OutboxChanged(str(self._spec.table), name)
            yield _text(insert.new, place[name])

    def _add(self, event_id: str, kind: str, payload: str) -> None:
        """EventUnpublishable only once everything before it is with the broker."""
        if event_id in self._skipped:
            return
        try:
            self._batch.append(message_of(self._spec, event_id, kind, payload))
        except EventUnpublishable:
            if self._batch:
                self._publish(self._batch)
            if not self._batch:
                self._confirm()
            raise

    def _publish(self, batch: list[Message]) -> None:
        """All of the batch is with the broker, or it stays as it is until later."""
        try:
            if self._publishing is None:
                self._connect()
            assert self._publishing is not None  # noqa: S101 - just made.
            self._checkpoint("before publish")
            self._publishing.publish(batch)
        except (BrokerAway, NobodyListens, *BROKER_ERRORS) as error:
            self._drop_broker()
            self._trouble = getattr(error, "message", "") or BrokerAway(str(error) or type(error).__name__).message
            self._again_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return
        self._checkpoint("published")
        self._published += len(batch)
        batch.clear()
        self._trouble, self._pause = "", FIRST_PAUSE

    def _connect(self) -> None:
        self._broker = ExitStack()
        connection = self._broker.enter_context(connected(self._spec.broker_url))
        self._publishing = Publishing(connection, self._spec.exchange)
        self._publishing.declare_topic()

    def _meet_broker(self) -> None:
        """Before there is anything to publish: else the first event, if told during a switch, holds people up for as
        long as connecting takes. A broker that is away is met when it is needed."""
        try:
            self._connect()
        except (BrokerAway, *BROKER_ERRORS):
            self._drop_broker()

    def _drop_broker(self) -> None:
        if self._broker is not None:
            self._broker.close()
        self._broker = self._publishing = None

    def _publish_backlog(self, stop: threading.Event) -> None:
        """What was there before the slot; once, and again if this process dies meanwhile."""
        with servers.connect(self._spec.dsn, "source", f"fig-outbox {self._spec.name}") as connection:
            for event_id, kind, payload in outbox_install.rows(connection, self._spec):
                self._add(event_id, kind, payload)
                while len(self._batch) >= MOST and not stop.is_set():
                    self._publish_or_wait()
            while self._batch and not stop.is_set():
                self._publish_or_wait()
            if not self._batch:
                outbox_install.backlog_done(connection, self._spec)

    def _publish_or_wait(self) -> None:
        if time.monotonic() >= self._again_at:
            self._publish(self._batch)
        if self._batch:
            select.select([], [], [], IDLE_WAIT)
        self._keep_alive()
        self._tell()

    def _confirm(self) -> None:
        self._source.send_status(self._reached, self._reached)
        self._confirmed, self._sent_at = self._reached, time.monotonic()
        self._checkpoint("confirmed")
        self._notes.note(self._confirmed, self._published)

    def _keep_alive(self) -> None:
        """A sign of life to the server, which otherwise ends the connection; and one from it, in time."""
        now, silence = time.monotonic(), self._source.silence()
        ask = silence > ASK_AFTER_SILENCE and now - self._asked_at > ASK_AFTER_SILENCE / 2
        if ask or now - self._sent_at > STATUS_EVERY:
            self._source.send_status(self._confirmed, self._confirmed, ask)
            self._sent_at, self._asked_at = now, now if ask else self._asked_at
        if self._publishing is not None and not self._batch:
            self._watch_broker()

    def _watch_broker(self) -> None:
        """An idle connection that broke is made again when there is something to publish."""
        assert self._publishing is not None  # noqa: S101 - the caller has looked.
        try:
            self._publishing.watch()
        except BROKER_ERRORS:
            self._drop_broker()

    def _tell(self) -> None:
        figures = Figures(self._confirmed, self._published, self._trouble)
        if figures != self._told:
            self._told = figures
            self._on_figures(figures)

    def _wait(self) -> None:
        poll = select.poll()
        if len(self._batch) < MOST:
            poll.register(self._source.socket, select.POLLIN)
        poll.poll(1000 * IDLE_WAIT)


def _text(row: Row, place: int) -> str:
    value = row[place]
    return value.decode() if isinstance(value, bytes) else ""
