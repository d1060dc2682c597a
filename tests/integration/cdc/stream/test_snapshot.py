"""The first copy: all of it or nothing, under load, never over an owner's rows."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg
import pytest

from cdc import install, position
from cdc.copying import snapshot
from cdc.stream_errors import SlotBlocked
from cdc.target.errors import ApplyMismatch, GuardRefused
from tests.integration.cdc.stream.conftest import Pair, execute
from tests.integration.cdc.stream.test_stream import assert_same


class Crash(Exception):
    """What a process that dies at a checkpoint looks like from inside."""


def slots(pair: Pair) -> list[tuple[object, ...]]:
    return pair.on_monolith("select slot_name from pg_replication_slots where slot_name = %s", pair.forward.slot)


def test_what_is_written_during_the_copy_is_there_once(pair: Pair) -> None:
    pair.on_monolith("insert into book (title, stock) select 'b', 1 from generate_series(1, 5000)")
    stop, written = threading.Event(), []

    def write() -> None:
        with psycopg.connect(pair.monolith, autocommit=True) as writer:
            while not stop.is_set():
                writer.execute("insert into book (title, stock) values ('w', 2)")
                writer.execute("update book set stock = stock + 1 where id = 1 + (random() * 4999)::int")
                writer.execute("delete from book where id = 1 + (random() * 4999)::int")
                written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        snapshot.copy(pair.forward, checkpoint=lambda name: _wait_for_more(written))
        with pair.streaming():
            stop.set()
            writer.join()
            pair.caught_up()
    finally:
        stop.set()
        writer.join()
    assert_same(pair)


def _wait_for_more(written: list[int]) -> None:
    before = len(written)
    for _ in range(1000):
        if len(written) > before + 5:
            return
        threading.Event().wait(0.01)
    raise AssertionError("nothing is written")


@pytest.mark.parametrize("moment", ["slot created", "table copied", "snapshot committed"])
def test_a_crash_during_the_copy_leaves_nothing_half_and_the_next_call_completes_it(pair: Pair, moment: str) -> None:
    pair.on_monolith("insert into book (title) select 'b' from generate_series(1, 100)")

    def crash(name: str) -> None:
        if name == moment:
            raise Crash

    with pytest.raises(Crash):
        snapshot.copy(pair.forward, checkpoint=crash)
    [(rows, positions)] = pair.on_service("select (select count(*) from volume), (select count(*) from fig.position)")
    assert rows in (0, 100)
    assert (positions == 1) == (moment == "snapshot committed"), "only a whole copy lets a stream begin"
    assert bool(slots(pair)) == (moment == "snapshot committed"), "nothing keeps the source's WAL for a failed copy"
    pair.on_monolith("insert into book (title) values ('between')")
    snapshot.copy(pair.forward)
    with pair.streaming():
        pair.caught_up()
    assert_same(pair)


def test_a_complete_copy_is_left_as_it_is(copied: Pair) -> None:
    with copied.streaming():
        copied.on_monolith("insert into book (title) values ('b')")
        copied.caught_up()
    copied.on_service("update volume set name = 'mine'")
    found = snapshot.copy(copied.forward)
    with psycopg.connect(copied.service) as service:
        assert position.read(service, copied.forward.name) == found
    assert copied.on_service("select name from volume") == [("mine",)]


def test_rows_that_are_there_already_are_replaced(pair: Pair) -> None:
    pair.on_service("insert into shelf values (99, 9)")
    pair.on_monolith("insert into book (title) values ('b')")
    snapshot.copy(pair.forward)
    assert pair.on_service("select volume_id from shelf") == [(1,)]
    assert_same(pair)


def test_an_owner_is_never_copied_over(pair: Pair) -> None:
    pair.on_service("insert into shelf values (99, 9)")
    pair.on_service(
        "create function owner_says_no() returns void language plpgsql as"
        " $$ begin raise exception using errcode = 'SF409', message = 'owner', detail = '{}'; end $$;"
        " grant execute on function owner_says_no to public"
    )
    spec = replace(pair.forward, guard=lambda connection: "select public.owner_says_no()")
    with pytest.raises(GuardRefused):
        snapshot.copy(spec)
    assert pair.on_service("select * from shelf") == [(99, 9)]
    assert pair.on_service("select * from fig.position") == []


def test_an_old_transaction_is_named_within_the_patience_and_nothing_is_left(pair: Pair) -> None:
    with psycopg.connect(pair.monolith, application_name="nightly report") as old:
        old.execute("insert into book (title) values ('open')")
        with pytest.raises(SlotBlocked, match="nightly report"):
            snapshot.copy(pair.forward, patience=0.5)
        assert slots(pair) == []
    with psycopg.connect(pair.monolith) as prepared:
        prepared.execute("insert into book (title) values ('prepared')")
        prepared.execute("prepare transaction 'forgotten'")
        prepared.commit()
    try:
        with pytest.raises(SlotBlocked, match="prepared transaction 'forgotten'"):
            snapshot.copy(pair.forward, patience=0.5)
    finally:
        pair.on_monolith("rollback prepared 'forgotten'")
    snapshot.copy(pair.forward)
    assert_same(pair)


def test_several_tables_are_copied_into_one_through_parts(pair: Pair) -> None:
    pair.on_service(
        "insert into volume select g, 'v' || g, g * 100, 'hidden', null, null, now(), 'EUR'"
        " from generate_series(1, 50) g;"
        " insert into shelf select g, g from generate_series(1, 40) g"
    )
    snapshot.copy(pair.backward)
    assert pair.on_monolith("select sum(stock), count(*), bool_and(hidden) from book") == [(820, 50, True)]
    with pair.streaming(pair.backward):
        pair.on_service("delete from shelf where volume_id = 40; update shelf set available = 0 where volume_id = 1")
        pair.on_service("insert into shelf values (50, 50)")
        pair.caught_up(pair.backward)
    assert pair.on_monolith("select sum(stock) from book") == [(820 - 40 - 1 + 50,)]


def test_a_part_without_its_row_fails_the_copy(pair: Pair) -> None:
    pair.on_service("insert into shelf values (7, 7)")
    with pytest.raises(ApplyMismatch, match="1 rows have no row that they are a part of"):
        snapshot.copy(pair.backward)
    assert pair.on_monolith("select * from fig.position") == []


def test_the_way_back_needs_no_rows_and_may_be_prepared_twice(copied: Pair) -> None:
    copied.on_monolith("insert into book (title, stock) values ('b', 3)")
    with copied.streaming():
        copied.caught_up()
    first = install.prepare_reverse(copied.backward)
    copied.on_service("update shelf set available = 2")
    assert install.prepare_reverse(copied.backward) == first
    with copied.streaming(copied.backward):
        copied.caught_up(copied.backward)
    assert copied.on_monolith("select stock from book") == [(2,)]


def test_removal_leaves_nothing_behind_and_may_be_repeated(copied: Pair) -> None:
    for _ in range(2):
        install.remove(copied.forward)
    assert slots(copied) == []
    assert copied.on_monolith("select * from pg_publication") == []
    assert copied.on_service("select * from fig.position") == []
    assert copied.on_service("select * from fig.stream_source") == []
    origins = execute(copied.service, "select * from pg_replication_origin where roname = %s", copied.forward.origin)
    assert origins == []
