"""Records out of Kafka's batches: what kafka-python does for each of them costs more than all that is done with it.

Its consumer fetches, checks and decompresses batches as it always does, and leaves what is in them to us.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.util import decode_varint

from cdc.kafka.errors import Where
from cdc.kafka.topic_format import HEADER
from cdc.kafka.topic_reader import TopicRecord

_HEADER = HEADER.encode()
_ALONE = bytes((2, 2 * len(_HEADER))) + _HEADER
"""One header, with this name."""


def unpacked(consumer: Any) -> Any:
    """The consumer, whose `poll` gives TopicRecords from now on."""
    consumer._fetcher.PartitionRecords = PartitionRecords
    return consumer


def _unpack(self: Any, place: TopicPartition, records: Any, *_deserializers: Any) -> Iterator[TopicRecord]:
    while (batch := records.next_batch()) is not None:
        if batch.magic != 2 or (self.check_crcs and not batch.validate_crc()):
            raise CorruptRecordError(f"the batch at offset {batch.base_offset} of {place.topic} is damaged")
        self.leader_epoch = batch.leader_epoch
        if not batch.is_control_batch:
            for record in _records(place, batch):
                self.next_fetch_offset = record.offset + 1
                yield record
        # Also behind what was compacted away: the last offset of a batch stays.
        self.next_fetch_offset = batch.next_offset
    self.drain()


PartitionRecords = type("PartitionRecords", (Fetcher.PartitionRecords,), {"_unpack_records": _unpack})
"""What one partition's answer to a fetch has."""


def _records(place: TopicPartition, batch: Any) -> Iterator[TopicRecord]:
    """KIP-98: length, what it is, time and number as they differ from the batch's, key, value, headers; numbers of one
    or two bytes, as nearly all are, without a call. CorruptRecordError for anything else."""
    batch._maybe_uncompress()
    data, at, base = bytes(batch._buffer), batch._pos, batch.base_offset
    (topic, partition), new = place, tuple.__new__
    try:
        for _ in range(batch.records_count):
            if (length := data[at]) > 127 and (more := data[at + 1]) < 128:
                end = at + 2 + ((length & 127 | more << 7) >> 1)
                at += 3
            else:
                length, at = decode_varint(data, at)
                end, at = at + length, at + 1
            _time, at = decode_varint(data, at) if data[at] else (0, at + 1)
            number, at = decode_varint(data, at)
            size, at = decode_varint(data, at)
            if size > 0:
                at += size
            value: bytes | None
            header: bytes | None
            if (size := data[at]) > 127 and (more := data[at + 1]) < 128:
                at += 2 + ((size & 127 | more << 7) >> 1)
                value = data[at - ((size & 127 | more << 7) >> 1) : at]
            else:
                size, at = decode_varint(data, at)
                value, at = (data[at : at + size], at + size) if size >= 0 else (None, at)
            if data[at : at + 5] == _ALONE and (mark := data[at + 5]) < 128:
                at += 6 + (mark >> 1)
                header = data[at - (mark >> 1) : at]
            else:
                header, at = _found(data, at)
            if at != end:
                raise CorruptRecordError(f"a record of {topic} has another length than it says")
            yield new(TopicRecord, (new(Where, (topic, partition, base + number)), header, value))
    except (ValueError, IndexError) as error:
        raise CorruptRecordError(f"a record of {topic} is none") from error
    if at != len(data):
        raise CorruptRecordError(f"a batch of {topic} has another length than it says")


def _found(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Our header among others."""
    ours = None
    count, at = decode_varint(data, at)
    for _ in range(count):
        size, at = decode_varint(data, at)
        name, at = data[at : at + size], at + size
        size, at = decode_varint(data, at)
        if size >= 0:
            ours = data[at : at + size] if name == _HEADER and ours is None else ours
            at += size
    return ours, at
