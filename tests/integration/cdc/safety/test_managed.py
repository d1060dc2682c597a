"""A role with exactly the grants of docs/managed-postgresql.md: no superuser, no replication origins, no echoes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from cdc import install, signature
from cdc.copying import snapshot
from cdc.stream_errors import StreamError
from tests.integration.cdc.stream.conftest import Pair, execute, spec_of
from tests.integration.cdc.stream.library import MONOLITH_TABLES, SERVICE_TABLES, TO_MONOLITH, TO_SERVICE
from tests.integration.cdc.stream.test_stream import assert_same
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

PAGE = Path(__file__).parents[4] / "docs" / "managed-postgresql.md"
ROLE, OWNER = "fig_managed", "managed_owner"


def grants(database: str) -> list[str]:
    """The page's statements, for our names."""
    [block] = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for name, ours in (("shop_owner", OWNER), ("DATABASE shop", f'DATABASE "{database}"'), ("fig", ROLE)):
        block = re.sub(rf"\b{name}\b", ours, block)
    return [statement for statement in block.split(";") if statement.strip()]


def manage(dsn: str, tables: str) -> str:
    """The side as its administrator leaves it; the DSN of the toolkit's role."""
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(dsn, autocommit=True) as admin:
        if admin.execute("select 1 from pg_roles where rolname = %s", [OWNER]).fetchone() is None:
            admin.execute(f"create role {OWNER}")
        admin.execute(f"grant create, usage on schema public to {OWNER}; set role {OWNER}")
        admin.execute(tables)
        admin.execute("reset role")
        for statement in grants(str(database)):
            try:
                admin.execute(statement)
            except psycopg.errors.DuplicateObject:
                assert statement.startswith("CREATE ROLE"), statement
    return psycopg.conninfo.make_conninfo(dsn, user=ROLE)


@pytest.fixture
def managed(
    monolith_server: PostgresServer, services_server: PostgresServer, new_database: Callable[[PostgresServer], str]
) -> Iterator[Pair]:
    monolith, service = new_database(monolith_server), new_database(services_server)
    as_monolith, as_service = manage(monolith, MONOLITH_TABLES), manage(service, SERVICE_TABLES)
    number = psycopg.conninfo.conninfo_to_dict(monolith)["dbname"]
    forward, backward = (
        replace(made, slot=f"{made.slot}_{number}", origin=f"{made.origin}_{number}")
        for made in (
            spec_of("service", as_monolith, as_service, TO_SERVICE),
            spec_of("monolith", as_service, as_monolith, TO_MONOLITH),
        )
    )
    yield Pair(monolith, service, forward, backward)
    for one in (forward, backward):
        install.remove(one)


def test_both_directions_run_with_these_grants_and_nothing_comes_back(managed: Pair) -> None:
    managed.on_monolith("insert into book (title) select 'old' from generate_series(1, 20)")
    snapshot.copy(managed.forward)
    install.prepare_reverse(managed.backward)
    with psycopg.connect(managed.forward.target_dsn) as session:
        assert not signature.may_use_origins(session)
    with managed.streaming(), managed.streaming(managed.backward):
        for n in range(101, 201):
            managed.on_monolith(f"insert into book (id, title, stock) values ({n}, 'm', {n})")
            managed.on_service(
                f"insert into volume values ({n + 1000}, 's', 5, 'shown', null, null, now(), 'EUR');"
                f" insert into shelf values ({n + 1000}, {n})"
            )
        managed.caught_up()
        managed.caught_up(managed.backward)
        managed.on_monolith("update book set title = 'again' where id between 101 and 200")
        managed.on_service("update shelf set available = available + 1 where volume_id > 1000")
        managed.caught_up()
        managed.caught_up(managed.backward)
        [(there,)] = managed.on_service("select txid_current()")
        wait_until(lambda: managed.on_service("select txid_current()")[0][0] > there + 20, 10, "heartbeats pass")
        assert_same(managed)
    rows = max(p.rows for p in managed.progress)
    assert rows == 100 * 2 + 100 * 2, "book to volume and shelf, inserted and updated; an echo would be more"
    for one in (managed.forward, managed.backward):
        assert execute(managed.monolith, "select 1 from pg_replication_origin where roname = %s", one.origin) == []
        assert execute(managed.service, "select 1 from pg_replication_origin where roname = %s", one.origin) == []


def test_what_was_applied_with_a_message_is_no_event_of_this_side(managed: Pair) -> None:
    """The log itself: the message is there, first in its transaction, and goes with a rollback."""
    snapshot.copy(managed.forward)
    execute(managed.service, "select pg_create_logical_replication_slot('peek', 'pgoutput')::text")
    execute(managed.service, "create publication peek for table volume")
    managed.on_monolith("insert into book (title) values ('b')")
    with managed.streaming():
        managed.caught_up()
    execute(managed.service, "create table flushed ()")  # What was applied is flushed with it, at the latest.
    seen = execute(
        managed.service,
        "select substr(data, 1, 1) from pg_logical_slot_get_binary_changes('peek', null, null, 'proto_version', '1',"
        " 'publication_names', 'peek', 'messages', 'true')",
    )
    kinds = b"".join(bytes(kind) for (kind,) in seen)
    execute(managed.service, "select pg_drop_replication_slot('peek')")
    assert kinds.startswith(b"BM"), "begin, our message, and only then"
    assert kinds.index(b"I") > kinds.index(b"M"), "the row"


def test_a_second_applier_cannot_sign_under_the_same_name(managed: Pair) -> None:
    snapshot.copy(managed.forward)
    with managed.streaming():
        managed.on_monolith("insert into book (title) values ('b')")
        managed.caught_up()
        other = psycopg.connect(managed.forward.target_dsn, autocommit=True)
        with other, pytest.raises(psycopg.errors.ObjectInUse):
            signature.claim(other, managed.forward.origin)


def test_without_the_replica_role_the_stream_refuses_by_name(managed: Pair) -> None:
    snapshot.copy(managed.forward)
    execute(managed.service, f"revoke set on parameter session_replication_role from {ROLE}")
    try:
        with managed.streaming() as running:
            assert "session_replication_role" in running.fails(StreamError).message
    finally:
        execute(managed.service, f"grant set on parameter session_replication_role to {ROLE}")
