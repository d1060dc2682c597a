"""Whatever bytes come, what reads them says a named error, says where, and is done in no time.

`FIG_FUZZ_SEED=n` chooses the inputs; a failure shows the one that it met.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from cdc import decoding, messages
from cdc.capture.source import WalData
from cdc.errors import CdcError
from cdc.kafka.errors import MalformedEnvelope, TopicLost, Where
from cdc.kafka.topic_reader import TopicReader, TopicRecord
from cdc.message_errors import MalformedMessage, SchemaChanged
from cdc.messages import Message
from cdc.pgoutput import decode
from tests.integration.cdc.fuzz import recorded
from tests.integration.cdc.fuzz.inputs import inputs
from tests.integration.cdc.fuzz.watched import refused
from tests.support.postgres import PostgresServer

IN_CI, IN_PROOF = 20_000, 1_000_000
SEED = int(os.environ.get("FIG_FUZZ_SEED", "1"))
KINDS = {
    kind.__name__
    for kind in (
        messages.Begin, messages.Commit, messages.Origin, messages.Relation, messages.TypeName, messages.Insert,
        messages.Update, messages.Delete, messages.Truncate, messages.LogicalMessage,
    )
}  # fmt: skip
WIRE = bytes(range(256)) + b"BCORYIUDTMKNOtnu\0\0\0\0\0\0\0\0" * 8
JSON = b'{}[]",:0123456789.eE+-truefalsnx\\u \xc3\xa4\xff'
HERE = Where("recorded.topic", 3, 77)


@dataclass(frozen=True)
class Recording:
    """A server's messages, and where its catalogue can be asked."""

    dsn: str
    messages: list[WalData]
    stderr: int = 2
    """Where somebody sees it."""


@pytest.fixture(scope="module")
def recorded_once(monolith_server: PostgresServer) -> Recording:
    dsn = monolith_server.create_database("recorded")
    return Recording(dsn, recorded.messages(dsn))


@pytest.fixture
def recording(recorded_once: Recording, capfd: pytest.CaptureFixture[str]) -> Iterator[Recording]:
    with capfd.disabled():
        stderr = os.dup(2)
    yield replace(recorded_once, stderr=stderr)
    os.close(stderr)


def test_what_was_recorded_has_every_kind_of_message_and_is_read(recording: Recording) -> None:
    assert {type(decode(one.content)).__name__ for one in recording.messages} == KINDS
    reader = TopicReader("recorded", recorded.IDENTITY, 0, None)
    for record in recorded.records(recording.dsn, recording.messages, schemas=True):
        reader.take(TopicRecord(HERE, record.header, record.value))
    assert reader.place is not None


def fuzz_decoder(recording: Recording, seed: int, count: int) -> None:
    def says_where(said: CdcError, data: bytes) -> bool:
        is_named = isinstance(said, MalformedMessage) and f"at byte {said.at}" in said.message
        return is_named and isinstance(said, MalformedMessage) and 0 <= said.at <= len(data)

    def both(data: bytes) -> Message:
        """As the stream decodes; the plain decoder says the same."""
        try:
            found = decoding.decode(data)
        except MalformedMessage as said:
            with pytest.raises(MalformedMessage, match=re.escape(said.message)):
                decode(data)
            raise
        assert found == decode(data)
        return found

    print(f"seed {seed}")
    refused(both, inputs(seed, count, [one.content for one in recording.messages], WIRE), says_where, recording.stderr)


def fuzz_envelopes(recording: Recording, seed: int, count: int) -> None:
    """Values with and without schemas; a column that is gone or new is a change of the schema, and named."""

    def says_where(said: CdcError, data: bytes) -> bool:
        if isinstance(said, SchemaChanged):
            return bool(said.relation and said.differences)
        return isinstance(said, MalformedEnvelope) and said.where == HERE and bool(said.place)

    print(f"seed {seed}")
    real = [
        record.value
        for schemas in (False, True)
        for record in recorded.records(recording.dsn, recording.messages, schemas)
        if record.value is not None
    ]
    reader = recorded.announced(recording.dsn, recording.messages)
    refused(lambda data: reader.read(data, HERE), inputs(seed, count, real, JSON), says_where, recording.stderr)


def fuzz_headers(recording: Recording, seed: int, count: int) -> None:
    """One record of a publisher's session, whatever it is, with another header."""

    def says_where(said: CdcError, data: bytes) -> bool:
        return isinstance(said, MalformedEnvelope | TopicLost) and str(HERE.offset) in said.message

    print(f"seed {seed}")
    records = recorded.records(recording.dsn, recording.messages, schemas=False)
    numbers = iter(range(count))

    def read(header: bytes) -> object:
        reader = TopicReader("recorded", recorded.IDENTITY, 0, None)
        reader.take(TopicRecord(HERE, records[0].header, records[0].value))
        before = records[1 : 1 + next(numbers) % (len(records) - 1)]
        for record in before:
            reader.take(TopicRecord(HERE, record.header, record.value))
        return reader.take(TopicRecord(HERE, header, records[len(before) + 1].value))

    real = [record.header for record in records]
    refused(read, inputs(seed, count, real, WIRE), says_where, recording.stderr)


def test_the_decoder_reads_or_refuses_whatever_comes(recording: Recording) -> None:
    fuzz_decoder(recording, SEED, IN_CI)


def test_the_reader_of_envelopes_reads_or_refuses_whatever_comes(recording: Recording) -> None:
    fuzz_envelopes(recording, SEED, IN_CI)


def test_the_reader_of_topics_reads_or_refuses_whatever_comes(recording: Recording) -> None:
    fuzz_headers(recording, SEED, IN_CI // 20)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fuzz", [fuzz_decoder, fuzz_envelopes, fuzz_headers])
def test_a_million_inputs_are_read_or_refused(
    recording: Recording, fuzz: Callable[[Recording, int, int], None]
) -> None:
    seed = int(os.environ.get("FIG_FUZZ_SEED", time.time_ns() // 10**9))
    fuzz(recording, seed, IN_PROOF // 10 if fuzz is fuzz_headers else IN_PROOF)
