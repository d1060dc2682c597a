"""What one side's PostgreSQL says about its tables: columns, types, keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from cdc.asking import ask
from cdc.copying.snapshot_indexes import missing_key
from cdc.errors import CatalogueError
from cdc.projection import Table

# Several tables at once: by their places in the list of names.
_TABLES = """
    select w.place::int, c.oid,
           array(select a.attname::text
                 from pg_catalog.pg_index i
                 cross join lateral unnest(i.indkey::int2[]) with ordinality k(attnum, place)
                 join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                 where i.indrelid = c.oid and i.indisprimary and k.place <= i.indnkeyatts
                 order by k.place)
    from unnest(%(names)s::text[]) with ordinality w (name, place)
    join pg_catalog.pg_class c on c.oid = to_regclass(w.name) and c.relkind in ('r', 'p')
"""

_COLUMNS = """
    select w.place::int, a.attname,
           pg_catalog.format_type(b.oid, case when t.typtype = 'd' then t.typtypmod else a.atttypmod end),
           pg_catalog.format_type(b.oid, -1),
           not (a.attnotnull or t.typnotnull),
           a.attgenerated <> '',
           b.typcollation <> 0 or b.typtype = 'e',
           array(select e.enumlabel::text from pg_catalog.pg_enum e
                 where e.enumtypid = b.oid order by e.enumsortorder)
    from unnest(%(names)s::text[]) with ordinality w (name, place)
    join pg_catalog.pg_class c on c.oid = to_regclass(w.name) and c.relkind in ('r', 'p')
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
    order by w.place, a.attnum
"""

# A partitioned table has the figures in its partitions.
_ESTIMATE = """
    select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_catalog.pg_class
    where oid = %(oid)s and relkind = 'r'
       or oid in (select relid from pg_catalog.pg_partition_tree(%(oid)s) where isleaf)
"""

_COMPARE_WITH_PLAN = "Compare both schemas with the plan: fig plan check"


@dataclass(frozen=True)
class LiveColumn:
    """One column as the catalogue has it; a domain's column has the type under the domain."""

    name: str
    type: str
    """With its modifiers, as format_type() writes it."""
    cast_type: str
    """Without them: what a value can be cast to and lose nothing."""
    nullable: bool
    generated: bool
    sorts_by_collation: bool
    """Its order depends on the server (collation, order of labels)."""
    labels: list[str]
    """Of an enum type; empty for every other one."""


@dataclass(frozen=True)
class LiveTable:
    """One table as the catalogue has it."""

    table: Table
    oid: int
    columns: dict[str, LiveColumn]
    primary_key: tuple[str, ...]

    def column(self, name: str) -> LiveColumn:
        """The column; an error if there is none."""
        if name not in self.columns:
            raise CatalogueError(f"table {self.table} has no column {name}", _COMPARE_WITH_PLAN)
        return self.columns[name]


class Catalogue:
    """One side's catalogue, read through a connection that may be inside any transaction."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._tables: dict[Table, LiveTable | None] = {}

    def find(self, table: Table) -> LiveTable | None:
        """The table, or None if it does not exist or is a view."""
        self.learn([table])
        return self._tables[table]

    def learn(self, tables: Iterable[Table]) -> None:
        """Read them at once; what has been read before stays as it was."""
        wanted = [table for table in dict.fromkeys(tables) if table not in self._tables]
        if wanted:
            self._tables.update(zip(wanted, self._read(wanted), strict=True))

    def get(self, table: Table) -> LiveTable:
        """The table; an error if there is none."""
        found = self.find(table)
        if found is None:
            raise CatalogueError(f"table {table} does not exist", _COMPARE_WITH_PLAN)
        return found

    def estimate(self, table: Table) -> int:
        """Rows as of the last ANALYZE."""
        row = self._connection.execute(_ESTIMATE, {"oid": self.get(table).oid}).fetchone()
        return int(row[0]) if row else 0

    def _read(self, tables: Sequence[Table]) -> Iterator[LiveTable | None]:
        parameters = {"names": [table.quoted for table in tables]}
        rows, columns = ask(self._connection, [_TABLES, _COLUMNS], tuple_row, parameters)
        found = {place: (oid, key) for place, oid, key in rows}
        for place, table in enumerate(tables, 1):
            if place not in found:
                yield None
                continue
            oid, key = found[place]
            live = (LiveColumn(*column) for at, *column in columns if at == place)
            key = tuple(key) or missing_key(self._connection, table)
            yield LiveTable(table, oid, {column.name: column for column in live}, key)
