"""Whatever bytes come, what reads them says one named error, says where, and is done in no time.

`FIG_FUZZ_SEED=n` chooses the inputs; a failure shows the one that it met.
"""

from __future__ import annotations

import os
import time

import pytest

from cdc import pgoutput
from cdc.pgoutput import decode
from cdc.stream_errors import MalformedMessage
from tests.integration.cdc.fuzz import recorded
from tests.integration.cdc.fuzz.inputs import inputs
from tests.integration.cdc.fuzz.watched import refused
from tests.support.postgres import PostgresServer

IN_CI, IN_PROOF = 20_000, 1_000_000
KINDS = {
    kind.__name__
    for kind in (
        pgoutput.Begin, pgoutput.Commit, pgoutput.Origin, pgoutput.Relation, pgoutput.TypeName, pgoutput.Insert,
        pgoutput.Update, pgoutput.Delete, pgoutput.Truncate, pgoutput.LogicalMessage,
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def messages(monolith_server: PostgresServer) -> list[bytes]:
    return recorded.messages(monolith_server.create_database("recorded"))


def test_what_was_recorded_has_every_kind_of_message_and_is_read(messages: list[bytes]) -> None:
    assert {type(decode(data)).__name__ for data in messages} == KINDS


def fuzz_decoder(messages: list[bytes], seed: int, count: int) -> None:
    print(f"seed {seed}")
    noise = bytes(range(256)) + b"BCORYIUDTMKNOtnu\0\0\0\0\0\0\0\0" * 8
    good, bad = refused(decode, inputs(seed, count, messages, noise), MalformedMessage)
    assert good > count / 100, "hardly anything is read: the inputs are too far from real ones"
    assert bad > count / 3, "hardly anything is refused: the inputs are too close to real ones"


def test_the_decoder_reads_or_refuses_whatever_comes(messages: list[bytes]) -> None:
    fuzz_decoder(messages, int(os.environ.get("FIG_FUZZ_SEED", "1")), IN_CI)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_the_decoder_reads_or_refuses_a_million_inputs(messages: list[bytes]) -> None:
    fuzz_decoder(messages, int(os.environ.get("FIG_FUZZ_SEED", time.time_ns() // 10**9)), IN_PROOF)
