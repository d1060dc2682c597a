"""The suite's own ground: what goes on in the background of a side does not keep its tables from being emptied."""

from __future__ import annotations

import threading

import psycopg

from tests.contract.differential.pairs.clearing import clearing
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

TABLES = "create table first (id int); create table second (id int); insert into first values (1);"
WAITING = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'delete from first; %'"
PATIENT = "set deadlock_timeout = '60s'"
"""It is the other one that the server ends."""


def test_who_empties_tables_gives_way_to_background_work_and_then_empties_them(monolith_server: PostgresServer) -> None:
    dsn = monolith_server.create_database("clearing")
    with (
        psycopg.connect(dsn, autocommit=True) as looking,
        psycopg.connect(dsn) as background,
        clearing(dsn, "delete from first; delete from second") as clear,
    ):
        looking.execute(f"{TABLES} insert into second values (1)".encode())
        background.execute(PATIENT)
        background.execute("update second set id = 2")
        emptying = threading.Thread(target=clear)
        emptying.start()
        wait_until(lambda: looking.execute(WAITING).fetchone(), 20, "it has the first table's row, and waits")
        background.execute("update first set id = 2")
        background.commit()
        emptying.join()
        [(rows,)] = looking.execute("select (select count(*) from first) + (select count(*) from second)")
        assert rows == 0
