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
from cdc.projection import Table
from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Side
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


def _named(field: str) -> Callable[[Rows], Any]:
    return lambda rows: _names([row for row in rows if row["field"] == field])


_FIELDS: Mapping[str, tuple[str, Callable[[Rows], Any]]] = {
    "triggers": ("triggers", _each(facts.Trigger, "table")),
    "foreign_keys": ("foreign keys", _each(facts.ForeignKey, "table", "references")),
    "sequences": ("sequences", _each(facts.Sequence, "name")),
    "outbox_columns": ("outbox columns", _names),
    "publication_tables": ("publication tables", _names),
    "foreign_slots": ("slots", lambda rows: tuple(row["description"] for row in rows if row["is_foreign"])),
    "own_slots": ("slots", lambda rows: tuple(row["name"] for row in rows if row["is_own"])),
    "views": ("dependents", _named("views")),
    "prepared_elsewhere": ("prepared transactions", _names),
    "sessions": ("sessions", _each(facts.Session)),
    "maintenance": ("maintenance", _each(facts.Maintenance)),
    "writers": ("writers", _each(facts.Writer)),
    "writer_roles": ("writer roles", _names),
    "writer_functions": ("writer functions", _names),
    "writer_views": ("dependents", _named("writer_views")),
    "writer_rules": ("dependents", _named("writer_rules")),
    "policies": ("policies", _names),
}
"""Fields of SideFacts: the query that tells, and what becomes of its rows."""


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
    parameters = {"pid": connection.info.backend_pid, **_parameters(plan, side, wanted, slots)}
    first = _answers(connection, ["session", "server", "role", "tables"], parameters)
    session = first["session"][0]
    parameters["oids"] = [row["oid"] for row in first["tables"]]
    queries = {query for query, _ in _FIELDS.values()} | ({"enrolments"} if session["knows_fig"] else set())
    found = _answers(connection, sorted(queries), parameters)
    domains = {row["oid"]: row["domain"] for row in found.get("enrolments", [])}
    tables = tuple(_table(connection, row, domains) for row in first["tables"])
    present = {table.table for table in tables}
    return facts.SideFacts(
        side=side,
        pooled=session["is_pooled"],
        server=_made(facts.Server, first["server"][0]),
        role=_made(facts.Role, first["role"][0]),
        tables=tables,
        missing=tuple(table for table in wanted if table not in present),
        missing_slots=len(slots) + 1 - len(found["slots"]),
        **{field: made_of(found[query]) for field, (query, made_of) in _FIELDS.items()},
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
