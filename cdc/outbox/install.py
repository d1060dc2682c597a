"""What a publisher needs on its database, put there and taken away. Everything may be repeated at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from cdc import control, servers
from cdc.capture import slots
from cdc.capture.source import SourceConnection
from cdc.control import Phase
from cdc.outbox.errors import OutboxBusy, OutboxNotPrepared, OutboxSlotLost
from cdc.outbox.spec import OutboxSpec
from cdc.position import Identity, parse_lsn
from cdc.stream_errors import SetUpError

LOOK_EVERY = 0.5

PASSED: LiteralString = """
    select confirmed_flush_lsn >= %s::pg_lsn and not backlog as passed
    from pg_replication_slots join fig.outbox on slot_name = slot where name = %s
"""
"""Whether everything before an LSN is published, of the publisher of that name."""


@dataclass(frozen=True)
class Prepared:
    """What the database remembers of a publisher."""

    identity: Identity
    backlog: bool
    skipped: frozenset[str]


def prepare(spec: OutboxSpec, again: bool = False, patience: float = 10.0) -> None:
    """Publication and slot. Rows that are there already will be published too, so it is never too late.

    `again` starts over where a slot was lost, and only there; without it that is OutboxSlotLost.
    """
    with servers.connect(spec.dsn, "source", f"fig-install {spec.name}") as connection:
        connection.execute(files(__package__).joinpath("outbox.sql").read_bytes())
        control.install(connection)
        _publish(connection, spec)
        found = _row(connection, spec)
        if found is None or (again and _loss(spec, found) is not None):
            _begin(connection, spec, patience)
        elif (loss := _loss(spec, found)) is not None:
            raise loss


def _begin(connection: psycopg.Connection[Any], spec: OutboxSpec, patience: float) -> None:
    """A crash in between leaves a row without its slot, or a slot without a row; the next call replaces both."""
    slots.drop(connection, spec.slot)
    replication = SourceConnection(spec.dsn, f"fig-install {spec.name}")
    try:
        slot = slots.create(replication, connection, spec.slot, patience, export=False)
    finally:
        replication.close()
    # Looked at after the slot was made: what comes later is in the slot, so nothing can fall in between.
    # What another server or timeline has published says nothing of this one.
    statement = sql.SQL(
        "insert into fig.outbox as o (name, slot, system_id, timeline, backlog)"
        " select %s, %s, %s, %s, exists (select from {})"
        " on conflict (name) do update set slot = excluded.slot, system_id = excluded.system_id,"
        " timeline = excluded.timeline, backlog = excluded.backlog, prepared_at = clock_timestamp(),"
        " published = case when (o.system_id, o.timeline) = (excluded.system_id, excluded.timeline)"
        " then o.published end"
    ).format(sql.Identifier(spec.table.schema, spec.table.name))
    connection.execute(statement, [spec.name, spec.slot, slot.identity.system_id, slot.identity.timeline])


def _publish(connection: psycopg.Connection[Any], spec: OutboxSpec) -> None:
    """Inserts only: the application's deletes need no replica identity, and are nobody's business."""
    if connection.execute("select 1 where to_regclass(%s) is not null", [spec.table.quoted]).fetchone() is None:
        raise SetUpError(f"outbox table {spec.table} does not exist", "Correct the plan, or migrate its database")
    name = sql.Identifier(spec.publication)
    table = sql.Identifier(spec.table.schema, spec.table.name)
    if connection.execute("select 1 from pg_publication where pubname = %s", [spec.publication]).fetchone() is None:
        statement = "create publication {} for table {} with (publish = 'insert', publish_via_partition_root = true)"
    else:
        statement = "alter publication {} set table {}"
    connection.execute(sql.SQL(statement).format(name, table))


def _row(connection: psycopg.Connection[Any], spec: OutboxSpec) -> Prepared | None:
    if connection.execute("select 1 where to_regclass('fig.outbox') is not null").fetchone() is None:
        return None
    row = connection.execute(
        "select system_id, timeline, slot, backlog from fig.outbox where name = %s", [spec.name]
    ).fetchone()
    if row is None:
        return None
    skipped = connection.execute("select event::text from fig.outbox_skipped where name = %s", [spec.name]).fetchall()
    return Prepared(Identity(row[0], row[1], row[2]), row[3], frozenset(event for (event,) in skipped))


def read(spec: OutboxSpec) -> Prepared:
    """What is remembered; OutboxNotPrepared when nothing is."""
    with servers.connect(spec.dsn, "source", f"fig-outbox {spec.name}") as connection:
        found = _row(connection, spec)
    if found is None:
        raise OutboxNotPrepared(spec.name, spec.domain)
    return found


def is_prepared(spec: OutboxSpec) -> bool:
    with servers.connect(spec.dsn, "source", f"fig-outbox {spec.name}") as connection:
        return knows(connection, spec)


def knows(connection: psycopg.Connection[Any], spec: OutboxSpec) -> bool:
    """Whether the database behind the connection, whatever its rows look like, remembers this publisher."""
    if connection.execute("select 1 where to_regclass('fig.outbox') is not null").fetchone() is None:
        return False
    return connection.execute("select 1 from fig.outbox where name = %s", [spec.name]).fetchone() is not None


def wait_until_prepared(spec: OutboxSpec, stop: threading.Event) -> bool:
    """Until it is, or until told to stop; looks twice a second, on one connection."""
    with servers.connect(spec.dsn, "source", f"fig-outbox {spec.name}") as connection:
        while _row(connection, spec) is None:
            if stop.wait(LOOK_EVERY):
                return False
        return True


def _has_slot(spec: OutboxSpec) -> bool:
    with servers.connect(spec.dsn, "source", f"fig-install {spec.name}") as connection:
        return slots.exists(connection, spec.slot)


def _is_without_slot(spec: OutboxSpec) -> bool:
    """Whether it has given its slot up and is not back: what it has not published is in the table alone."""
    with servers.connect(spec.dsn, "source", f"fig-install {spec.name}") as connection:
        return control.read(connection, spec.name).phase is not Phase.RUNNING


def _loss(spec: OutboxSpec, found: Prepared) -> OutboxSlotLost | None:
    """What is wrong with the slot, if anything is."""
    replication = SourceConnection(spec.dsn, f"fig-install {spec.name}")
    try:
        now, confirmed = replication.identify(spec.slot), replication.confirmed(spec.slot)
    finally:
        replication.close()
    return None if confirmed is not None and now == found.identity else lost(spec, found.identity, now, confirmed)


def lost(spec: OutboxSpec, was: Identity, now: Identity, confirmed: int | None) -> OutboxSlotLost:
    why = "its slot is gone, or has lost its WAL" if confirmed is None else f"{now} is not {was}"
    return OutboxSlotLost(spec.name, spec.domain, spec.slot, why, now == was)


def rows(connection: psycopg.Connection[Any], spec: OutboxSpec) -> Iterator[tuple[str, str, str]]:
    """All that the table holds and that may not have been published yet, the oldest first."""
    row = connection.execute("select published::text from fig.outbox where name = %s", [spec.name]).fetchone()
    published = row[0] if row else None
    statement = sql.SQL(
        "select id::text, type, payload::text from {} t where %(published)s::pg_snapshot is null"
        " or not pg_visible_in_snapshot("
        "fig.full_xid(t.xmin, pg_snapshot_xmax(pg_current_snapshot())::text::bigint), %(published)s::pg_snapshot)"
        " order by created_at, id"
    ).format(sql.Identifier(spec.table.schema, spec.table.name))
    with connection.transaction(), connection.cursor("outbox") as cursor:
        cursor.execute(statement, {"published": published})
        yield from cursor


def mark(connection: psycopg.Connection[Any]) -> tuple[str, int]:
    """A snapshot, and an LSN: once everything before the LSN is published, all that the snapshot sees is."""
    row = connection.execute("select pg_current_snapshot()::text, pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row.
    return str(row[0]), parse_lsn(str(row[1]))


def remember_published(connection: psycopg.Connection[Any], spec: OutboxSpec, snapshot: str) -> None:
    connection.execute("update fig.outbox set published = %s::pg_snapshot where name = %s", [snapshot, spec.name])


def backlog_done(connection: psycopg.Connection[Any], spec: OutboxSpec) -> None:
    connection.execute("update fig.outbox set backlog = false where name = %s", [spec.name])


def skip(spec: OutboxSpec, event: str) -> None:
    """Leave an event out for ever; the publisher reads this when it begins anew."""
    with servers.connect(spec.dsn, "source", f"fig-install {spec.name}") as connection:
        connection.execute(
            "insert into fig.outbox_skipped (name, event) values (%s, %s) on conflict do nothing", [spec.name, event]
        )


def passed(spec: OutboxSpec, lsn: str | None, within: float, every: float = 0.002) -> bool:
    """Whether everything that committed before `lsn` (None: before now) has been published, waiting for it."""
    with servers.connect(spec.dsn, "source", f"fig-outbox {spec.name}") as connection:
        return has_passed(connection, spec, lsn, within, every)


def has_passed(
    connection: psycopg.Connection[Any], spec: OutboxSpec, lsn: str | None, within: float, every: float = 0.002
) -> bool:
    """As `passed`, through a connection that is there, whatever its rows look like."""
    deadline = time.monotonic() + within
    with connection.cursor(row_factory=tuple_row) as cursor:
        if lsn is None:
            row = cursor.execute("select pg_current_wal_insert_lsn()::text").fetchone()
            lsn = str(row[0]) if row else "0/0"
        while (found := cursor.execute(PASSED, [lsn, spec.name]).fetchone()) is None or not found[0]:
            if time.monotonic() > deadline:
                return False
            time.sleep(every)
        return True


def remove(spec: OutboxSpec, patience: float = 10.0) -> None:
    """Every trace of it. OutboxBusy while it holds events that are not published: they would be lost."""
    if is_prepared(spec):
        if _is_without_slot(spec) or (_has_slot(spec) and not passed(spec, None, patience)):
            raise OutboxBusy(spec.name, patience)
        with servers.connect(spec.dsn, "source", f"fig-install {spec.name}") as connection:
            # Without its row a running publisher ends when its slot is taken from it.
            connection.execute("delete from fig.outbox where name = %s", [spec.name])
            slots.take_away(connection, spec.slot)
            control.forget(connection, spec.name)
    with servers.connect(spec.dsn, "source", f"fig-install {spec.name}") as connection:
        connection.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(spec.publication)))
