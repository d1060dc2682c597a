"""A server's process that stands still for longer than anybody waits: noticed, left, and nothing is lost (I2, I6)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from cdc import confirm
from cdc.spec import StreamState
from tests.integration.cdc.stream.conftest import Pair
from tests.integration.cdc.stream.test_stream import assert_same
from tests.support.waiting import wait_until


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def write(pair: Pair, times: int) -> None:
    for _ in range(times):
        pair.on_monolith("insert into book (title) values ('b'); update book set stock = stock + 1")


def test_a_source_that_stands_still_is_left_after_the_silence_and_found_again(
    copied: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(confirm, "ASK_AFTER_SILENCE", 0.3)
    monkeypatch.setattr(confirm, "GONE_AFTER_SILENCE", 1.0)
    with copied.streaming():
        write(copied, 3)
        copied.caught_up()
        [(walsender,)] = copied.on_monolith(
            "select active_pid from pg_replication_slots where slot_name = %s", copied.forward.slot
        )
        begun = [progress.state for progress in copied.progress].count(StreamState.CONNECTING)
        with frozen(walsender):
            write(copied, 5)
            wait_until(lambda: "no word for 1 s" in caplog.text, 10, "the silence is noticed")
            wait_until(
                lambda: [p.state for p in copied.progress].count(StreamState.CONNECTING) > begun + 1,
                10,
                "it connects again, and finds its slot in the frozen process's hands",
            )
            write(copied, 5)
        copied.caught_up(seconds=40)
        [(after,)] = copied.on_monolith(
            "select active_pid from pg_replication_slots where slot_name = %s", copied.forward.slot
        )
        assert after != walsender
    assert_same(copied)


def test_a_target_that_stands_still_for_longer_than_the_source_waits_costs_no_row(copied: Pair) -> None:
    """The source ends the connection of a stream that says nothing; the stream has its rows from the slot again."""
    waits = psycopg.conninfo.make_conninfo(copied.forward.source_dsn, options="-c wal_sender_timeout=1s")
    spec = replace(copied.forward, source_dsn=waits)
    with copied.streaming(spec):
        write(copied, 3)
        copied.caught_up()
        [(backend,)] = copied.on_service(
            "select pid from pg_stat_activity where application_name = %s", f"fig-apply {spec.name}"
        )
        [(before,)] = copied.on_service("select count(*) from volume")
        with frozen(backend):
            write(copied, 5)
            unread = "select 1 from pg_replication_slots where slot_name = %s and not active"
            wait_until(lambda: copied.on_monolith(unread, spec.slot), 20, "the source has waited long enough")
            write(copied, 5)
            assert copied.on_service("select count(*) from volume") == [(before,)]
        copied.caught_up(seconds=40)
    assert_same(copied)
