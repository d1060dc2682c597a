"""Foreign keys that cross the domain's border and that the plan says to drop: taken away from a side before it stops
owning, put back when it owns again.

A key's definition is kept in the database that it was dropped from, in the same transaction, so that no crash can
lose it; what is returned is for the journal. `restore` may be repeated until every key is valid again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from migration_plan.configuration.plan import Plan
from migration_plan.errors import Blocker, TablesBusy
from migration_plan.sides.side import SideDatabase

SHOWN = 20  # Orphans that are named; the count is of all.
PAUSE = 0.05  # Seconds between two tries at a lock, in which nobody waits for us.

_TABLE: LiteralString = """
    create table if not exists fig.crossing_key (
        domain text, relation text, name text, definition text not null, orphans text not null,
        dropped_at timestamptz default clock_timestamp(), primary key (domain, relation, name))"""

# An empty search_path makes every name in a definition a full one. `orphans` finds the rows that refer to nothing,
# told by primary key, or by the reference itself where there is none.
_PRESENT: LiteralString = """
    select format('%%I.%%I', n.nspname, c.relname) as relation, k.conname::text as name,
           pg_get_constraintdef(k.oid) as definition,
           format('select concat_ws('', '', %%s) as key from %%s c'
                  ' where %%s and not exists (select from %%s p where %%s)',
                  coalesce((select string_agg(format('c.%%I', a.attname), ', ' order by a.attnum)
                            from pg_index i join pg_attribute a on a.attrelid = i.indrelid
                             and a.attnum = any (i.indkey::smallint[])
                            where i.indrelid = c.oid and i.indisprimary), pair.children),
                  k.conrelid::regclass, pair.present, k.confrelid::regclass, pair.equal) as orphans
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
        select string_agg(format('p.%%I = c.%%I', there.attname, here.attname), ' and ') as equal,
               string_agg(format('c.%%I is not null', here.attname), ' and ') as present,
               string_agg(format('c.%%I', here.attname), ', ') as children
        from unnest(k.conkey, k.confkey) as x (here, there)
        join pg_attribute here on here.attrelid = k.conrelid and here.attnum = x.here
        join pg_attribute there on there.attrelid = k.confrelid and there.attnum = x.there
    ) pair
    where k.contype = 'f' and k.conparentid = 0 and k.conname = any (%(names)s)
      and (k.conrelid in (select relation from fig.domain_table where domain = %(domain)s))
       <> (k.confrelid in (select relation from fig.domain_table where domain = %(domain)s))
    order by 1, 2"""

_TABLES: LiteralString = """
    select array[%(relation)s::regclass::oid] || array(
        select confrelid from pg_constraint where conrelid = %(relation)s::regclass and conname = %(name)s) as tables"""

_STATE: LiteralString = """
    select c.relkind = 'p' as partitioned, k.oid is not null as present
    from pg_class c left join pg_constraint k on k.conrelid = c.oid and k.conname = %(name)s and k.contype = 'f'
    where c.oid = %(relation)s::regclass"""


@dataclass(frozen=True)
class CrossingKey:
    """A foreign key with all that is needed to make it again; names are full and quoted."""

    relation: str
    name: str
    definition: str
    orphans: str  # The query that finds rows which refer to nothing.

    def as_json(self) -> dict[str, str]:
        return {"relation": self.relation, "name": self.name, "definition": self.definition}

    @property
    def identity(self) -> dict[str, str]:
        return {"relation": self.relation, "name": self.name}


@dataclass(frozen=True)
class Restored:
    """A key that is back. With orphans it guards new rows only, until they are gone and `restore` is repeated."""

    key: CrossingKey
    orphans: tuple[str, ...] = ()
    count: int = 0

    def __str__(self) -> str:
        where = f'foreign key "{self.key.name}" of {self.key.relation}'
        if not self.count:
            return f"{where} is back"
        more = ", ..." if self.count > len(self.orphans) else ""
        return f"{where} is back but not valid: {self.count} row(s) refer to nothing: {', '.join(self.orphans)}{more}"


def _text(text: str) -> sql.SQL:
    """SQL that PostgreSQL itself has written, names quoted."""
    return sql.SQL(text)


def drop(database: SideDatabase, plan: Plan, patience: float) -> list[CrossingKey]:
    """Drop what the plan says from a side on which the domain is enrolled. Repeating it finds nothing more."""
    names = [name for name, decision in plan.crossing.foreign_keys.items() if decision == "drop"]
    with database.connection() as connection, connection.transaction():
        connection.execute("set local search_path = ''")
        connection.execute(_TABLE)
        found = connection.execute(_PRESENT, {"names": names, "domain": plan.domain}).fetchall()
    keys = [CrossingKey(**row) for row in found]
    for key in keys:
        _patiently(database, plan, key, patience, partial(_drop, domain=plan.domain, key=key))
    return keys


def _drop(connection: psycopg.Connection[dict[str, Any]], domain: str, key: CrossingKey) -> None:
    connection.execute(
        "insert into fig.crossing_key (domain, relation, name, definition, orphans)"
        " values (%(domain)s, %(relation)s, %(name)s, %(definition)s, %(orphans)s)"
        " on conflict (domain, relation, name) do update set definition = excluded.definition",
        {"domain": domain, "orphans": key.orphans, **key.as_json()},
    )
    connection.execute(
        sql.SQL("alter table {} drop constraint if exists {}").format(_text(key.relation), sql.Identifier(key.name))
    )


def dropped(database: SideDatabase, domain: str) -> list[CrossingKey]:
    """The keys that wait to be restored on this side."""
    with database.connection() as connection:
        connection.execute(_TABLE)
        found = connection.execute(
            "select relation, name, definition, orphans from fig.crossing_key where domain = %s order by 1, 2", [domain]
        )
        return [CrossingKey(**row) for row in found.fetchall()]


def restore(database: SideDatabase, plan: Plan, patience: float) -> list[Restored]:
    """Put every dropped key back on a side that owns the domain again; first for new rows, then checked for all."""
    return [_restore(database, plan, key, patience) for key in dropped(database, plan.domain)]


def _restore(database: SideDatabase, plan: Plan, key: CrossingKey, patience: float) -> Restored:
    try:
        _patiently(database, plan, key, patience, partial(_add, key=key))
        _patiently(database, plan, key, patience, partial(_validate, domain=plan.domain, key=key))
    except psycopg.errors.ForeignKeyViolation:
        with database.connection() as connection:
            return _orphans(connection, key)
    return Restored(key)


def _add(connection: psycopg.Connection[dict[str, Any]], key: CrossingKey) -> None:
    state = connection.execute(_STATE, key.identity).fetchone()
    if state is None or state["present"]:
        return
    # A partitioned table takes no key that is not valid: there the check happens at once, under the lock.
    later = "" if state["partitioned"] or key.definition.endswith(" NOT VALID") else " not valid"
    connection.execute(
        sql.SQL("alter table {} add constraint {} {}").format(
            _text(key.relation), sql.Identifier(key.name), _text(key.definition + later)
        )
    )


def _validate(connection: psycopg.Connection[dict[str, Any]], domain: str, key: CrossingKey) -> None:
    connection.execute("set local statement_timeout = 0")  # Writers go on meanwhile, however long it takes.
    connection.execute(
        sql.SQL("alter table {} validate constraint {}").format(_text(key.relation), sql.Identifier(key.name))
    )
    connection.execute(
        "delete from fig.crossing_key where domain = %(domain)s and relation = %(relation)s and name = %(name)s",
        {"domain": domain, **key.identity},
    )


def _orphans(connection: psycopg.Connection[dict[str, Any]], key: CrossingKey) -> Restored:
    """Who refers to nothing, by key."""
    query = sql.SQL("select key, count(*) over () as count from ({}) orphan order by key limit {}").format(
        _text(key.orphans), sql.Literal(SHOWN)
    )
    found = connection.execute(query).fetchall()
    return Restored(key, tuple(row["key"] for row in found), found[0]["count"] if found else 0)


def _patiently(
    database: SideDatabase,
    plan: Plan,
    key: CrossingKey,
    patience: float,
    act: Callable[[psycopg.Connection[dict[str, Any]]], None],
) -> None:
    """Try in short transactions: nobody waits behind us for longer than the plan's bound for a lock."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with database.connection() as connection, connection.transaction():
                bound = f"{max(1, round(plan.limits.fence_lock * 1000))}ms"
                connection.execute("select set_config('lock_timeout', %s, true)", [bound])
                act(connection)
                return
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > deadline:
                raise TablesBusy(plan.domain, database.side, _in_the_way(database, plan, key)) from error
        time.sleep(PAUSE)


def _in_the_way(database: SideDatabase, plan: Plan, key: CrossingKey) -> list[Blocker]:
    """Of either table: a key's change waits for readers, too, as a dump is one."""
    with database.connection() as connection:
        found = connection.execute(_TABLES, key.identity).fetchone()
    return database.blockers(plan.domain, found["tables"] if found else (), readers=True)
