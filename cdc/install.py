"""What a stream needs on its two servers, put there and taken away. Everything may be repeated at any time."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

from cdc import control, position, servers, signature
from cdc.capture import beats, slots
from cdc.capture.losses import SlotAhead, loss_of
from cdc.capture.source import SourceConnection
from cdc.copying import snapshot_indexes
from cdc.kafka import topics
from cdc.position import Position
from cdc.projection import Table
from cdc.row_security import require_every_row
from cdc.spec import StreamSpec
from cdc.stream_errors import NotSetUp, SetUpError, StreamIdentityChanged
from cdc.target import skip

_COLUMNS = """
    select json_agg(json_build_array(attname, atttypid::int8, atttypmod) order by attnum)
    from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
"""


def install(spec: StreamSpec) -> None:
    """The stream's tables and origin on the target, the publication on the source."""
    with servers.connect(spec.target_dsn, "target", f"fig-install {spec.name}") as target:
        require_every_row(target, "target", spec.target_tables)
        target.execute(files(__package__).joinpath("stream.sql").read_bytes())
        if signature.may_use_origins(target):
            signature.ensure_origin(target, spec.origin)
    with servers.connect(spec.source_dsn, "source", f"fig-install {spec.name}") as origin:
        require_every_row(origin, "source", spec.source_tables)
        control.install(origin)
        _publish(origin, spec)


def _publish(connection: psycopg.Connection[Any], spec: StreamSpec) -> None:
    """Exactly the lens's tables; partitions under the name of their root."""
    _require_identity(connection, spec)
    tables = sql.SQL(", ").join(sql.Identifier(t.schema, t.name) for t in spec.source_tables)
    name = sql.Identifier(spec.publication)
    known = connection.execute("select 1 from pg_publication where pubname = %s", [spec.publication]).fetchone()
    if known is None:
        statement = "create publication {} for table {} with (publish_via_partition_root = true)"
    else:
        statement = "alter publication {} set table {}"
    connection.execute(sql.SQL(statement).format(name, tables))


def _require_identity(connection: psycopg.Connection[Any], spec: StreamSpec) -> None:
    """A published table without identity would refuse the application's own updates."""
    for table in spec.source_tables:
        row = connection.execute(
            "select relreplident in ('f', 'i') or relreplident = 'd' and exists"
            " (select from pg_index where indrelid = c.oid and indisprimary and indimmediate)"
            " from pg_class c where c.oid = to_regclass(%s)",
            [table.quoted],
        ).fetchone()
        if row is None:
            raise SetUpError(f"source table {table} does not exist", "Correct the plan's lens")
        if not row[0] and not snapshot_indexes.missing_key(connection, table):
            raise SetUpError(
                f"source table {table} has no primary key (or a deferred one): publishing it would break its updates",
                f"Run: ALTER TABLE {table} ADD PRIMARY KEY (…), or ALTER TABLE {table} REPLICA IDENTITY FULL",
            )


def source_columns(connection: psycopg.Connection[Any], table: Table) -> list[list[object]]:
    """The columns as pgoutput will announce them."""
    found = connection.execute(_COLUMNS, [table.quoted]).fetchone()
    return list(found[0]) if found else []


def remember_columns(target: psycopg.Connection[Any], stream: str, columns: dict[Table, list[list[object]]]) -> None:
    """What the stream is set up for, beside its position."""
    target.execute("delete from fig.stream_source where stream = %s", [stream])
    for table, found in columns.items():
        target.execute(
            "insert into fig.stream_source (stream, relation, columns) values (%s, %s, %s)",
            [stream, str(table), json.dumps(found)],
        )


def prepare_reverse(spec: StreamSpec, patience: float = 10.0) -> Position:
    """Slot and position for the way back, without rows: what the target has is what the source was filled from.

    A crash in between leaves a slot without a position, which the next call replaces.
    """
    install(spec)
    with (
        servers.connect(spec.source_dsn, "source", f"fig-install {spec.name}") as monitor,
        servers.connect(spec.target_dsn, "target", f"fig-install {spec.name}") as target,
    ):
        if (found := complete(monitor, target, spec)) is not None:
            return found
        forget(target, spec)
        snapshot_indexes.bring_all_back(target, spec.name)
        slots.drop(monitor, spec.slot)
        replication = SourceConnection(spec.source_dsn, f"fig-install {spec.name}")
        try:
            slot = slots.create(replication, monitor, spec.slot, patience, export=False)
        finally:
            replication.close()
        columns = {table: source_columns(monitor, table) for table in spec.source_tables}
        made = Position(spec.name, slot.identity, slot.consistent_point)
        with target.transaction():
            position.write_first(target, made)
            remember_columns(target, spec.name, columns)
        return made


def complete(monitor: psycopg.Connection[Any], target: psycopg.Connection[Any], spec: StreamSpec) -> Position | None:
    """The position, if the stream is set up and could go on from it."""
    found = position.read(target, spec.name)
    if found is None:
        return None
    lost = _loss(found, spec)
    # Through Kafka the slot may be ahead: the topic has what lies between, and whoever reads it sees whether it does.
    return found if lost is None or (spec.kafka is not None and type(lost) is SlotAhead) else None


def loss(target: psycopg.Connection[Any], spec: StreamSpec) -> StreamIdentityChanged | None:
    """What keeps the stream from going on where it was; None also for one without a position."""
    found = position.read(target, spec.name)
    return None if found is None else _loss(found, spec)


def _loss(found: Position, spec: StreamSpec) -> StreamIdentityChanged | None:
    replication = SourceConnection(spec.source_dsn, f"fig-install {spec.name}")
    try:
        return loss_of(found, replication.standing(spec.slot))
    finally:
        replication.close()


def forget(target: psycopg.Connection[Any], spec: StreamSpec) -> None:
    """The position away, if there is one. A replica's session does not cascade, so both tables are named."""
    target.execute("delete from fig.stream_source where stream = %s", [spec.name])
    for table in ("fig.topic_place", "fig.topic_relation", "fig.partition_place", "fig.barrier"):
        found = target.execute("select to_regclass(%s)", [table]).fetchone()
        if found and found[0]:
            target.execute(sql.SQL("delete from {} where stream = %s").format(sql.SQL(table)), [spec.name])
    target.execute("delete from fig.position where stream = %s", [spec.name])
    beats.forget(target, spec.name)
    skip.forget(target, spec.name)


def forget_copies(target: psycopg.Connection[Any], spec: StreamSpec) -> None:
    """Everything that the target remembers of the stream's copies."""
    for table in ("snapshot_unit", "snapshot_writer", "snapshot"):
        if target.execute("select to_regclass(%s)", [f"fig.{table}"]).fetchone() != (None,):
            target.execute(sql.SQL("delete from fig.{} where stream = %s").format(sql.Identifier(table)), [spec.name])


def accept_schema(spec: StreamSpec) -> None:
    """From now on the source's columns are right as they are; `spec` must hold the lens that fits them."""
    with (
        servers.connect(spec.source_dsn, "source", f"fig-install {spec.name}") as monitor,
        servers.connect(spec.target_dsn, "target", f"fig-install {spec.name}") as target,
        target.transaction(),
    ):
        if position.read(target, spec.name) is None:
            raise NotSetUp(spec.name)
        columns = {table: source_columns(monitor, table) for table in spec.source_tables}
        remember_columns(target, spec.name, columns)


def remove(spec: StreamSpec) -> None:
    """Every trace of the stream, the slot first: a forgotten slot would keep the source's WAL for ever."""
    with servers.connect(spec.source_dsn, "source", f"fig-install {spec.name}") as monitor:
        slots.drop(monitor, spec.slot)
        monitor.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(spec.publication)))
        control.forget(monitor, spec.name)
        beats.forget_counted(monitor, spec.slot)
    with servers.connect(spec.target_dsn, "target", f"fig-install {spec.name}") as target:
        known = target.execute("select to_regclass('fig.position')").fetchone()
        if known and known[0]:
            forget(target, spec)
            snapshot_indexes.bring_all_back(target, spec.name)
            forget_copies(target, spec)
        if spec.kafka is not None:
            for name in spec.kafka.topics(spec.source_tables):
                topics.remove(spec.kafka, name)
        # The copies of a snapshot, and the appliers of a parallel stream, have one each.
        ours = "select roname from pg_replication_origin where roname = %s or roname ~ ('^' || %s || '_(copy)?[0-9]+$')"
        for (origin,) in target.execute(ours, [spec.origin, spec.origin]).fetchall():
            target.execute("select pg_replication_origin_drop(%s)", [origin])
