"""Reads one side's facts: catalogs and statistics only, in one read-only transaction that locks no table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from cdc.copying.snapshot_indexes import missing_key
from cdc.pooled import is_pooled
from cdc.projection import Table
from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Side
from migration_plan.preflight import facts


@contextmanager
def look(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A short read-only connection; whatever happens in it, nothing stays behind."""
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        # The parser's message may quote a password.
        raise psycopg.OperationalError("its dsn cannot be understood") from error
    options = "-c statement_timeout=10s -c lock_timeout=1s -c default_transaction_read_only=on"
    connection = psycopg.connect(
        make_conninfo(dsn, connect_timeout="2", application_name="fig-preflight", options=options)
    )
    try:
        with connection:
            yield connection
    finally:
        connection.close()


@cache
def _queries() -> dict[str, LiteralString]:
    """The named queries of queries.sql."""
    text = files(__package__).joinpath("queries.sql").read_text(encoding="utf-8")
    parts = text.split("-- :name ")[1:]
    return {part.split("\n", 1)[0].strip(): part.split("\n", 1)[1] for part in parts}


class _Reader:
    """Runs the named queries with one set of parameters."""

    def __init__(self, connection: psycopg.Connection[Any], parameters: dict[str, object]) -> None:
        self._connection = connection
        self._parameters = parameters

    def rows(self, name: str) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_queries()[name], self._parameters).fetchall()

    def row(self, name: str) -> dict[str, Any]:
        return self.rows(name)[0]

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(row["name"] for row in self.rows(name))

    def learn(self, **more: object) -> None:
        self._parameters.update(more)


def read_side(
    connection: psycopg.Connection[Any], plan: Plan, side: Side, slots: Sequence[str] = ()
) -> facts.SideFacts:  # fmt: skip
    """All facts of one side through a connection of `look`. `slots`: those of publishers that come with the domain."""
    wanted = plan.lens.tables("monolith" if side is Side.MONOLITH else "service")
    reader = _Reader(
        connection,
        {
            "domain": plan.domain,
            "publication": f"fig_{plan.domain}",
            "outbox": plan.outbox[side].quoted if plan.outbox else None,
            "slot": f"fig_{plan.domain}_to_{side.other}",
            "slots": [f"fig_{plan.domain}_to_{side.other}", *slots],
            **_names("", wanted),
            **_names(
                "sequence_",
                [Table.parse(pair.monolith if side is Side.MONOLITH else pair.service) for pair in plan.sequences],
            ),
        },
    )
    # While a first copy fills a table, its key may be away.
    found = [
        {**row, "primary_key": row["primary_key"] or list(missing_key(connection, Table(*row["table"])))}
        for row in reader.rows("tables")
    ]
    reader.learn(oids=[row["oid"] for row in found])
    enrolled = {row["oid"]: row["domain"] for row in reader.rows("enrolments")} if reader.row("has fig")["yes"] else {}
    tables = tuple(_table({**row, "fig_domain": enrolled.get(row["oid"], "")}) for row in found)
    present = {table.table for table in tables}
    return facts.SideFacts(
        side=side,
        pooled=is_pooled(connection),
        server=facts.Server(**_tuples(reader.row("server"))),
        role=facts.Role(**_tuples(reader.row("role"))),
        missing=tuple(table for table in wanted if table not in present),
        tables=tables,
        triggers=tuple(facts.Trigger(**_tabled(row, "table")) for row in reader.rows("triggers")),
        foreign_keys=tuple(
            facts.ForeignKey(**_tabled(row, "table", "references")) for row in reader.rows("foreign keys")
        ),
        sequences=tuple(facts.Sequence(**_tabled(row, "name")) for row in reader.rows("sequences")),
        outbox_columns=reader.names("outbox columns"),
        publication_tables=reader.names("publication tables"),
        foreign_slots=reader.names("foreign slots"),
        own_slots=reader.names("own slots"),
        missing_slots=len(slots) + 1 - int(reader.row("slots there")["found"]),
        views=reader.names("views"),
        prepared_elsewhere=reader.names("prepared transactions"),
        sessions=tuple(facts.Session(**row) for row in reader.rows("sessions")),
        maintenance=tuple(facts.Maintenance(**row) for row in reader.rows("maintenance")),
        writers=tuple(facts.Writer(**row) for row in reader.rows("writers")),
        writer_roles=reader.names("writer roles"),
        writer_functions=reader.names("writer functions"),
        writer_views=reader.names("writer views"),
        writer_rules=reader.names("writer rules"),
        policies=reader.names("policies"),
    )


def _names(prefix: str, tables: Sequence[Table]) -> dict[str, object]:
    return {f"{prefix}schemas": [t.schema for t in tables], f"{prefix}names": [t.name for t in tables]}


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _tabled(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {**row, **{column: Table(*row[column]) for column in columns}}


def _table(row: dict[str, Any]) -> facts.TableFacts:
    return facts.TableFacts(**_tabled(_tuples(row), "table", "root"))
