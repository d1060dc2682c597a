"""Rows travel through the lens, once, in order, in their transactions."""

from __future__ import annotations

import resource
import time
from dataclasses import replace

import psycopg
import pytest

from cdc import servers
from cdc.capture.changes import Keepalive
from cdc.capture.slot_changes import SlotChanges
from cdc.copying import snapshot
from cdc.messages import Insert, Message
from cdc.session import Pace
from cdc.spec import StreamState
from cdc.target import apply
from tests.integration.cdc.stream.conftest import Pair
from tests.integration.cdc.stream.library import AS_MONOLITH, AS_SERVICE
from tests.support.waiting import wait_until


def assert_same(pair: Pair) -> None:
    assert pair.on_service(AS_MONOLITH) == pair.on_monolith(AS_SERVICE)
    lent = "select * from {} order by 1, 2"
    assert pair.on_service(lent.format("lending")) == pair.on_monolith(lent.format("loan"))


def test_snapshot_and_stream_bring_inserts_updates_and_deletes(pair: Pair) -> None:
    pair.on_monolith(
        "insert into book (title, price, stock, hidden, code)"
        " select 'Title ' || g, g * 1.25, g, g % 2 = 0, 'c' || g from generate_series(1, 500) g"
    )
    pair.on_monolith("insert into loan select g, 'reader ' || g, g from generate_series(1, 50) g")
    snapshot.copy(pair.forward)
    assert_same(pair)
    with pair.streaming():
        pair.on_monolith("insert into book (title, price, stock) values ('New', 9.99, 3)")
        pair.on_monolith("update book set price = price + 1, stock = stock - 1 where id % 3 = 0")
        pair.on_monolith("delete from book where id % 5 = 0")
        pair.on_monolith("update loan set days = days + 1")
        pair.caught_up()
    assert len(pair.on_service("select 1 from volume")) == 401
    assert_same(pair)


def test_awkward_values_arrive_as_they_are(copied: Pair) -> None:
    with copied.streaming():
        for title in ("", "tab\tnew\nline", "back\\slash", "\\N", "quote'\"", "é漢😀", "x" * 3000):
            copied.on_monolith("insert into book (title, note, added) values (%s, null, 'infinity')", title)
        copied.on_monolith("insert into book (title, price, added) values ('BC', -0.01, '0044-03-15 BC')")
        copied.caught_up()
    same = "select id, {}, note is null, ({} = 'infinity'), extract(epoch from {}) from {} order by 1"
    monolith = copied.on_monolith(same.format("title", "added", "added at time zone 'UTC'", "book"))
    service = copied.on_service(same.format("name", "added", "added", "volume"))
    assert service == monolith
    assert len(service) == 8


def test_unchanged_large_values_stay_as_they_are(copied: Pair) -> None:
    with copied.streaming():
        copied.on_monolith(
            "insert into book (title, note) select 't', string_agg(md5(g::text || h::text), '')"
            " from generate_series(1, 200) g, generate_series(1, 3) h group by h"
        )
        copied.on_monolith("update book set price = 5")
        copied.on_monolith("update book set id = id + 100, title = 'moved'")
        copied.caught_up()
    assert_same(copied)
    assert copied.on_service("select min(length(note)) from volume") == [(6400,)]


def test_changed_keys_move_rows_and_their_parts(copied: Pair) -> None:
    with copied.streaming():
        copied.on_monolith("insert into book (title, stock) select 'b' || g, g from generate_series(1, 20) g")
        copied.on_monolith("insert into loan values (1, 'a', 1)")
        copied.on_monolith("update book set id = id + 1000 where id <= 10; update loan set reader = 'b', days = 2")
        copied.caught_up()
    assert_same(copied)


@pytest.mark.parametrize("order", ["as listed", "another"])
def test_unique_values_that_change_places_within_a_transaction_arrive(
    copied: Pair, order: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement of many rows may meet a value before its old row has given it up; then it is parked."""
    if order == "another":
        hashed = "; set enable_nestloop = off; set enable_hashjoin = on; set enable_seqscan = on"
        monkeypatch.setattr(apply, "_SETTINGS", apply._SETTINGS + hashed)
    with copied.streaming():
        copied.on_monolith("insert into book (title, code) select 'b' || g, 'c' || g from generate_series(1, 200) g")
        copied.on_monolith(
            "begin; update book set code = null where id = 200;"
            + "".join(f"update book set code = 'c{n + 1}' where id = {n};" for n in range(199, 0, -1))
            + "update book set code = 'c1' where id = 200; commit"
        )
        copied.on_monolith(
            "begin; update book set code = null where id = 1; update book set code = 'c2' where id = 200;"
            " update book set code = 'c1' where id = 1; delete from book where id = 7;"
            " insert into book (title, code) values ('again', 'c8'); commit"
        )
        copied.caught_up()
    assert_same(copied)
    assert ("past the constraints of public.volume" in caplog.text) == (order == "another")
    assert "row by row" not in caplog.text


def test_truncation_empties_the_copy_and_only_what_came_before_it(copied: Pair) -> None:
    with copied.streaming():
        copied.on_monolith("insert into book (title) select 'b' from generate_series(1, 100) g")
        copied.on_monolith(
            "begin; insert into book (title) values ('c'); truncate book; insert into book (title) values ('d'); commit"
        )
        copied.caught_up()
    assert_same(copied)
    assert copied.on_service("select name from volume") == [("d",)]


def test_nobody_ever_sees_half_a_source_transaction(copied: Pair) -> None:
    seen: set[tuple[int, int]] = set()
    with copied.streaming(), psycopg.connect(copied.service, autocommit=True) as reader:
        for _ in range(30):
            copied.on_monolith(
                "insert into book (title) select 'b' from generate_series(1, 7);"
                " insert into loan values ((select max(id) from book), 'r', 1)"
            )
            found = reader.execute("select (select count(*) from volume), (select count(*) from lending)").fetchone()
            assert found is not None
            seen.add((found[0], found[1]))
        copied.caught_up()
    assert all(books == 7 * loans for books, loans in seen), seen


def test_a_transaction_of_100000_rows_needs_little_memory_even_while_the_target_stands_still(
    copied: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = [0]
    receive = SlotChanges.receive

    def counted(self: SlotChanges) -> Message | Keepalive | None:
        found = receive(self)
        received[0] += isinstance(found, Insert)
        return found

    monkeypatch.setattr(SlotChanges, "receive", counted)
    with copied.streaming(), psycopg.connect(copied.service) as blocker:
        copied.on_monolith("insert into book (title, note) values ('first', 'x')")
        copied.caught_up()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        blocker.execute("lock table volume")
        copied.on_monolith(
            "insert into book (title, stock, note)"
            " select 'b', g, repeat(md5(g::text), 30) from generate_series(1, 100000) g"
        )
        waiting = "select 1 from pg_locks where not granted and relation = 'volume'::regclass"
        wait_until(lambda: copied.on_service(waiting), 20, "the applier waits for the table")
        wait_until(lambda: stands_still(received), 60, "the applier reads no more")
        blocker.rollback()
        copied.caught_up(seconds=120)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 40_000, f"{grown} KiB more for 100 MB of rows"
    digest = "select count(*), sum(hashtext(note)::bigint) from {}"
    assert copied.on_service(digest.format("volume")) == copied.on_monolith(digest.format("book"))


def stands_still(received: list[int]) -> bool:
    """Whether nothing was received for a second."""
    before = received[0]
    time.sleep(1)
    return received[0] == before


def test_transactions_are_merged_only_while_there_is_a_backlog(copied: Pair) -> None:
    with psycopg.connect(copied.monolith, autocommit=True) as writer:
        for n in range(300):
            writer.execute("insert into book (title) values (%s)", [f"b{n}"])
        count = "select count(distinct xmin::text) from volume"
        with copied.streaming():
            copied.caught_up()
            [(backlogged,)] = copied.on_service(count)
            copied.on_monolith("delete from book")
            for n in range(20):
                writer.execute("insert into book (title) values (%s)", [f"b{n}"])
                copied.caught_up()
            [(slow,)] = copied.on_service(count)
    assert backlogged < 100
    assert slow == 20


def test_probes_and_markers_are_recorded_for_their_own_domain(copied: Pair) -> None:
    emit = "select pg_logical_emit_message(true, 'fig', %s)::text"
    with copied.streaming():
        copied.on_monolith(emit, '{"kind": "probe", "domain": "books", "id": "p1"}')
        copied.on_monolith(emit, '{"kind": "probe", "domain": "others", "id": "p2"}')
        [(marker,)] = copied.on_monolith(
            emit, '{"kind": "fence", "domain": "books", "epoch": 7, "sequences": {"a": 5}}'
        )
        copied.on_monolith(emit, '{"kind": "fence", "domain": "others", "epoch": 9}')
        copied.caught_up()
        with psycopg.connect(copied.monolith) as undone:
            undone.execute(emit, ['{"kind": "probe", "domain": "books", "id": "p3"}'])
            undone.rollback()
        copied.caught_up()
    [(probe, found, behind)] = copied.on_service("select probe, marker, lsn >= %s::pg_lsn from fig.position", marker)
    assert probe == "p1"
    assert found == {"kind": "fence", "domain": "books", "epoch": 7, "sequences": {"a": 5}}
    assert behind


@pytest.mark.parametrize("heartbeat", [0.05, 0])
def test_an_idle_stream_moves_on_and_lets_the_source_forget(copied: Pair, heartbeat: float) -> None:
    """With a heartbeat by messages, without one by what the source says when it is idle."""
    spec = replace(copied.forward, heartbeat=heartbeat)
    with copied.streaming(spec):
        copied.on_monolith("insert into other select g from generate_series(1, 1000) g")
        [(here,)] = copied.on_monolith("select pg_current_wal_insert_lsn()::text")
        forgotten = "select 1 from pg_replication_slots where slot_name = %s and confirmed_flush_lsn >= %s::pg_lsn"
        wait_until(lambda: copied.on_monolith(forgotten, spec.slot, here), 20, "the slot has passed other tables' WAL")
        confirmed = "select confirmed_flush_lsn from pg_replication_slots where slot_name = %s"
        [(far,)] = copied.on_monolith(confirmed, spec.slot)
        assert copied.on_service("select %s::pg_lsn <= lsn from fig.position", far) == [(True,)]


def test_progress_says_how_far_and_how_late(copied: Pair) -> None:
    with copied.streaming():
        copied.on_monolith("insert into book (title) select 'b' from generate_series(1, 10)")
        copied.caught_up()
        wait_until(lambda: copied.progress[-1].rows == 20, 5, "progress counts the rows of both target tables")
        last = copied.progress[-1]
    assert last.state is StreamState.STREAMING
    assert last.source_time is not None
    assert last.lag is not None
    assert 0 <= last.lag < 5
    assert last.confirmed <= last.applied
    assert copied.progress[-1].state is StreamState.STOPPED


def test_a_stream_goes_on_from_its_position_and_repeats_nothing(copied: Pair) -> None:
    """Plain inserts into a table whose key would refuse a second time."""
    for n in range(5):
        with copied.streaming(pace=Pace(group_rows=n)):
            copied.on_monolith("insert into book (title) select 'b' from generate_series(1, 50)")
            copied.caught_up()
            copied.on_monolith("insert into book (title) select 'b' from generate_series(1, 50)")
    with copied.streaming():
        copied.caught_up()
    assert len(copied.on_service("select 1 from volume")) == 500
    assert_same(copied)


@pytest.mark.parametrize("whose", ["fig-gate", "fig-apply"])
def test_a_target_that_goes_while_a_session_begins_is_connected_to_again(
    copied: Pair, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """A server that crashes does so between connecting and the first statement, too."""
    connect = servers.connect
    ended: list[str] = []

    def connected(dsn: str, side: str, application: str) -> psycopg.Connection[tuple[object, ...]]:
        made = connect(dsn, side, application)
        if application.startswith(whose) and not ended:
            ended.append(application)
            copied.on_service("select pg_terminate_backend(%s, 5000)", made.info.backend_pid)
        return made

    monkeypatch.setattr(servers, "connect", connected)
    with copied.streaming():
        copied.on_monolith("insert into book (title) values ('once')")
        copied.caught_up()
    assert ended
    assert_same(copied)


def test_everything_runs_as_a_role_without_superuser(pair: Pair) -> None:
    for query in (pair.on_monolith, pair.on_service):
        assert query("select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = 'fig'") == [
            (False,) * 3
        ]
    assert "user=fig" in pair.forward.source_dsn
    assert "user=fig" in pair.forward.target_dsn
