"""What an applier has to know of its target tables: types, and which columns are unique besides the key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc.errors import CatalogueError
from cdc.projection import Table

_COLUMNS = """
    select a.attname, pg_catalog.format_type(a.atttypid, -1)
    from pg_catalog.pg_attribute a
    where a.attrelid = %s and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
"""

# An index over an expression may depend on any column, so it counts for all of them (attname is null).
_UNIQUE = """
    select distinct a.attname
    from pg_catalog.pg_index i
    left join lateral unnest(i.indkey::int2[]) k(attnum) on true
    left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum and k.attnum <> 0
    where i.indrelid = %s and (i.indisunique or i.indisexclusion) and not i.indisprimary
"""


@dataclass(frozen=True)
class TargetTable:
    """One target table as its catalogue has it."""

    table: Table
    types: dict[str, str]
    unique: frozenset[str]
    """Columns of unique and exclusion constraints other than the primary key."""


def read(connection: psycopg.Connection[Any], tables: Iterable[Table]) -> dict[Table, TargetTable]:
    """The target tables; run with search_path = pg_catalog, so that type names come out qualified."""
    return {table: _read_one(connection, table) for table in tables}


def _read_one(connection: psycopg.Connection[Any], table: Table) -> TargetTable:
    found = connection.execute("select to_regclass(%s)::oid", [table.quoted]).fetchone()
    if found is None or found[0] is None:
        raise CatalogueError(f"target table {table} does not exist", "Create it, or correct the plan's lens")
    types = dict(connection.execute(_COLUMNS, [found[0]]).fetchall())
    unique = {row[0] for row in connection.execute(_UNIQUE, [found[0]]).fetchall()}
    return TargetTable(table, types, frozenset(types if None in unique else unique))
