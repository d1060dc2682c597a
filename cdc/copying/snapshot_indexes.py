"""Indexes and keys of an empty target table: taken away before a first copy fills it, built when its rows are there.

An index that is built from sorted rows costs a third of one that grows row by row, and so does its WAL. Whoever takes
an index away leaves its definition in the target's own database, in the same transaction, and it goes from there in
the transaction that has the index back: dead anywhere, the next copy (or `install.remove`) finds what is missing and
brings it back first. No position is written while anything is missing, so no stream ever begins without a key.

What something else hangs on stays where it is: a key that foreign keys or views refer to, a deferrable one, a
replica identity, an index with a comment or a place of its own, those of partitions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from cdc.projection import Table
from cdc.stream_errors import SetUpError

LOCK_PATIENCE = "2s"
"""For a table: longer than an autovacuum takes to give way. A table that is read for longer keeps its indexes."""

_PLACE = Table("fig", "snapshot_index")
_MOVABLE = """
    select x.relname, pg_get_indexdef(x.oid),
           case when k.oid is not null then
               format('alter table %%s add constraint %%I %%s using index %%I', %(table)s::text, k.conname,
                      case k.contype when 'p' then 'primary key' else 'unique' end, x.relname) end,
           case when k.oid is null then format('drop index %%I.%%I', n.nspname, x.relname)
                else format('alter table %%s drop constraint %%I', %(table)s::text, k.conname) end,
           array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality c(attnum, place)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = c.attnum
                 where i.indisprimary and c.place <= i.indnkeyatts order by c.place)
    from pg_index i
    join pg_class x on x.oid = i.indexrelid
    join pg_namespace n on n.oid = x.relnamespace
    join pg_class t on t.oid = i.indrelid
    left join pg_constraint k on k.conindid = x.oid and k.conrelid = t.oid and k.contype <> 'f'
    where t.oid = to_regclass(%(table)s) and t.relkind = 'r' and not t.relispartition and not t.relhassubclass
      and pg_has_role(t.relowner, 'USAGE') and has_schema_privilege(n.oid, 'CREATE')
      and i.indisvalid and i.indisready and not i.indisexclusion and not i.indisreplident and not i.indisclustered
      and x.reltablespace = 0 and i.indimmediate
      and not exists (select from pg_attribute a where a.attrelid = x.oid and a.attstattarget >= 0)
      and not exists (select from pg_description d where (d.classoid, d.objoid) in
                      (('pg_class'::regclass, x.oid), ('pg_constraint'::regclass, k.oid)))
      and not exists (select from pg_depend d where (d.refclassid, d.refobjid) in
                      (('pg_class'::regclass, x.oid), ('pg_constraint'::regclass, k.oid))
                      and (d.classid, d.objid) <> ('pg_class'::regclass, x.oid))
    order by i.indisprimary desc, x.relname
"""


@dataclass(frozen=True)
class Index:
    """One index, with the constraint that it stands for."""

    name: str
    definition: str
    adds: str | None
    """The statement that makes the index a constraint again; None for a plain one."""
    drops: str
    key: tuple[str, ...]
    """The columns of a primary key; empty for everything else."""


def take(target: psycopg.Connection[Any], stream: str, table: Table) -> bool:
    """Inside the caller's transaction: every index that may go is gone, if the table is empty and can be locked."""
    try:
        with target.transaction():
            target.execute(f"set local lock_timeout = '{LOCK_PATIENCE}'")
            target.execute(sql.SQL("lock table {} in access exclusive mode").format(_name(table)))
            if target.execute(sql.SQL("select 1 from {} limit 1").format(_name(table))).fetchone():
                return False
            found = movable(target, table)
            for number, index in enumerate(found):
                target.execute(
                    "insert into fig.snapshot_index (stream, relation, number, name, definition, adds, key)"
                    " values (%s, %s, %s, %s, %s, %s, %s)",
                    [stream, str(table), number, index.name, index.definition, index.adds, list(index.key)],
                )
                target.execute(index.drops.encode())
    except (psycopg.errors.LockNotAvailable, psycopg.errors.InsufficientPrivilege):
        return False
    return bool(found)


def movable(target: psycopg.Connection[Any], table: Table) -> list[Index]:
    """The table's indexes that can be taken away and brought back as they were. With search_path = pg_catalog, so
    that definitions name everything in full."""
    rows = target.execute(_MOVABLE, {"table": table.quoted}).fetchall()
    return [Index(name, definition, adds, drops, tuple(key)) for name, definition, adds, drops, key in rows]


def missing_key(connection: psycopg.Connection[Any], table: Table) -> tuple[str, ...]:
    """The columns of a primary key that is away; empty if none is. On either side: a copy's target is another
    stream's source."""
    if not _exists(connection, _PLACE):
        return ()
    query = "select key from fig.snapshot_index where relation = %s and key <> '{}' limit 1"
    row = connection.cursor(row_factory=tuple_row).execute(query, [str(table)]).fetchone()
    return tuple(row[0]) if row else ()


def missing(target: psycopg.Connection[Any], stream: str) -> list[Table]:
    """The tables that some of their indexes have been taken from."""
    if not _exists(target, _PLACE):
        return []
    rows = target.execute("select distinct relation from fig.snapshot_index where stream = %s order by 1", [stream])
    return [Table.parse(relation) for (relation,) in rows.fetchall()]


def require_none_missing(target: psycopg.Connection[Any], stream: str) -> None:
    """In the transaction that lets a stream begin."""
    if tables := missing(target, stream):
        raise SetUpError(f"the indexes of {tables[0]} are not back", "Take the snapshot again: it brings them back")


def bring_back(target: psycopg.Connection[Any], stream: str, table: Table) -> None:
    """Inside the caller's transaction: the table has its indexes. One that somebody has made meanwhile is left."""
    rows = target.execute(
        "select name, definition, adds from fig.snapshot_index where stream = %s and relation = %s order by number",
        [stream, str(table)],
    ).fetchall()
    for name, definition, adds in rows if _exists(target, table) else ():
        if not _exists(target, Table(table.schema, name)):
            target.execute(definition.encode())
            if adds:
                target.execute(adds.encode())
    target.execute("delete from fig.snapshot_index where stream = %s and relation = %s", [stream, str(table)])


def bring_all_back(target: psycopg.Connection[Any], stream: str, guard: Callable[[], None] = lambda: None) -> None:
    """What a copy that died has left. Rows that an index refuses go: they are of a copy that can never be whole, in a
    table that was empty before it."""
    for table in missing(target, stream):
        try:
            with target.transaction():
                guard()
                bring_back(target, stream, table)
        except (psycopg.IntegrityError, psycopg.DataError):
            with target.transaction():
                guard()
                target.execute(sql.SQL("delete from {}").format(_name(table)))
                bring_back(target, stream, table)


def _exists(target: psycopg.Connection[Any], relation: Table) -> bool:
    cursor = target.cursor(row_factory=tuple_row)
    row = cursor.execute("select to_regclass(%s) is not null", [relation.quoted]).fetchone()
    return bool(row and row[0])


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
