"""Reads one side's facts: catalogs and statistics only, read-only, and nothing is locked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from cdc.asking import ask
from cdc.copying.snapshot_indexes import missing_key
from cdc.pooled import is_pooled
from cdc.projection import Table
from migration_plan.lifecycle import Side
from migration_plan.plan import Plan
from migration_plan.preflight import facts

_OPTIONS = "-c statement_timeout=10s -c lock_timeout=1s -c default_transaction_read_only=on -c jit=off"

Rows = list[dict[str, Any]]


def _made(kind: Callable[..., Any], row: Mapping[str, Any], *relations: str) -> Any:
    """A value of facts.py from the row of its query; `relations`: the columns that name one, as [schema, name]."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return kind(**values | {column: Table(*row[column]) for column in relations})


def _each(kind: Callable[..., Any], *relations: str) -> Callable[[Rows], Any]:
    return lambda rows: tuple(_made(kind, row, *relations) for row in rows)


def _names(rows: Rows) -> tuple[str, ...]:
    return tuple(row["name"] for row in rows)


_FIELDS: Mapping[str, Callable[[Rows], Any]] = {
    "triggers": _each(facts.Trigger, "table"),
    "foreign_keys": _each(facts.ForeignKey, "table", "references"),
    "sequences": _each(facts.Sequence, "name"),
    "outbox_columns": _names,
    "publication_tables": _names,
    "foreign_slots": _names,
    "own_slots": _names,
    "missing_slots": lambda rows: rows[0]["missing"],
    "views": _names,
    "prepared_elsewhere": _names,
    "sessions": _each(facts.Session),
    "maintenance": _each(facts.Maintenance),
    "writers": _each(facts.Writer),
    "writer_roles": _names,
    "writer_functions": _names,
    "writer_views": _names,
    "writer_rules": _names,
    "policies": _names,
}
"""Those of SideFacts that each are what one query of the same name gives, with the tables' oids."""


@contextmanager
def look(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A short read-only connection; whatever happens in it, nothing stays behind."""
    try:
        options = conninfo_to_dict(dsn).get("options", "")
    except psycopg.ProgrammingError as error:
        # The parser's message may quote a password.
        raise psycopg.OperationalError("its dsn cannot be understood") from error
    connection = psycopg.connect(
        make_conninfo(dsn, connect_timeout="2", application_name="fig-preflight", options=f"{options} {_OPTIONS}")
    )
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def read_side(
    connection: psycopg.Connection[Any], plan: Plan, side: Side, slots: Sequence[str] = ()
) -> facts.SideFacts:  # fmt: skip
    """All facts of one side through a connection of `look`. `slots`: those of publishers that come with the domain."""
    wanted = plan.lens.tables(side)
    parameters = _parameters(plan, side, wanted, slots)
    first = _answers(connection, ["has_fig", "server", "role", "tables"], parameters)
    parameters["oids"] = [row["oid"] for row in first["tables"]]
    # A schema that is not ours may be closed to us.
    may_read = first["has_fig"][0]["yes"]
    found = _answers(connection, [*_FIELDS, *(["enrolments"] if may_read else [])], parameters)
    domains = {row["oid"]: row["domain"] for row in found.get("enrolments", [])}
    tables = tuple(_table(connection, row, domains) for row in first["tables"])
    present = {table.table for table in tables}
    return facts.SideFacts(
        side=side,
        pooled=is_pooled(connection),
        server=_made(facts.Server, first["server"][0]),
        role=_made(facts.Role, first["role"][0]),
        tables=tables,
        missing=tuple(table for table in wanted if table not in present),
        **{field: made_of(found[field]) for field, made_of in _FIELDS.items()},
    )


def _parameters(plan: Plan, side: Side, tables: Sequence[Table], slots: Sequence[str]) -> dict[str, object]:
    slot = f"fig_{plan.domain}_to_{side.other}"
    return {
        "domain": plan.domain,
        "publication": f"fig_{plan.domain}",
        "outbox": plan.outbox[side].quoted if plan.outbox else None,
        "slot": slot,
        "slots": [slot, *slots],
        **_listed("", tables),
        **_listed("sequence_", [Table.parse(getattr(pair, side)) for pair in plan.sequences]),
    }


def _listed(prefix: str, tables: Sequence[Table]) -> dict[str, object]:
    return {f"{prefix}schemas": [t.schema for t in tables], f"{prefix}names": [t.name for t in tables]}


@cache
def _queries() -> dict[str, LiteralString]:
    """The named queries of queries.sql."""
    text = files(__package__).joinpath("queries.sql").read_text(encoding="utf-8")
    parts = text.split("-- :name ")[1:]
    return {part.split("\n", 1)[0].strip(): part.split("\n", 1)[1] for part in parts}


def _answers(
    connection: psycopg.Connection[Any], names: Sequence[str], parameters: Mapping[str, object]
) -> dict[str, Rows]:
    """What the queries of these names give, all asked at once."""
    queries = [_queries()[name] for name in names]
    return dict(zip(names, ask(connection, queries, dict_row, parameters), strict=True))


def _table(connection: psycopg.Connection[Any], row: dict[str, Any], domains: Mapping[int, str]) -> facts.TableFacts:
    # While a first copy fills a table, its key may be away.
    key = row["primary_key"] or missing_key(connection, Table(*row["table"]))
    found: facts.TableFacts = _made(
        facts.TableFacts, {**row, "primary_key": key, "fig_domain": domains.get(row["oid"], "")}, "table", "root"
    )
    return found
