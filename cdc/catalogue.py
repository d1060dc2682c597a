"""What one side's PostgreSQL says about its tables: columns, types, keys, and what its CHECKs prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, DataError, sql

from cdc.copying.snapshot_indexes import missing_key
from cdc.errors import CatalogueError
from cdc.projection import Table

_COLUMNS = """
    select a.attname,
           pg_catalog.format_type(b.oid, case when t.typtype = 'd' then t.typtypmod else a.atttypmod end),
           pg_catalog.format_type(b.oid, -1),
           not (a.attnotnull or t.typnotnull),
           a.attgenerated <> '',
           b.typcollation <> 0 or b.typtype = 'e',
           array(select e.enumlabel::text from pg_catalog.pg_enum e
                 where e.enumtypid = b.oid order by e.enumsortorder)
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
    where a.attrelid = %s and a.attnum > 0 and not a.attisdropped
    order by a.attnum
"""

_PRIMARY_KEY = """
    select a.attname
    from pg_catalog.pg_index i
    cross join lateral unnest(i.indkey::int2[]) with ordinality k(attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = %s and i.indisprimary and k.place <= i.indnkeyatts
    order by k.place
"""

# A partitioned table has the figures in its partitions.
_ESTIMATE = """
    select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_catalog.pg_class
    where oid = %(oid)s and relkind = 'r'
       or oid in (select relid from pg_catalog.pg_partition_tree(%(oid)s) where isleaf)
"""

_NULL_TOGETHER = """
    select exists (
        select from pg_catalog.pg_constraint
        where conrelid = %(oid)s and contype = 'c' and convalidated
          and pg_catalog.pg_get_expr(conbin, conrelid) in (
              format('((%%I IS NULL) = (%%I IS NULL))', %(a)s::text, %(b)s::text),
              format('((%%I IS NULL) = (%%I IS NULL))', %(b)s::text, %(a)s::text)))
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


def _compared(live: LiveColumn, operator: str, value: str) -> sql.Composed:
    subject, type_name = sql.Composed([sql.Identifier(live.name)]), sql.SQL(live.cast_type)
    if live.cast_type == "character varying":  # PostgreSQL compares these as text in CHECKs too.
        subject, type_name = subject + sql.SQL("::text"), sql.SQL("text")
    return sql.SQL("{} {} {}::{}").format(subject, sql.SQL(operator), sql.Literal(value), type_name)


class Catalogue:
    """One side's catalogue, read through a connection that may be inside any transaction."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._tables: dict[Table, LiveTable | None] = {}

    def find(self, table: Table) -> LiveTable | None:
        """The table, or None if it does not exist or is a view."""
        if table not in self._tables:
            self._tables[table] = self._read(table)
        return self._tables[table]

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

    def confines(self, table: Table, column: str, values: Sequence[str]) -> bool:
        """The table's CHECKs allow no other values than these (NULL aside)."""
        return self._excludes(table, [(column, "<>", value) for value in values])

    def admits(self, table: Table, column: str, value: str) -> bool:
        """No CHECK of the table forbids this value."""
        return self.may_hold(table, {column: value})

    def may_hold(self, table: Table, values: Mapping[str, str]) -> bool:
        """No CHECK of the table forbids a row with all these values (column → value)."""
        return not self._excludes(table, [(column, "=", value) for column, value in values.items()])

    def null_together(self, table: Table, one: str, other: str) -> bool:
        """A CHECK says so, in these words: `(one IS NULL) = (other IS NULL)`."""
        row = self._connection.execute(_NULL_TOGETHER, {"oid": self.get(table).oid, "a": one, "b": other}).fetchone()
        return row is not None and row[0] is True

    def represents(self, value: str, type_name: str) -> bool:
        """The text is a value of the type and is written there exactly so."""
        query = sql.SQL("select {value}::{type}::text = {value}").format(
            value=sql.Literal(value), type=sql.SQL(type_name)
        )
        try:
            with self._connection.transaction(force_rollback=True):
                row = self._connection.execute(query).fetchone()
        except DataError:
            return False
        return row is not None and row[0] is True

    def _excludes(self, table: Table, comparisons: Sequence[tuple[str, str, str]]) -> bool:
        """The planner proves from the CHECKs that no row can match; nobody else reads CHECKs reliably."""
        conditions = [_compared(self.get(table).column(column), *compared) for column, *compared in comparisons]
        query = sql.SQL("explain (format json, costs off) select from {} where {}").format(
            sql.Identifier(table.schema, table.name), sql.SQL(" and ").join(conditions)
        )
        with self._connection.transaction(force_rollback=True):
            self._connection.execute("set local constraint_exclusion = on")
            row = self._connection.execute(query).fetchone()
        return row is not None and row[0][0]["Plan"].get("One-Time Filter") == "false"

    def _read(self, table: Table) -> LiveTable | None:
        found = self._connection.execute(
            "select oid from pg_catalog.pg_class where oid = to_regclass(%s) and relkind in ('r', 'p')",
            [table.quoted],
        ).fetchone()
        if found is None:
            return None
        rows = self._connection.execute(_COLUMNS, [found[0]]).fetchall()
        columns = {row[0]: LiveColumn(*row) for row in rows}
        key = tuple(row[0] for row in self._connection.execute(_PRIMARY_KEY, [found[0]]).fetchall())
        return LiveTable(table, found[0], columns, key or missing_key(self._connection, table))
