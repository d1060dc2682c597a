"""What pgoutput does not say of a table, from the source's catalogue: its key, and types not PostgreSQL's own."""

from __future__ import annotations

from typing import Any

import psycopg

from cdc.debezium.envelope_rows import TableFacts
from cdc.debezium.envelope_types import CatalogueType, value_type
from cdc.messages import Relation
from cdc.projection import Table

OWN = 10000
"""Types below are PostgreSQL's."""

_TYPES = """
    select oid::int8, typtype::text, typbasetype::int8, typtypmod, case when typlen = -1 then typelem::int8 else 0 end,
           array(select enumlabel::text from pg_catalog.pg_enum where enumtypid = t.oid order by enumsortorder), typname
    from pg_catalog.pg_type t where oid = any(%s::oid[])
"""

_KEY = """
    select a.attname
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indrelid
    cross join lateral unnest(i.indkey::int2[]) with ordinality k(attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = to_regclass(%s) and k.place <= i.indnkeyatts
      and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end
    order by k.place
"""

_REQUIRED = """
    select attname from pg_catalog.pg_attribute where attrelid = to_regclass(%s) and attnotnull and attnum > 0
"""


def facts(connection: psycopg.Connection[Any], relation: Relation) -> TableFacts:
    """Of a table that pgoutput has announced."""
    catalogue = _catalogue(connection, {column.type_oid for column in relation.columns})
    types = tuple(value_type(column.type_oid, column.modifier, catalogue) for column in relation.columns)
    name = Table(relation.schema, relation.name).quoted
    present = {column.name for column in relation.columns}
    key = tuple(row[0] for row in connection.execute(_KEY, [name]).fetchall())
    required = frozenset(row[0] for row in connection.execute(_REQUIRED, [name]).fetchall())
    return TableFacts(types, key if present.issuperset(key) else (), required)


def _catalogue(connection: psycopg.Connection[Any], oids: set[int]) -> dict[int, CatalogueType]:
    """These types and those they are made of."""
    found: dict[int, CatalogueType] = {}
    wanted = {oid for oid in oids if oid >= OWN}
    while wanted:
        for oid, *said in connection.execute(_TYPES, [list(wanted)]).fetchall():
            kind, base, modifier, element, labels, name = said
            found[oid] = CatalogueType(kind, base, modifier, element, tuple(labels), name)
        made_of = {oid for one in found.values() for oid in (one.base, one.element) if oid >= OWN}
        wanted = made_of - found.keys()
    return found


def generated(connection: psycopg.Connection[Any], table: Table) -> list[str]:
    """Its generated columns, which a stream never has."""
    found = connection.execute(
        "select attname from pg_catalog.pg_attribute"
        " where attrelid = to_regclass(%s) and attgenerated <> '' and not attisdropped",
        [table.quoted],
    ).fetchall()
    return [row[0] for row in found]
