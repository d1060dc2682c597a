"""Records of one partition, fetched ahead by a thread of their own: its client blocks, the session's loop does not."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from kafka import TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from cdc.kafka import topics
from cdc.kafka.errors import TopicLost
from cdc.kafka.topic_reader import TopicRecord
from cdc.kafka.topic_unpacking import unpacked
from cdc.kafka.topics import Topic
from cdc.kafka.transport import KafkaTransport, leave
from cdc.stream_errors import ConnectionLost, StreamError

MOST_AHEAD = 10_000
MOST_BYTES_AHEAD = 64 * 1024 * 1024
"""Fetched and not yet taken: bounds memory while the target is slow."""
POLL_MS = 250
LOOK_EVERY = 5.0
"""Seconds between two looks whether the topic is still the same, while nothing arrives."""


class TopicFetch:
    """Begins at `offset`, or at the topic's beginning. TopicLost if that is not there any more."""

    def __init__(self, transport: KafkaTransport, stream: str, topic: Topic, offset: int | None) -> None:
        self._transport, self._stream, self._topic = transport, stream, topic
        self._records: deque[TopicRecord] = deque()
        self._waiting: deque[list[TopicRecord]] = deque()
        self._bytes = 0
        self._room = threading.Condition()
        self._stop = threading.Event()
        self._error: StreamError | None = None
        self._partition = TopicPartition(topic.name, 0)
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._consumer = unpacked(transport.consumer(client_id=f"fig-apply-{stream}"))
            try:
                self._begin(offset)
            except BaseException:
                leave(self._consumer)
                raise
        except BaseException:
            os.close(self._event)
            raise
        self._thread = threading.Thread(target=self._run, name=f"fetch {topic.name}", daemon=True)
        self._thread.start()

    @property
    def socket(self) -> int:
        return self._event

    def next(self) -> TopicRecord | None:
        """The next record if one is there."""
        if not self._records and not self._take():
            return None
        return self._records.popleft()

    def close(self) -> None:
        self._stop.set()
        with self._room:
            self._room.notify()
        self._thread.join()
        try:
            leave(self._consumer)
        finally:
            os.close(self._event)

    def _take(self) -> bool:
        """What the thread has laid ready; what went wrong only after all that came before."""
        try:
            os.eventfd_read(self._event)
        except BlockingIOError:
            return False
        with self._room:
            for records in self._waiting:
                self._records.extend(records)
            self._waiting.clear()
            self._bytes = 0
            self._room.notify()
        if not self._records and self._error is not None:
            os.eventfd_write(self._event, 1)
            raise self._error
        if self._error is not None:
            os.eventfd_write(self._event, 1)
        return bool(self._records)

    def _begin(self, offset: int | None) -> None:
        try:
            self._consumer.assign([self._partition])
            first = self._consumer.beginning_offsets([self._partition], timeout_ms=10_000)[self._partition]
            end = self._consumer.end_offsets([self._partition], timeout_ms=10_000)[self._partition]
            if offset is not None and offset < first:
                raise self._lost(f"it has removed offsets {offset} to {first - 1}, which the target does not have")
            if offset is not None and offset > end:
                raise self._lost(f"it ends at offset {end}, the target has applied what was before {offset}")
            self._consumer.seek(self._partition, first if offset is None else offset)
        except (KafkaError, OSError) as error:
            raise ConnectionLost("Kafka", str(error) or type(error).__name__) from error

    def _run(self) -> None:
        looked = time.monotonic()
        try:
            while not self._stop.is_set():
                if not self._has_room():
                    continue
                records = self._consumer.poll(timeout_ms=POLL_MS).get(self._partition)
                if records:
                    self._lay(records)
                elif time.monotonic() - looked > LOOK_EVERY:
                    looked = time.monotonic()
                    self._look()
        except OffsetOutOfRangeError:
            self._fail(self._lost("it no longer has the offset that comes next"))
        except StreamError as error:
            self._fail(error)
        except (KafkaError, OSError) as error:
            self._fail(ConnectionLost("Kafka", str(error) or type(error).__name__))
        finally:
            if self._error is None and not self._stop.is_set():  # Anything else, which the thread's end shows.
                self._fail(ConnectionLost("Kafka", "its reader ended"))

    def _has_room(self) -> bool:
        with self._room:
            waiting = sum(len(records) for records in self._waiting)
            if waiting < MOST_AHEAD and self._bytes < MOST_BYTES_AHEAD:
                return True
            self._room.wait(1.0)
            return False

    def _lay(self, records: list[TopicRecord]) -> None:
        with self._room:
            self._waiting.append(records)
            self._bytes += sum(len(record.value or b"") for record in records)
        os.eventfd_write(self._event, 1)

    def _look(self) -> None:
        """A topic that was deleted is silent, not an error."""
        found = topics.look(self._transport, self._topic.name, None)
        if found is None or found.id != self._topic.id:
            raise self._lost("it was deleted")
        end = self._consumer.end_offsets([self._partition], timeout_ms=10_000)[self._partition]
        if end < self._consumer.position(self._partition):
            raise self._lost(f"it ends at offset {end}, which is before what was read")

    def _fail(self, error: StreamError) -> None:
        self._error = error
        os.eventfd_write(self._event, 1)

    def _lost(self, reason: str) -> TopicLost:
        return TopicLost(self._stream, self._topic.name, reason)
