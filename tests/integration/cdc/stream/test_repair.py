"""What differs is named by its cause, with evidence, and put right through the fenced path; nothing else is touched."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from cdc import install
from cdc.comparing.causes import Cause
from cdc.comparing.compare import compare
from cdc.comparing.difference import Difference
from cdc.comparing.repair import explain, repair
from cdc.copying import snapshot
from cdc.gate.exact import exact_pair
from cdc.projection import Column, Direction
from cdc.target.errors import GuardRefused
from tests.integration.cdc.stream.conftest import Pair, as_fig, make_side, spec_of
from tests.integration.cdc.stream.library import MONOLITH_TABLES, SERVICE_TABLES, TO_MONOLITH, TO_SERVICE
from tests.integration.cdc.stream.test_stream import assert_same
from tests.support.postgres import PostgresServer

FORWARD, BACKWARD = Direction.TO_SERVICE, Direction.TO_MONOLITH


@pytest.fixture(scope="module")
def keeping_server(server_folder: Path) -> Iterator[PostgresServer]:
    """A server that keeps who wrote each row, and that these tests may damage."""
    server = PostgresServer(server_folder / "pg-keeping", settings={"track_commit_timestamp": "on"})
    server.create()
    server.start()
    yield server
    server.stop(signal.SIGQUIT)


@pytest.fixture
def books(
    monolith_server: PostgresServer, keeping_server: PostgresServer, new_database: Callable[[PostgresServer], str]
) -> Iterator[Pair]:
    monolith, service = new_database(monolith_server), new_database(keeping_server)
    make_side(monolith_server, monolith, MONOLITH_TABLES)
    make_side(keeping_server, service, SERVICE_TABLES)
    number = psycopg.conninfo.conninfo_to_dict(monolith)["dbname"]
    forward, backward = (
        replace(spec, slot=f"{spec.slot}_{number}", origin=f"{spec.origin}_{number}")
        for spec in (
            spec_of("service", as_fig(monolith), as_fig(service), TO_SERVICE),
            spec_of("monolith", as_fig(service), as_fig(monolith), TO_MONOLITH),
        )
    )
    made = Pair(monolith, service, forward, backward)
    made.on_monolith(
        "insert into book (title, price, stock, code) select 'Title ' || g, g, g, 'c' || g"
        " from generate_series(1, 200) g; insert into loan select g, 'r', g from generate_series(1, 20) g"
    )
    snapshot.copy(forward)
    install.prepare_reverse(backward)
    yield made
    install.remove(forward)
    install.remove(backward)


def differences(pair: Pair, direction: Direction = FORWARD) -> tuple[Difference, ...]:
    spec = pair.forward if direction is FORWARD else pair.backward
    with exact_pair(spec.source_dsn, spec.target_dsn, spec.name) as both:
        return compare(both.source, both.target, TO_SERVICE, direction).differences


def past_the_fence(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


def test_rows_of_a_foreign_writer_are_named_and_only_they_are_put_right(books: Pair) -> None:
    past_the_fence(
        books.service,
        "update volume set name = 'mine', cents = 1 where id = 7",
        "delete from lending where volume_id = 3",
        "insert into shelf values (9999, 1)",
        "update volume set code = 'x' where id = 12",
        "update volume set code = 'c12' where id = 11",
        "update volume set code = 'c11' where id = 12",
    )
    untouched = "select xmin::text, id from volume where id not in (7, 11, 12) order by id"
    before = books.on_service(untouched)
    with books.streaming():
        found = differences(books)
        done = repair(books.forward, TO_SERVICE, FORWARD, found)
        assert differences(books) == ()
    assert done.remaining == ()
    assert done.rows == 5
    assert books.on_service(untouched) == before
    causes = {(str(one.difference.table), one.difference.kind): one.cause for one in done.named}
    assert causes == {
        ("public.volume", "differs"): Cause.FOREIGN_WRITER,
        ("public.lending", "missing"): Cause.UNKNOWN,
        ("public.shelf", "surplus"): Cause.FOREIGN_WRITER,
    }
    [missing] = [one for one in done.named if one.difference.kind == "missing"]
    assert "older than the copy" in missing.evidence
    assert_same(books)


def test_a_row_on_the_other_side_is_put_right_while_the_service_owns(books: Pair) -> None:
    past_the_fence(
        books.monolith,
        "update book set stock = 77, price = 3 where id = 5",
        "delete from book where id = 6",
        "insert into book (id, title) values (5000, 'surplus')",
    )
    with books.streaming(books.backward):
        found = differences(books, BACKWARD)
        assert len(found) >= 5
        done = repair(books.backward, TO_SERVICE, BACKWARD, found)
        assert differences(books, BACKWARD) == ()
    assert done.remaining == ()
    assert {one.cause for one in done.named} == {Cause.UNKNOWN}, "this side does not keep who wrote"
    assert_same(books)


def test_what_was_on_its_way_is_lag_and_is_left_alone(books: Pair) -> None:
    with books.streaming(), psycopg.connect(books.service) as blocker:
        blocker.execute("select from volume where id = 7 for update")
        books.on_monolith("update book set title = 'on its way' where id = 7")
        with psycopg.connect(books.monolith) as source, psycopg.connect(books.service) as target:
            found = compare(source, target, TO_SERVICE).differences
        assert len(found) == 1
        blocker.rollback()
        done = repair(books.forward, TO_SERVICE, FORWARD, found)
    assert [one.cause for one in done.named] == [Cause.LAG]
    assert done.rows == 0


def test_a_lens_that_has_changed_since_the_copy_is_named(books: Pair) -> None:
    noted = Column("note", ("title",), "upper({title}::text)")
    volume = replace(TO_SERVICE[0], columns=tuple(noted if c.target == "note" else c for c in TO_SERVICE[0].columns))
    spec = replace(books.forward, projections=(volume, *TO_SERVICE[1:]))
    with books.streaming(spec):
        books.on_monolith("update book set stock = 0, title = title where id = 9")
        with exact_pair(spec.source_dsn, spec.target_dsn, spec.name) as both:
            found = compare(both.source, both.target, spec.projections).differences
        named = explain(spec, spec.projections, FORWARD, found)
        assert {one.cause for one in named} == {Cause.LENS}
        assert {one.difference.column for one in named} == {"note"}
        done = repair(spec, spec.projections, FORWARD, found)
    assert (done.remaining, done.rows) == ((), 100)
    assert books.on_service("select count(*) from volume where note like 'TITLE %'")[0][0] >= 100


def test_a_damaged_page_is_corruption(books: Pair, keeping_server: PostgresServer) -> None:
    books.on_monolith("update book set title = 'precious title' where id = 77")
    snapshot.copy(books.forward, afresh=True)
    [(path,)] = books.on_service("select pg_relation_filepath('volume')")
    keeping_server.stop()
    file = keeping_server.data / path
    content = file.read_bytes()
    assert b"precious title" in content
    file.write_bytes(content.replace(b"precious title", b"prEcious title"))
    keeping_server.start()
    with books.streaming():
        found = differences(books)
        assert [difference.key for difference in found] == [(("id", "77"),)]
        done = repair(books.forward, TO_SERVICE, FORWARD, found)
        assert differences(books) == ()
    assert [one.cause for one in done.named] == [Cause.CORRUPTION]


def test_an_index_that_has_lost_a_row_is_corruption(books: Pair) -> None:
    """The table has it, the index does not: the index is told that it is partial, for a moment."""
    with psycopg.connect(books.service, autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute("update pg_index set indisready = false where indexrelid = 'volume_pkey'::regclass")
        admin.execute("update volume set name = 'hidden', id = 1000 where id = 8")
        admin.execute("update pg_index set indisready = true where indexrelid = 'volume_pkey'::regclass")
    with books.streaming():
        found = differences(books)
        named = explain(books.forward, TO_SERVICE, FORWARD, found)
    assert Cause.CORRUPTION in {one.cause for one in named}


def test_an_owner_is_never_repaired(books: Pair) -> None:
    past_the_fence(books.service, "update volume set name = 'mine' where id = 7")
    books.on_service(
        "create function owner_says_no() returns void language plpgsql as"
        " $$ begin raise exception using errcode = 'SF409', message = 'owner', detail = '{}'; end $$;"
        " grant execute on function owner_says_no to public"
    )
    spec = replace(books.forward, guard=lambda connection: "select public.owner_says_no()")
    with books.streaming():
        found = differences(books)
        with pytest.raises(GuardRefused):
            repair(spec, TO_SERVICE, FORWARD, found)
    assert books.on_service("select name from volume where id = 7") == [("mine",)]
