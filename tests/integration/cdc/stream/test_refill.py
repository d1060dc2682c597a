"""Rows copied again while the stream runs: exact at each chunk, whatever commits around it (I6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from cdc.comparing.view import Range
from cdc.copying import refill as refilling
from cdc.copying import snapshot_progress
from cdc.copying.errors import SnapshotRunning
from cdc.copying.refill import refill
from cdc.errors import GateError
from cdc.stream_errors import NotSetUp
from tests.integration.cdc.stream.conftest import Pair
from tests.integration.cdc.stream.library import BOOK, LENDING, SHELF, VOLUME
from tests.integration.cdc.stream.test_stream import assert_same
from tests.support.waiting import wait_until

SMALL = 32 * 1024
"""Bytes of a unit, so that some thousand rows are several."""


class Crash(Exception):
    """What a process that dies at a checkpoint looks like from inside."""


def spoil(pair: Pair) -> None:
    """Past the stream: rows changed, lost and added on the target."""
    with psycopg.connect(pair.service, autocommit=True) as target:
        target.execute("set session_replication_role = replica")
        target.execute("update volume set name = 'spoilt' where id % 7 = 0")
        target.execute("delete from volume where id % 11 = 0")
        target.execute(
            "insert into volume select g, 'surplus', 1, 'shown', null, null, now(), 'EUR'"
            " from generate_series(-50, 0) g"
        )


@contextmanager
def writing(pair: Pair, rows: int) -> Iterator[list[int]]:
    """Somebody who changes, moves, adds and removes books all the time."""
    stop, written = threading.Event(), [0]

    def write() -> None:
        with psycopg.connect(pair.monolith, autocommit=True) as writer:
            while not stop.wait(0.002):
                some = f"1 + 11 * (random() * {rows // 11})::int"  # A row that is not there would stop the stream.
                writer.execute(f"update book set stock = stock + 1, title = title || '.' where id = {some}")
                writer.execute("insert into book (title, stock) values ('new', 1)")
                writer.execute(f"delete from book where id = {some}")
                writer.execute(f"update book set id = -id - 100000 where id = {some} and id > 0")
                written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def books(pair: Pair) -> Pair:
    from cdc.copying import snapshot

    pair.on_monolith(
        "insert into book (title, stock, code) select 'b' || g, g, 'c' || g from generate_series(1, 3000) g"
    )
    pair.on_monolith("insert into loan select g, 'r' || g % 7, g from generate_series(1, 300) g; analyze")
    snapshot.copy(pair.forward)
    return pair


def test_a_table_is_copied_again_in_pieces_under_a_writer_and_surplus_rows_go(books: Pair) -> None:
    spoil(books)
    told: list[snapshot_progress.SnapshotProgress] = []
    with books.streaming(), writing(books, 3000) as written:
        wait_until(lambda: written[0] > 10, 10, "rows are written")
        done = refill(books.forward, VOLUME, on_progress=told.append, unit_bytes=SMALL)
        during = written[0]
        assert done.units >= 4
        wait_until(lambda: written[0] > during, 10, "the writer goes on")
        books.on_monolith("select 1")
    with books.streaming():
        books.caught_up()
    assert_same(books)
    assert done.longest_hold < 2
    assert (told[-1].tables_done, told[-1].rows) == (1, done.rows)
    with psycopg.connect(books.service) as target:
        [last, first] = snapshot_progress.read(target, books.forward.name)
        assert (last.task, first.task) == (str(VOLUME), "initial")
        assert last.is_complete
        assert last.seconds_left == 0.0


def test_a_range_of_keys_is_copied_again_and_no_other_row_is_touched(books: Pair) -> None:
    spoil(books)
    with books.streaming():
        done = refill(books.forward, VOLUME, Range(("100",), ("200",)))
    assert done.rows == 100
    wrong = books.on_service("select id from volume where name in ('spoilt', 'surplus') order by 1")
    assert not [number for (number,) in wrong if 100 < number <= 200]
    assert len(wrong) > 100
    assert books.on_service("select count(*) from volume where id > 100 and id <= 200") == [(100,)]


def test_a_composite_key_with_a_text_in_it_is_cut_and_copied_again(books: Pair) -> None:
    books.on_service("set session_replication_role = replica; delete from lending where days % 3 = 0;"
                     " insert into lending values (5, 'nobody', 1), (5, 'Ä', 2)")  # fmt: skip
    with books.streaming():
        refill(books.forward, LENDING, unit_bytes=4096)
        books.caught_up()
    assert_same(books)


def test_a_table_that_several_fill_is_copied_again_whole(books: Pair) -> None:
    from cdc import install

    install.prepare_reverse(books.backward)
    books.on_monolith(
        "set session_replication_role = replica; update book set stock = -1, title = 'x' where id % 2 = 0"
    )
    books.on_service("delete from shelf where volume_id = 8")
    with books.streaming(books.backward):
        refill(books.backward, BOOK, unit_bytes=SMALL)
        books.caught_up(books.backward)
    assert books.on_monolith("select stock, title from book where id in (6, 8) order by id") == [(6, "b6"), (0, "b8")]
    books.on_service("insert into shelf values (8, 0)")
    assert_same(books)


@pytest.mark.parametrize("times", [1, 3])
def test_a_refill_that_died_goes_on_with_what_is_left(books: Pair, times: int) -> None:
    spoil(books)
    passed = []

    def crash(name: str) -> None:
        passed.append(name)
        if passed.count("unit refilled") == times:
            raise Crash

    with books.streaming():
        with pytest.raises(Crash):
            refill(books.forward, VOLUME, unit_bytes=SMALL, checkpoint=crash)
        with psycopg.connect(books.service) as target:
            [left, _initial] = snapshot_progress.read(target, books.forward.name)
            assert not left.is_complete
            assert not left.is_running
            assert 0 < left.share < 1
        [(units,)] = books.on_service("select count(*) from fig.snapshot_unit where task = %s", str(VOLUME))
        done = refill(books.forward, VOLUME, unit_bytes=SMALL)
        assert done.units == units - times
        books.caught_up()
    assert_same(books)


def test_one_at_a_time_and_only_for_a_stream_that_runs(books: Pair, pair: Pair) -> None:
    with pytest.raises(GateError, match="has not answered"):
        refill(books.forward, SHELF, patience=0.5)
    with psycopg.connect(books.service) as other:
        other.execute("select pg_advisory_lock(hashtext('fig.snapshot'), hashtext(%s))", [books.forward.name])
        with pytest.raises(SnapshotRunning):
            refill(books.forward, SHELF, patience=0.2)
    books.on_service("delete from fig.position")
    with pytest.raises(NotSetUp):
        refill(books.forward, SHELF)


@contextmanager
def commit_in_the_log_only(pair: Pair) -> Iterator[None]:
    """Price 77 for book 1, committed in the WAL, but not visible on the source: it waits for a standby that never
    comes. Sessions that begin meanwhile commit locally."""
    with psycopg.connect(pair.monolith, autocommit=True) as admin, psycopg.connect(pair.monolith) as writer:
        writer.execute("set synchronous_commit = on")
        writer.execute("update book set price = 77 where id = 1")
        thread = threading.Thread(target=writer.commit)
        database = psycopg.sql.Identifier(admin.info.dbname)
        admin.execute(psycopg.sql.SQL("alter database {} set synchronous_commit = local").format(database))
        admin.execute("set synchronous_commit = local")
        admin.execute("alter system set synchronous_standby_names = 'nobody'")
        admin.execute("select pg_reload_conf()")
        waits = "select 1 from pg_stat_activity where pid = %s and wait_event = 'SyncRep'"
        wait_until(
            lambda: pair.on_monolith("show synchronous_standby_names") == [("nobody",)], 10, "the setting is read"
        )
        thread.start()
        try:
            wait_until(lambda: pair.on_monolith(waits, writer.info.backend_pid), 10, "the commit waits")
            yield
        finally:
            admin.execute("alter system reset synchronous_standby_names")
            admin.execute("select pg_reload_conf()")
            thread.join(20)
            admin.execute(psycopg.sql.SQL("alter database {} reset synchronous_commit").format(database))


def applied_but_not_visible(pair: Pair) -> None:
    cents = "select cents from volume where id = 1"
    wait_until(lambda: pair.on_service(cents) == [(7700,)], 20, "the commit is applied")
    assert pair.on_monolith("select price from book where id = 1") == [(0,)]


def test_a_commit_that_is_in_the_log_but_not_visible_is_never_overwritten(books: Pair) -> None:
    few = Range(("0",), ("10",))
    with commit_in_the_log_only(books), books.streaming():
        applied_but_not_visible(books)
        with pytest.raises(GateError, match="waits for"):
            refill(books.forward, VOLUME, few, patience=5)
        applied_but_not_visible(books)
    with books.streaming():
        refill(books.forward, VOLUME, few)
        books.caught_up()
    assert books.on_service("select cents from volume where id = 1") == [(7700,)]
    assert_same(books)


@pytest.mark.full
def test_control_a_chunk_selected_between_two_watermarks_overwrites_it(books: Pair) -> None:
    """What watermarks alone would do: the chunk's key does not show up between the two, its row is old all the same."""
    with commit_in_the_log_only(books), books.streaming():
        applied_but_not_visible(books)
        books.caught_up()
        chunk = books.on_monolith("select id, (price * 100)::bigint from book where id <= 10")
        books.caught_up()
    with books.streaming():
        books.caught_up()
        for number, cents in chunk:
            books.on_service(
                f"set session_replication_role = replica; update volume set cents = {cents} where id = {number}"
            )
        books.caught_up()
    assert books.on_monolith("select price from book where id = 1") == [(77,)]
    assert books.on_service("select cents from volume where id = 1") == [(0,)], "stale, and nobody will correct it"


def test_a_commit_that_is_visible_but_not_in_the_log_yet_is_not_lost(books: Pair) -> None:
    """Writers that do not wait for the log: others see their rows before any stream can."""
    with books.streaming(), psycopg.connect(books.monolith, autocommit=True) as writer:
        writer.execute("set synchronous_commit = off")
        for round_ in range(5):
            for _ in range(20):
                writer.execute("update book set stock = stock + 1 where id <= 5")
            writer.execute("delete from book where id = %s", [100 + round_])
            refill(books.forward, VOLUME, Range(("0",), ("200",)))
            refill(books.forward, SHELF, Range(("0",), ("200",)))
        writer.execute("set synchronous_commit = on; update book set stock = 0 where id = 1")
        books.caught_up()
    assert_same(books)


def test_an_applier_that_does_not_wait_cannot_commit_past_a_refill(
    books: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The applier lets go in the middle of a refill, and rows of the same range arrive: they come after it."""
    monkeypatch.setattr("cdc.gate.applier.STAND_SECONDS", 0.0)
    original = refilling._replace

    def slow(worker: object, unit: object, counter: object) -> int:
        books.on_monolith("update book set title = 'later' where id <= 50")
        threading.Event().wait(0.5)  # The applier is at this transaction by now.
        return original(worker, unit, counter)  # type: ignore[arg-type]

    monkeypatch.setattr(refilling, "_replace", slow)
    with books.streaming():
        refill(books.forward, VOLUME, Range(("0",), ("100",)))
        books.caught_up()
    assert_same(books)
