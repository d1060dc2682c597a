"""The decoder reads what a server writes, and refuses everything else with one named error."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc import decoding, messages, pgoutput
from cdc.message_errors import MalformedMessage
from cdc.messages import UNCHANGED, Message, OldRow
from tests.unit.cdc.stream import wire

Decode = Callable[[bytes], Message]
pytestmark = pytest.mark.parametrize("decode", [pgoutput.decode, decoding.decode], ids=["python", "fastest"])


def test_null_empty_and_unchanged_are_three_different_things(decode: Decode) -> None:
    message = decode(wire.insert(9, [None, b"", UNCHANGED, b"x"]))
    assert message == messages.Insert(9, [None, b"", UNCHANGED, b"x"])


def test_begin_and_commit_carry_lsns_and_times(decode: Decode) -> None:
    assert decode(wire.begin(1 << 40, -5, 7)) == messages.Begin(1 << 40, -5, 7)
    assert decode(wire.commit(10, 20, 30)) == messages.Commit(10, 20, 30)


def test_an_update_tells_a_key_from_a_full_old_row_and_from_none(decode: Decode) -> None:
    assert decode(wire.update(9, [b"2"])) == messages.Update(9, OldRow.ABSENT, [], [b"2"])
    assert decode(wire.update(9, [b"2"], [b"1"])) == messages.Update(9, OldRow.KEY, [b"1"], [b"2"])
    assert decode(wire.update(9, [b"2"], [b"1"], b"O")) == messages.Update(9, OldRow.FULL, [b"1"], [b"2"])


def test_a_relation_names_its_columns_and_identity(decode: Decode) -> None:
    found = decode(wire.relation(9, "public", "Bücher", [("id", 20, True), ("t", 25, False)], "f"))
    columns = (messages.SourceColumn("id", 20, -1, True), messages.SourceColumn("t", 25, -1, False))
    assert found == messages.Relation(9, "public", "Bücher", "f", columns)


def test_truncate_lists_all_tables_and_its_flags(decode: Decode) -> None:
    assert decode(wire.truncate([9, 10], 3)) == messages.Truncate((9, 10), True, True)


def test_messages_outside_of_transactions_say_so(decode: Decode) -> None:
    assert decode(wire.message(b"x", "p", 0)) == messages.LogicalMessage(False, 5, "p", b"x")


def test_the_refusal_says_what_it_met_without_showing_it(decode: Decode) -> None:
    with pytest.raises(MalformedMessage, match=r"'I', 26 bytes") as refused:
        decode(wire.insert(9, [b"secret value"]) + b"\0")
    assert "secret" not in refused.value.message
    assert refused.value.next_step


@pytest.mark.parametrize("whole", wire.EVERY_KIND, ids=lambda data: chr(data[0]))
def test_every_truncation_and_every_surplus_byte_is_refused(decode: Decode, whole: bytes) -> None:
    decode(whole)
    for end in range(len(whole)):
        with pytest.raises(MalformedMessage):
            decode(whole[:end])
    with pytest.raises(MalformedMessage):
        decode(whole + b"\0")


def test_a_count_or_length_beyond_the_message_is_refused_at_once(decode: Decode) -> None:
    for broken in (
        b"I" + struct.pack("!I", 9) + b"N" + struct.pack("!H", 65535),
        b"I" + struct.pack("!I", 9) + b"N" + struct.pack("!H", 1) + b"t" + struct.pack("!I", 0xFFFFFFFF),
        b"T" + struct.pack("!IB", 0xFFFFFFFF, 0),
        b"M" + struct.pack("!BQ", 1, 5) + b"fig\0" + struct.pack("!I", 0xFFFFFFFF),
    ):
        with pytest.raises(MalformedMessage):
            decode(broken)


@settings(max_examples=500, deadline=200)
@given(data=st.binary(max_size=200))
def test_garbage_is_read_or_refused_but_never_anything_else(decode: Decode, data: bytes) -> None:
    _read(decode, data)


@settings(max_examples=500, deadline=200)
@given(whole=st.sampled_from(wire.EVERY_KIND), chance=st.randoms(use_true_random=False))
def test_damaged_messages_are_read_or_refused_but_never_anything_else(
    decode: Decode, whole: bytes, chance: random.Random
) -> None:
    damaged = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    _read(decode, bytes(damaged))


def _read(decode: Decode, data: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        decode(data)
