"""The first copy: slot, rows and position at one point of the source's WAL. All of it or nothing.

The target's rows and the position commit in one transaction. A crash before it leaves at most a slot, which the
next call replaces; after it the stream goes on from the position, which is where the slot begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from cdc import install, position, slots, source, target_tables
from cdc.binding import ColumnTypes
from cdc.position import Position, lsn_text
from cdc.projection import Projection, Role, quoted
from cdc.session import Checkpoint
from cdc.slots import Slot
from cdc.source import SourceConnection
from cdc.spec import StreamSpec
from cdc.statements import Cell, Op, Shape
from cdc.stream_errors import ApplyMismatch, GuardRefused

Connection = psycopg.Connection[Any]
BUFFER = 256 * 1024

_TARGET_SETTINGS = "set search_path = pg_catalog; set session_replication_role = replica; set synchronous_commit = on"


@dataclass(frozen=True)
class SnapshotProgress:
    """How far the copy is."""

    table: str
    """The target table that is being filled."""
    table_bytes: int
    tables_done: int
    tables: int


OnSnapshot = Callable[[SnapshotProgress], None]


def copy(
    spec: StreamSpec,
    on_progress: OnSnapshot = lambda progress: None,
    patience: float = 10.0,
    checkpoint: Checkpoint = lambda name: None,
) -> Position:
    """Set the stream up with its rows. One that is set up and can go on is left as it is."""
    install.install(spec)
    with (
        source.connect(spec.source_dsn, "source", f"fig-snapshot {spec.name}") as monitor,
        source.connect(spec.target_dsn, "target", f"fig-snapshot {spec.name}") as target,
    ):
        if (found := install.complete(monitor, target, spec)) is not None:
            return found
        slots.drop(monitor, spec.slot)
        with closing(SourceConnection(spec.source_dsn, f"fig-snapshot {spec.name}")) as replication:
            slot = slots.create(replication, monitor, spec.slot, patience, export=True)
            checkpoint("slot created")
            monitor.execute("begin isolation level repeatable read read only")
            monitor.execute(sql.SQL("set transaction snapshot {}").format(slot.snapshot or ""))
        made = Position(spec.name, slot.identity, slot.consistent_point)
        _fill(spec, slot, monitor, target, _Reporter(spec, on_progress), checkpoint)
        checkpoint("snapshot committed")
        monitor.execute("commit")
        for table in spec.target_tables:
            target.execute(sql.SQL("analyze {}").format(sql.Identifier(table.schema, table.name)))
        return made


class _Reporter:
    """Counts for the progress."""

    def __init__(self, spec: StreamSpec, on_progress: OnSnapshot) -> None:
        self._on_progress = on_progress
        self._tables = len(spec.projections)
        self._done = 0

    def bytes(self, projection: Projection, count: int) -> None:
        self._on_progress(SnapshotProgress(str(projection.target), count, self._done, self._tables))

    def done(self) -> None:
        self._done += 1


def _fill(
    spec: StreamSpec, slot: Slot, origin: Connection, target: Connection, reporter: _Reporter, checkpoint: Checkpoint
) -> None:
    """Rows and position, in one transaction that the guard lets in and that carries our origin."""
    target.execute(_TARGET_SETTINGS)
    guard = spec.guard(target) if spec.guard else None
    tables = target_tables.read(target, spec.target_tables)
    target.execute("select pg_replication_origin_session_setup(%s)", [spec.origin])
    with target.transaction():
        _take_guard(spec, target, guard)
        install.forget(target, spec)
        for table in spec.target_tables:
            target.execute(sql.SQL("delete from {}").format(sql.Identifier(table.schema, table.name)))
        for projection in sorted(spec.projections, key=lambda p: p.role is Role.PART):
            load = _load_part if projection.role is Role.PART else _load_primary
            load(projection, tables[projection.target], origin, target, reporter)
            reporter.done()
            checkpoint("table copied")
        position.write_first(target, Position(spec.name, slot.identity, slot.consistent_point))
        columns = {table: install.source_columns(origin, table) for table in spec.source_tables}
        install.remember_columns(target, spec.name, columns)
        target.execute("select pg_replication_origin_xact_setup(%s::pg_lsn, now())", [lsn_text(slot.consistent_point)])
    target.execute("select pg_replication_origin_session_reset()")


def _take_guard(spec: StreamSpec, target: Connection, guard: str | None) -> None:
    if guard is None:
        return
    try:
        target.execute(guard.encode())
    except psycopg.Error as error:
        if error.sqlstate != "SF409":
            raise
        said = error.diag.message_primary or ""
        raise GuardRefused(spec.name, said, None, "the snapshot") from error


def _load_primary(
    projection: Projection, types: ColumnTypes, origin: Connection, target: Connection, reporter: _Reporter
) -> None:
    """COPY straight into the table; columns that only parts fill get their reset values."""
    columns = [column.target for column in projection.columns] + [column for column, _ in projection.reset]
    resets = "".join(f", {literal}" for _, literal in projection.reset)
    names = ", ".join(quoted(column) for column in columns)
    query = f"SELECT s.*{resets} FROM ({projection.select()}) s"  # noqa: S608  Names quoted, literals the lens's.
    into = f"COPY {projection.target.quoted} ({names}) FROM STDIN"
    _pipe(origin, query, target, into, projection, reporter)


def _load_part(
    projection: Projection, types: ColumnTypes, origin: Connection, target: Connection, reporter: _Reporter
) -> None:
    """COPY into a temporary table of texts, then one UPDATE of the rows that are there."""
    names = ", ".join(f"{quoted(column.target)} text" for column in projection.columns)
    target.execute(f"create temp table fig_part ({names}) on commit drop".encode())
    copied = _pipe(origin, projection.select(), target, "COPY pg_temp.fig_part FROM STDIN", projection, reporter)
    keys = {name for _, name in projection.key}
    values = {c.target: f"CAST(p.{quoted(c.target)} AS {types[c.target]})" for c in projection.columns}
    sets = ", ".join(f"{quoted(name)} = {value}" for name, value in values.items() if name not in keys)
    found = " AND ".join(f"t.{quoted(name)} = {value}" for name, value in values.items() if name in keys)
    update = f"UPDATE {projection.target.quoted} t SET {sets} FROM pg_temp.fig_part p WHERE {found}"  # noqa: S608
    changed = target.execute(update.encode()).rowcount
    target.execute("drop table pg_temp.fig_part")
    if changed != copied:
        shape = Shape(Op.UPDATE, projection.target, tuple(Cell(c, "") for c in projection.columns), ())
        raise ApplyMismatch(str(shape), f"{changed} rows changed instead of {copied}", "in the snapshot")


def _pipe(
    origin: Connection, query: str, target: Connection, into: str, projection: Projection, reporter: _Reporter
) -> int:
    """The query's rows into the table, as text, without looking at them; the number of rows."""
    count, buffer = 0, bytearray()
    with origin.cursor() as reading, target.cursor() as writing:
        with reading.copy(f"COPY ({query}) TO STDOUT".encode()) as rows, writing.copy(into.encode()) as sink:
            for data in rows:
                buffer += data
                if len(buffer) >= BUFFER:
                    sink.write(bytes(buffer))
                    count += len(buffer)
                    buffer.clear()
                    reporter.bytes(projection, count)
            sink.write(bytes(buffer))
            reporter.bytes(projection, count + len(buffer))
        return writing.rowcount
