"""Records on their way to Kafka, put together by ourselves: what kafka-python does for each of them costs more than all
that was done before. Its producer gets whole batches, and does with them what it does with its own: numbers them,
compresses them, sends them again, and says when all replicas have them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.errors import IllegalStateError
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder

from cdc.kafka.topic_format import HEADER
from cdc.kafka.transport import BATCH, LARGEST
from cdc.stream_errors import SetUpError

Headers = Sequence[tuple[str, bytes]]


def _varint(number: int) -> bytes:
    """As records have lengths: zigzag, seven bits a byte, the lowest first."""
    rest, found = number << 1 if number >= 0 else -2 * number - 1, bytearray()
    while rest > 127:
        found.append(rest & 127 | 128)
        rest >>= 7
    found.append(rest)
    return bytes(found)


_SHORT = [_varint(number) for number in range(8192)]
_NULL = _varint(-1)
_MARK = _varint(len(HEADER)) + HEADER.encode()


def _sized(content: bytes | None) -> bytes:
    return _NULL if content is None else _varint(len(content)) + content


class _Open:
    """The records of one partition that were not handed over."""

    __slots__ = ("parts", "place", "size", "time")

    def __init__(self, place: TopicPartition) -> None:
        self.place = place
        self.parts: list[bytes] = []
        self.size = 0
        self.time = int(time.time() * 1000)

    def add(self, key: bytes | None, value: bytes | None, header: bytes, more: Headers) -> int:
        """One record (KIP-98): what it is, time and number as they differ from the batch's, key, value, headers."""
        parts, mark = self.parts, len(header)
        number = len(parts)
        if key is None or value is None or max(len(key), len(value), number, mark) > 8191 or more:
            rest = b"".join(_sized(name.encode()) + _sized(said) for name, said in more)
            body = b"\0\0%b%b%b%b%b%b%b" % (
                _varint(number), _sized(key), _sized(value), _varint(1 + len(more)), _MARK, _sized(header), rest,
            )  # fmt: skip
        else:
            body = b"\0\0%b%b%b%b%b\2%b%b%b" % (
                _SHORT[number], _SHORT[len(key)], key, _SHORT[len(value)], value, _MARK, _SHORT[mark], header,
            )  # fmt: skip
        size = len(body)
        parts.append((_SHORT[size] if size < 8192 else _varint(size)) + body)
        self.size += size
        return size

    def batch(self, compression: int) -> ProducerBatch:
        records = MemoryRecordsBuilder(2, compression, 0)
        builder = records._builder
        builder._buffer += b"".join(self.parts)
        builder._first_timestamp = builder._max_timestamp = self.time
        builder._num_records = records._next_offset = len(self.parts)
        builder._last_offset = len(self.parts) - 1
        return ProducerBatch(self.place, records)


class Acknowledgement:
    """Whether all replicas have a batch, or all the parts that the producer makes of one which a broker finds too
    large. A part's records are counted when it is bound to them; a batch that was divided never says anything."""

    def __init__(self, batch: ProducerBatch, wake: Wake) -> None:
        self.is_done = False
        self.exception: BaseException | None = None
        self._left = batch.record_count
        self._wake = wake
        self._bound: dict[Any, int] = {}
        batch._record_futures = [self] * self._left
        self._bind(batch.produce_future, self._left)

    def rebind(self, future: Any, _number: int) -> None:
        """The producer's: one record more is in that part."""
        self._bind(future, 1)

    def _bind(self, future: Any, records: int) -> None:
        if future not in self._bound:
            future.add_callback(lambda result: self._completed(future, result[2]))
        self._bound[future] = self._bound.get(future, 0) + records

    def _completed(self, future: Any, refused: Any) -> None:
        self._left -= self._bound[future]
        if refused is not None:
            self.exception = refused(0)
        if self._left <= 0 or refused is not None:
            self.is_done = True
            self._wake()


class Wake:
    """Readable once something was acknowledged. The producer's thread may outlive whoever waits."""

    def __init__(self) -> None:
        self.socket = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._is_open = True

    def __call__(self) -> None:
        with self._lock:
            if self._is_open:
                os.eventfd_write(self.socket, 1)

    def clear(self) -> None:
        try:
            os.eventfd_read(self.socket)
        except BlockingIOError:
            return

    def close(self) -> None:
        with self._lock:
            self._is_open = False
            os.close(self.socket)


class Batches:
    """Of one producer."""

    def __init__(self, producer: Any, wake: Wake) -> None:
        self._accumulator, self._send = producer._accumulator, producer._sender.wakeup
        self._wake = wake
        self._open: dict[TopicPartition, _Open] = {}
        self._size = 0

    def __bool__(self) -> bool:
        """Whether records wait to be handed over."""
        return bool(self._open)

    def add(self, place: TopicPartition, key: bytes | None, value: bytes | None, header: bytes, more: Headers) -> int:
        """Its size, about. SetUpError for a record that Kafka does not take."""
        if value is not None and len(value) > LARGEST:
            raise SetUpError(
                f"a record of topic {place.topic} is larger than {LARGEST} bytes, which Kafka does not take",
                "Leave the large column out of the plan, or use the direct transport",
            )
        found = self._open.get(place)
        if found is None:
            found = self._open[place] = _Open(place)
        size = found.add(key, value, header, more)
        self._size += size
        return size

    def takes(self, size: int) -> bool:
        """Whether so much more goes into the batches that are open."""
        return not self._open or self._size + size <= BATCH

    def hand_over(self) -> Iterator[tuple[Acknowledgement, int]]:
        """Give all that waits to the producer, each partition's as one batch with its size."""
        waiting, self._open, self._size = self._open, {}, 0
        for found in waiting.values():
            batch = found.batch(self._accumulator.config["compression_attrs"])
            acknowledged = Acknowledgement(batch, self._wake)
            self._append(batch)
            yield acknowledged, found.size
        self._send()

    def _append(self, batch: ProducerBatch) -> None:
        """As its `append` does for a record that needs a new batch."""
        accumulator, place = self._accumulator, batch.topic_partition
        accumulator._appends_in_progress.increment()
        try:
            with accumulator._tp_lock(place):
                if accumulator._closed:
                    raise IllegalStateError("the producer is closed")
                accumulator._batches[place].append(batch)
                accumulator._incomplete.add(batch)
        finally:
            accumulator._appends_in_progress.decrement()
