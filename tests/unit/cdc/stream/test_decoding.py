"""The compiled decoder says what the plain one says, about whatever comes, and is used wherever it can be built."""

from __future__ import annotations

import importlib.util
import random
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cdc
from cdc import decoding, messages, pgoutput
from cdc.message_errors import MalformedMessage
from cdc.messages import Message
from tests.unit.cdc.stream import wire

CAN_COMPILE = (
    shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is not None
    and (Path(sysconfig.get_path("include")) / "Python.h").exists()
)
FREQUENT = [data for data in wire.EVERY_KIND if data[:1] in (b"B", b"C", b"I", b"U", b"D")]
compiled = pytest.mark.skipif(not decoding.IS_COMPILED, reason="there was no compiler at `make setup`")


@pytest.mark.skipif(not CAN_COMPILE, reason="neither gcc nor Python.h here")
def test_where_there_is_a_compiler_the_stream_decodes_with_compiled_code() -> None:
    assert decoding.IS_COMPILED, "run make setup"
    assert decoding.means() == "compiled"


@compiled
def test_the_compiled_decoder_itself_reads_the_frequent_messages_and_nothing_else() -> None:
    for data in wire.EVERY_KIND:
        found = decoding._tuples.read(data, 0)
        assert found == (pgoutput.decode(data) if data in FREQUENT else None)
        assert found is None or type(found) is type(pgoutput.decode(data))


@compiled
@pytest.mark.parametrize("at", [-1, -(1 << 62), 1000, 1 << 62])
def test_a_message_that_begins_outside_of_what_was_received_is_none(at: int) -> None:
    assert decoding._tuples.read(FREQUENT[0], at) is None


@compiled
def test_the_compiled_decoder_takes_only_classes_of_tuples() -> None:
    constants = (messages.UNCHANGED, *messages.OldRow)
    arguments = (messages.Insert, messages.Update, messages.Delete, messages.Begin)
    with pytest.raises(TypeError, match="plain tuples"):
        decoding._tuples.set_up(*arguments, int, *constants)  # type: ignore[arg-type]


@pytest.mark.parametrize("whole", wire.EVERY_KIND, ids=lambda data: chr(data[0]))
def test_both_decoders_say_the_same_of_every_message_cut_short_damaged_and_behind_a_frame(whole: bytes) -> None:
    for end in range(len(whole) + 1):
        assert_same(whole[:end])
        assert_same(whole + whole[:end])
    for place in range(len(whole)):
        for byte in (*range(16), 0x7F, 0x80, 0xFF, *b"tnuNKO"):
            assert_same(whole[:place] + bytes([byte]) + whole[place + 1 :])
    framed = memoryview(b"a frame" + whole)
    assert decoding.decode(framed, 7) == pgoutput.decode(whole)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(FREQUENT), st.randoms(use_true_random=False))
def test_both_decoders_say_the_same_of_damaged_messages(whole: bytes, chance: random.Random) -> None:
    damaged = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(damaged) + 1)
        damaged[place : place + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 3))
    assert_same(bytes(damaged))


def test_without_a_compiler_the_stream_decodes_in_python_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cdc._tuples", None)
    monkeypatch.delattr(cdc, "_tuples", raising=False)
    spec = importlib.util.find_spec("cdc.decoding")
    assert spec is not None
    assert spec.loader is not None
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    assert not plain.IS_COMPILED
    assert "no compiler" in plain.means()
    for data in wire.EVERY_KIND:
        assert plain.decode(memoryview(b"frame" + data), 5) == pgoutput.decode(data)


def said(decode: Callable[[bytes], Message], data: bytes) -> object:
    """The message, or the refusal and its place."""
    try:
        return decode(data)
    except MalformedMessage as refusal:
        return refusal.message, refusal.at


def assert_same(data: bytes) -> None:
    assert said(decoding.decode, data) == said(pgoutput.decode, data)
