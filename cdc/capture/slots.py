"""Slots on a source: made within bounded time, with those in the way named."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc.capture.source import SourceConnection
from cdc.position import Identity, parse_lsn
from cdc.stream_errors import SlotBlocked

# A slot waits for every transaction with an xid that runs while it is being made; prepared ones have no session.
_BLOCKERS = """
    select format('process %%s (%%s, user %%s, %%s) for %%s s', pid, application_name, usename, state,
                  round(extract(epoch from clock_timestamp() - xact_start)))
    from pg_stat_activity where backend_xid is not null and pid <> all(%(own)s)
    union all
    select format('prepared transaction %%L of %%s in %%I for %%s s', gid, owner, database,
                  round(extract(epoch from clock_timestamp() - prepared)))
    from pg_prepared_xacts
"""


@dataclass(frozen=True)
class Slot:
    """A slot just made. The snapshot lives as long as the connection that made it does nothing else."""

    identity: Identity
    consistent_point: int
    snapshot: str | None


def create(
    connection: SourceConnection, monitor: psycopg.Connection[Any], name: str, patience: float, export: bool
) -> Slot:
    """Make the slot; SlotBlocked after `patience` seconds, with nothing left behind."""
    identity = connection.identify(name)
    snapshot = "export" if export else "nothing"
    rows = connection.rows_within(
        f"CREATE_REPLICATION_SLOT \"{name}\" LOGICAL pgoutput (SNAPSHOT '{snapshot}')", patience
    )
    if rows is None:
        found = monitor.execute(_BLOCKERS, {"own": [connection.backend_pid]}).fetchall()
        connection.cancel()
        raise SlotBlocked(name, patience, [row[0] for row in found])
    _name, point, exported, _plugin = rows[0]
    return Slot(identity, parse_lsn(point or ""), exported)


def exists(monitor: psycopg.Connection[Any], name: str) -> bool:
    return monitor.execute("select 1 from pg_replication_slots where slot_name = %s", [name]).fetchone() is not None


def drop(monitor: psycopg.Connection[Any], name: str, patience: float = 5.0) -> None:
    """Drop the slot if it is there. One still held by a session that is ending is waited for."""
    deadline = time.monotonic() + patience
    while exists(monitor, name):
        try:
            monitor.execute("select pg_drop_replication_slot(%s)", [name])
        except psycopg.errors.UndefinedObject:
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            select.select([], [], [], 0.05)


def take_away(monitor: psycopg.Connection[Any], name: str, patience: float = 10.0) -> None:
    """Drop the slot, whoever holds it: what reads from it is ended, and again if it was quicker to come back."""
    deadline = time.monotonic() + patience
    while exists(monitor, name):
        try:
            monitor.execute(
                "select pg_terminate_backend(active_pid) from pg_replication_slots"
                " where slot_name = %s and active_pid is not null",
                [name],
            )
            monitor.execute("select pg_drop_replication_slot(%s)", [name])
        except psycopg.errors.UndefinedObject:
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            select.select([], [], [], 0.005)
