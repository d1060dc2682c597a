"""Tables with what Debezium can carry, on a source and a target, and a stream between them."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from cdc.kafka.transport import KafkaTransport
from cdc.projection import Column, Projection, Role, Table
from cdc.spec import StreamSpec
from tests.integration.cdc.debezium import workload

Columns = Mapping[str, tuple[str, ...]]
SINK_CANNOT: Columns = {
    # The sink (3.6) has no way to write these into PostgreSQL, whoever wrote the topic.
    "scalars": (
        "timetz", "bit1", "point", "tsquery", "pg_lsn", "int4multirange", "pair", "hstore",
    ),
    "arrays": (
        "numeric", "numeric_12_3", "bytea", "date", "time", "timetz", "timestamp", "timestamptz", "inet", "mood",
        "int4range",
    ),
}  # fmt: skip
SOURCE_LOSES: Columns = {
    # Debezium's connector does not tell all of these values.
    "scalars": ("varbit", "timetz"),
    "arrays": ("time", "timetz"),
}
_STREETS = """
    create table "Straßen" (
        "Straße" text, nummer integer, "Sein Name" text default 'it''s',
        doubled integer generated always as (nummer * 2) stored, primary key ("Straße", nummer)
    )
"""
TABLES = ("carried", "carried arrays", "Straßen")

CHANGES: tuple[tuple[str, ...], ...] = (
    (
        "insert into carried select * from more_carried",
        'insert into "carried arrays" select * from "more_carried arrays"',
    ),
    ("update carried set text = null, jsonb = '[1]', numeric = 'NaN' where id = 1", "delete from carried where id = 2"),
    ("update carried set id = 100 where id = 1", """insert into "Straßen" values ('Weg', 1), ('Weg', 2)"""),
    (
        """update "Straßen" set "Sein Name" = null where nummer = 1""",
        """update "Straßen" set nummer = 7 where nummer = 2""",
        """delete from "Straßen" where "Straße" = 'Hauptstraße'""",
    ),
)  # fmt: skip
OUT_OF_LINE = (
    "alter table carried alter column text set storage external",
    "update carried set text = repeat('x', 9000) where id = 100",
    "update carried set int4 = 5 where id = 100",
)
"""A large value that does not change is not sent again."""


def make_source(dsn: str, without: Columns) -> None:
    """The workload's tables; beside them the same `without` some columns, with rows; and more rows for later."""
    with psycopg.connect(dsn, autocommit=True) as source:
        source.execute(workload.SCHEMA)
        source.execute(_STREETS)
        source.execute("""insert into "Straßen" values ('Hauptstraße', 1, 'vorher'), ('Hauptstraße', 2, null)""")
        for statement in (*workload.BEFORE, *workload.TRANSACTIONS[0], *workload.TRANSACTIONS[3]):
            source.execute(statement)
        for made, origin in (("carried", "scalars"), ("carried arrays", "arrays")):
            columns = _columns(source, origin, without[origin])
            source.execute(f'create table "{made}" as select {columns} from {origin} where id < 10 order by id')
            source.execute(f'create table "more_{made}" as select {columns} from {origin} order by id')
            source.execute(f'update "more_{made}" set id = id + 1000')
            source.execute(f'alter table "{made}" add primary key (id)')


def make_target(dsn: str, without: Columns) -> None:
    with psycopg.connect(dsn, autocommit=True) as target:
        target.execute(workload.SCHEMA)
        target.execute(_STREETS)
        for made, origin in (("carried", "scalars"), ("carried arrays", "arrays")):
            target.execute(f'create table "{made}" as select {_columns(target, origin, without[origin])} from {origin}')
            target.execute(f'alter table "{made}" add primary key (id)')


def _columns(connection: psycopg.Connection[tuple[object, ...]], table: str, without: tuple[str, ...]) -> str:
    found = connection.execute(
        "select quote_ident(attname) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and attname <> all(%s) order by attnum",
        [table, list(without)],
    ).fetchall()
    return ", ".join(str(name) for (name,) in found)


def stream(name: str, source: str, target: str, transport: KafkaTransport) -> StreamSpec:
    """Every table to the table of its name."""
    return StreamSpec(
        name=name, domain=name, source_dsn=source, target_dsn=target, slot=f"fig_{name}", publication=f"fig_{name}",
        origin=f"fig_{name}", projections=tuple(_same(source, table) for table in TABLES), heartbeat=0.1,
        kafka=transport,
    )  # fmt: skip


def _same(dsn: str, name: str) -> Projection:
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(
            "select attname, attnum = any(coalesce(indkey::int2[], '{}')) from pg_attribute a left join pg_index i"
            " on indrelid = attrelid and indisprimary"
            " where attrelid = quote_ident(%s)::regclass and attnum > 0 and attgenerated = '' order by attnum",
            [name],
        ).fetchall()
    table = Table("public", name)
    columns = tuple(Column(column, (column,), "{" + column + "}") for column, _ in found)
    return Projection(table, table, tuple((c, c) for c, is_key in found if is_key), columns, Role.PRIMARY, ())


def contents(dsn: str) -> dict[str, list[str]]:
    """All rows as text."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return {
            table: [row for (row,) in connection.execute(f'select "{table}"::text from "{table}" order by 1')]
            for table in TABLES
        }
