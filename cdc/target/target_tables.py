"""What an applier has to know of tables: the types of its target's columns, and what its source's were at set-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from cdc.errors import CatalogueError
from cdc.projection import Table
from cdc.target.binding import ColumnTypes, SetUpColumns

_COLUMNS = """
    select a.attname, pg_catalog.format_type(a.atttypid, -1)
    from pg_catalog.pg_attribute a
    where a.attrelid = %s and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
"""

_FIXED = """
    select a.attname from pg_catalog.pg_attribute a
    where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped and a.attidentity = 'a'
"""


def read(connection: psycopg.Connection[Any], tables: Iterable[Table]) -> dict[Table, ColumnTypes]:
    """The target tables; run with search_path = pg_catalog, so that type names come out qualified."""
    return {table: _types(connection, table) for table in tables}


def fixed(connection: psycopg.Connection[Any], tables: Iterable[Table]) -> dict[Table, frozenset[str]]:
    """The columns that PostgreSQL lets nobody update: identities that are generated always."""
    return {
        table: frozenset(name for (name,) in connection.execute(_FIXED, [table.quoted]).fetchall()) for table in tables
    }


def set_up(connection: psycopg.Connection[Any], stream: str) -> Mapping[Table, SetUpColumns]:
    """The source's columns that the stream was set up for."""
    found = connection.execute("select relation, columns from fig.stream_source where stream = %s", [stream])
    return {Table.parse(relation): columns for relation, columns in found.fetchall()}


def _types(connection: psycopg.Connection[Any], table: Table) -> ColumnTypes:
    found = connection.execute("select to_regclass(%s)::oid", [table.quoted]).fetchone()
    if found is None or found[0] is None:
        raise CatalogueError(f"target table {table} does not exist", "Create it, or correct the plan's lens")
    return dict(connection.execute(_COLUMNS, [found[0]]).fetchall())
