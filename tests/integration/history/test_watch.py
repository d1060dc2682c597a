"""What the watch reads from a real WAL: turns and own writes in commit order, nothing that was applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.support.history import History, check
from tests.support.history.watch import Watch, lsn
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).parents[3]
SCHEMA = [(ROOT / name).read_text() for name in ("cdc/stream.sql", "migration_plan/sides/side.sql")]


@pytest.fixture
def owned(monolith_server: PostgresServer, new_database: Callable[[PostgresServer], str]) -> str:
    """A database that owns a domain with one table."""
    dsn = new_database(monolith_server)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for script in SCHEMA:
            connection.execute(script)
        connection.execute("create table product (id int primary key, note text)")
        connection.execute("create table other (id int primary key)")
        connection.execute("select fig.enroll('catalog', 'monolith', 'owner', 1, array['product'::regclass], 1000)")
    return dsn


def run(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_own_writes_and_turns_are_seen_in_commit_order(owned: str) -> None:
    watch = Watch("monolith", owned, "catalog")
    watch.begin()
    run(owned, "insert into product values (1, 'state[text]:x')", "insert into other values (1)")
    run(owned, "select fig.fence('catalog', 1, 1000, '[]')", "select fig.unfence('catalog', 2, 1000)")
    run(owned, "update product set note = 'b'", "truncate product")
    watch.collect()
    watch.end()
    assert [(turn.state, turn.epoch) for turn in watch.turns] == [("owner", 1), ("fenced", 2), ("owner", 3)]
    assert [a.tables for a in watch.acceptances] == [("public.product",)] * 3
    fenced, back = watch.turns[1:]
    first, second, _ = watch.acceptances
    assert first.position < fenced.position < back.position < second.position
    assert first.at < fenced.at < back.at < second.at
    assert check(_history(watch)).violations == ()


def test_what_the_stream_applied_is_not_taken_for_an_own_write(owned: str) -> None:
    watch = Watch("monolith", owned, "catalog")
    watch.begin()
    with psycopg.connect(owned) as connection:
        connection.execute("select pg_replication_origin_create('fig_test_watch')")
        connection.execute("select pg_replication_origin_session_setup('fig_test_watch')")
        connection.execute("select pg_replication_origin_xact_setup('0/10', now())")
        connection.execute("insert into product values (1)")
    watch.collect()
    watch.end()
    run(owned, "select pg_replication_origin_drop('fig_test_watch')")
    assert watch.acceptances == []


def test_a_writer_that_gets_past_the_fence_breaks_the_first_promise(owned: str) -> None:
    watch = Watch("monolith", owned, "catalog")
    watch.begin()
    run(owned, "select fig.fence('catalog', 1, 1000, '[]')")
    run(owned, "set session_replication_role = replica; insert into product values (1)")
    watch.collect()
    watch.end()
    violations = check(_history(watch)).violations
    assert [violation.promise for violation in violations] == ["I1"]
    assert "public.product" in violations[0].operation


def test_positions_compare_as_numbers() -> None:
    assert lsn("0/9") < lsn("0/10") < lsn("1/0") < lsn("A/FFFFFFFF")


def _history(watch: Watch) -> History:
    return History((), (), {}, tuple(watch.turns), tuple(watch.acceptances))
