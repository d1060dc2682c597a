"""An idle stream keeps no WAL, however busy other databases of its source are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from tests.integration.cdc.stream.conftest import Pair, copied, pair
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

__all__ = ["copied", "pair"]

MB = 1024**2
KEPT = (
    "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint from pg_replication_slots"
    " where slot_name = %s"
)


@pytest.mark.parametrize(
    "heartbeat",
    [
        pytest.param(0.05, id="with heartbeats"),
        pytest.param(0.0, id="with the server's keepalives alone", marks=pytest.mark.full),
    ],
)
def test_a_stream_without_rows_moves_on_while_another_database_writes(
    copied: Pair, monolith_server: PostgresServer, new_database: Callable[[PostgresServer], str], heartbeat: float
) -> None:
    spec = replace(copied.forward, heartbeat=heartbeat)
    with copied.streaming(spec), psycopg.connect(new_database(monolith_server), autocommit=True) as busy:
        busy.execute("create table somebody (filler text)")
        busy.execute("alter table somebody alter filler set storage external")

        def has_moved_on() -> bool:
            """The server notes what runs at each checkpoint, as it does by itself several times a minute."""
            busy.execute("insert into somebody values ('x'); checkpoint")
            return bool(copied.on_monolith(KEPT, spec.slot)[0][0] < 5 * MB)

        for _ in range(3):
            busy.execute("insert into somebody select repeat('x', 1000000) from generate_series(1, 20)")
            busy.execute("truncate somebody")
            wait_until(has_moved_on, 15, "the slot keeps nothing of what others write", every=0.1)


def test_control_a_slot_that_nobody_reads_keeps_all_of_it(
    copied: Pair, monolith_server: PostgresServer, new_database: Callable[[PostgresServer], str]
) -> None:
    [(before,)] = copied.on_monolith(KEPT, copied.forward.slot)
    with psycopg.connect(new_database(monolith_server), autocommit=True) as busy:
        busy.execute("create table somebody (filler text)")
        busy.execute("alter table somebody alter filler set storage external")
        busy.execute("insert into somebody select repeat('x', 1000000) from generate_series(1, 12); checkpoint")
    [(kept,)] = copied.on_monolith(KEPT, copied.forward.slot)
    assert kept > before + 10 * MB
