"""The application behind a pooler that gives a session to another client with each transaction: the fence holds.

Nothing that fences is a setting of a session: the row and the triggers are the database's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.fence.conftest import DOMAIN, FencedSide
from tests.support.pgbouncer import PgBouncer

LOCK = 0.1


@pytest.fixture
def pooler(owner_side: FencedSide, server_folder: Path) -> Iterator[PgBouncer]:
    with PgBouncer(owner_side.server, server_folder, "options") as pooler:
        yield pooler


def test_every_client_of_a_pool_meets_the_fence_and_writes_again_after_it(owner_side: FencedSide, pooler: PgBouncer):
    dsn = pooler.dsn(owner_side.server.dsn(owner_side.database, "app"))
    clients = [psycopg.connect(dsn, autocommit=True, prepare_threshold=None) for _ in range(6)]
    write = "insert into book (title) values ('a') returning pg_backend_pid()"
    try:
        shared = {client.execute(write).fetchone() for client in clients}
        assert len(shared) <= pooler.pool_size < len(clients), "the clients share their sessions"
        owner_side.side.fence(DOMAIN, 1, LOCK, [])
        for client in clients:
            with pytest.raises(psycopg.Error) as met:
                client.execute(write)
            assert met.value.sqlstate == "SF421"
            assert client.execute("select count(*) from book").fetchone() == (6,)
        owner_side.side.unfence(DOMAIN, 2, LOCK)
        for client in clients:
            client.execute(write)
    finally:
        for client in clients:
            client.close()


def test_a_transaction_of_a_pool_is_waited_for_as_any_other(owner_side: FencedSide, pooler: PgBouncer):
    """Its locks are seen and named, and it commits: the fence comes after it."""
    dsn = pooler.dsn(owner_side.server.dsn(owner_side.database, "app"))
    with psycopg.connect(dsn, application_name="shop", prepare_threshold=None) as client:
        client.execute("insert into book (title) values ('a')")
        assert [blocker.application for blocker in owner_side.side.blockers(DOMAIN)] == ["shop"]
        client.commit()
        assert owner_side.side.fence(DOMAIN, 1, LOCK, []).state == "fenced"
        with pytest.raises(psycopg.Error, match="is not owned here"):
            client.execute("insert into book (title) values ('b')")
