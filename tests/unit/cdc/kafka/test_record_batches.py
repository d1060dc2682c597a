"""Record batches of ours are Kafka's: kafka-python reads what we pack, we read what it packs."""

from __future__ import annotations

import random
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, MessageSizeTooLargeError
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from cdc.kafka.topic_batches import Acknowledgement, Batches, Wake
from cdc.kafka.topic_format import HEADER
from cdc.kafka.topic_reader import TopicRecord
from cdc.kafka.topic_unpacking import PartitionRecords
from cdc.kafka.transport import LARGEST
from cdc.stream_errors import SetUpError

PLACE = TopicPartition("t", 3)
LZ4 = 3
Packed = tuple[bytes | None, bytes | None, bytes, tuple[tuple[str, bytes], ...]]


def records(seed: int) -> list[Packed]:
    chance = random.Random(seed)

    def some(*sizes: int) -> bytes | None:
        return chance.choice([None, *(chance.randbytes(size) for size in sizes)])

    return [
        (some(0, 8, 63, 64, 8191, 8192), some(0, 1, 700, 8191, 8192, 70_000), some(17, 9000) or b"",
         chance.choice([(), (), (("__debezium.newkey", b"{}"), ("ü", b""))]))
        for _ in range(chance.choice([1, 5, 100]))
    ]  # fmt: skip


def producer() -> Any:
    accumulator = RecordAccumulator(batch_size=1000, compression_attrs=LZ4)
    return SimpleNamespace(_accumulator=accumulator, _sender=SimpleNamespace(wakeup=lambda: None))


def handed_over(batches: Batches, packed: list[Packed]) -> Acknowledgement:
    for key, value, header, more in packed:
        batches.add(PLACE, key, value, header, more)
    [(acknowledged, _size)] = batches.hand_over()
    assert not batches
    return acknowledged


def closed(batch: Any) -> bytes:
    batch.records.close()
    return bytes(batch.records.buffer())


def unpacked(data: bytes, offset: int = 0, check: bool = True) -> list[TopicRecord]:
    return list(PartitionRecords(offset, PLACE, MemoryRecords(data), check_crcs=check).take(None))


@pytest.fixture
def wake() -> Any:
    made = Wake()
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(30))
def test_kafkas_client_and_we_read_what_we_pack(seed: int, wake: Wake) -> None:
    packed, to = records(seed), producer()
    handed_over(Batches(to, wake), packed)
    data = closed(to._accumulator._batches[PLACE][0])
    theirs = Fetcher.PartitionRecords(0, PLACE, MemoryRecords(data)).take(None)
    assert [(r.key, r.value, r.headers) for r in theirs] == [(k, v, [(HEADER, h), *more]) for k, v, h, more in packed]
    assert [r.offset for r in theirs] == list(range(len(packed)))
    assert unpacked(data) == [((*PLACE, i), h, v) for i, (_, v, h, _) in enumerate(packed)]


@pytest.mark.parametrize("seed", range(30))
def test_we_read_what_kafkas_client_packs_from_any_offset(seed: int) -> None:
    packed, builder = records(seed), MemoryRecordsBuilder(2, LZ4, 2**30)
    headers = [[*more, *([(HEADER, h)] if i % 3 else [])] for i, (_, _, h, more) in enumerate(packed)]
    for i, (key, value, _, _) in enumerate(packed):
        builder.append(1_000_000 + 700 * i, key, value, headers[i])
    builder.close()
    start = seed % len(packed)
    found = unpacked(bytes(builder.buffer()), start)
    assert [(r.offset, r.value) for r in found] == [(i, packed[i][1]) for i in range(start, len(packed))]
    assert [r.header for r in found] == [dict(headers[i]).get(HEADER) for i in range(start, len(packed))]


def test_a_damaged_batch_is_named_so_and_nothing_else_happens(wake: Wake) -> None:
    chance, to = random.Random(1), producer()
    to._accumulator.config["compression_attrs"] = 0
    handed_over(Batches(to, wake), records(4)[:20])
    whole = closed(to._accumulator._batches[PLACE][0])
    for _ in range(2000):
        data = bytearray(whole)
        data[chance.randrange(61, len(data))] ^= 1 << chance.randrange(8)
        with pytest.raises(CorruptRecordError):
            unpacked(bytes(data))
        with suppress(CorruptRecordError):
            unpacked(bytes(data), check=False)


def test_a_batch_that_is_divided_is_acknowledged_with_its_last_part(wake: Wake) -> None:
    to = producer()
    acknowledged = handed_over(Batches(to, wake), [(b"k", b"v" * 400, b"h" * 17, ())] * 9)
    parts = divided(to._accumulator)
    parts += divided(to._accumulator)  # The first part once more.
    for part in parts[1:]:
        assert not acknowledged.is_done
        part.complete(0, -1)
    assert acknowledged.is_done
    assert acknowledged.exception is None


def test_a_batch_of_which_one_part_is_refused_is_refused(wake: Wake) -> None:
    to = producer()
    acknowledged = handed_over(Batches(to, wake), [(b"k", b"v" * 400, b"h" * 17, ())] * 9)
    first, *others = divided(to._accumulator)
    first.complete_exceptionally(MessageSizeTooLargeError(), lambda _: MessageSizeTooLargeError())
    for part in others:
        part.complete(0, -1)
    assert isinstance(acknowledged.exception, MessageSizeTooLargeError)


def divided(accumulator: RecordAccumulator) -> list[Any]:
    """As the producer does when a broker finds the first batch too large."""
    waiting = accumulator._batches[PLACE]
    batch = waiting.popleft()
    batch.records.close()
    before = len(waiting)
    accumulator.split_and_reenqueue(batch)
    return list(waiting)[: len(waiting) - before]


def test_a_record_that_kafka_does_not_take_is_refused_with_what_helps(wake: Wake) -> None:
    with pytest.raises(SetUpError) as refused:
        Batches(producer(), wake).add(PLACE, None, bytes(LARGEST + 1), b"", ())
    assert "direct transport" in refused.value.next_step
