"""What of ours lies in a database, seen and named, and how one thing of it is taken away."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migration_plan.errors import FigError, SideUnreachable
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.sides.session import CONNECT

APPLICATION = "fig-eject"
LOCK_MS = 100
PATIENCE = 30.0  # Seconds for one trace that somebody has locked.
PAUSE = 0.2

_SESSIONS: LiteralString = """
    select distinct application_name from pg_stat_activity
    where datname = current_database() and application_name ~ '^fig-' and application_name <> %s order by 1"""

# Whatever of somebody else's stands on ours would go with it: views, foreign keys, functions.
_STRANGERS: LiteralString = """
    select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
    from pg_depend d
    join (select 'pg_class'::regclass as class, oid from pg_class where relnamespace = to_regnamespace('fig')
          union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace = to_regnamespace('fig')
          union all select 'pg_type'::regclass, oid from pg_type where typnamespace = to_regnamespace('fig')) ours
      on d.refclassid = ours.class and d.refobjid = ours.oid
    cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) what
    where d.deptype in ('n', 'a') and what.schema is distinct from 'fig' and what.identity !~ '(on|for) fig\\.'
      and what.identity !~ '^(a_fig_fence on |fig_sentry(_[a-z]+)?$)'
    order by 1"""


@dataclass(frozen=True)
class Trace:
    """One thing of ours in a database, and the statement that takes it away."""

    database: str
    kind: str
    name: str
    statement: str

    def __str__(self) -> str:
        return f"{self.database}: {self.kind} {self.name}"

    def as_json(self) -> dict[str, str]:
        return {"database": self.database, "kind": self.kind, "name": self.name, "statement": self.statement}


@dataclass(frozen=True)
class Place:
    """One database that plans name, however many of them do."""

    name: str
    dsn: str
    admin_dsn: str
    side: Side


@dataclass(frozen=True)
class Found:
    """What a database holds of ours, and what stands in the way."""

    place: Place
    traces: tuple[Trace, ...]
    sessions: tuple[str, ...]
    strangers: tuple[str, ...]
    dropped_keys: tuple[str, ...]
    """Foreign keys whose only definition is in our schema."""
    missing_indexes: tuple[str, ...] = ()
    """Indexes whose only definition is in our schema: a first copy that died has taken them."""


def places(domains: Iterable[Parts]) -> list[Place]:
    """Each database once, in the order of the plans."""
    found: dict[tuple[object, ...], Place] = {}
    for parts in domains:
        for side in Side:
            plan = parts.plan.sides[side]
            said = conninfo_to_dict(plan.dsn)
            key = tuple(said.get(name) for name in ("host", "port", "dbname"))
            known = found.get(key)
            admin = plan.admin_dsn or (known.admin_dsn if known else "")
            found[key] = Place(f"{said.get('dbname')} ({side})", plan.dsn, admin, side)
    return list(found.values())


def inspect(place: Place, streams: Sequence[str]) -> Found:
    """Changes nothing."""
    with _connected(place, place.dsn) as connection:
        query = files(__package__).joinpath("traces.sql").read_bytes()
        traces = connection.execute(query, {"streams": list(streams)}).fetchall()
        sessions = connection.execute(_SESSIONS, [APPLICATION]).fetchall()
        strangers = connection.execute(_STRANGERS).fetchall()
        keys = []
        if connection.execute("select from pg_class where oid = to_regclass('fig.crossing_key')").fetchone():
            keys = connection.execute("select name || ' of ' || relation from fig.crossing_key order by 1").fetchall()
        indexes = []
        if connection.execute("select from pg_class where oid = to_regclass('fig.snapshot_index')").fetchone():
            query = b"select name || ' of ' || relation from fig.snapshot_index order by 1"
            indexes = connection.execute(query).fetchall()
    return Found(
        place,
        tuple(Trace(place.name, *row) for row in traces),
        tuple(row[0] for row in sessions),
        tuple(row[0] for row in strangers),
        tuple(row[0] for row in keys),
        tuple(row[0] for row in indexes),
    )


def remove(place: Place, trace: Trace) -> None:
    """Take it away; one that has gone meanwhile (a dead command's last statement) is no error."""
    dsn = place.admin_dsn if trace.kind == "event trigger" else place.dsn
    with _connected(place, dsn) as connection:
        _patiently(connection, trace)


def _patiently(connection: psycopg.Connection[Any], trace: Trace) -> None:
    """Nobody waits for us longer than LOCK_MS at a time."""
    deadline = time.monotonic() + PATIENCE
    connection.execute(f"set lock_timeout = {LOCK_MS}")
    while True:
        try:
            connection.execute(trace.statement.encode())
            return
        except (psycopg.errors.UndefinedObject, psycopg.errors.InvalidSchemaName):
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse) as error:
            if time.monotonic() > deadline:
                raise FigError(f"{trace} is in use: {error.diag.message_primary}", "fig eject") from error
        time.sleep(PAUSE)


@contextmanager
def _connected(place: Place, dsn: str) -> Iterator[psycopg.Connection[Any]]:
    given = {**CONNECT, "application_name": APPLICATION}
    try:
        connection = psycopg.connect(make_conninfo(dsn, **given), autocommit=True)
    except psycopg.OperationalError as error:
        raise SideUnreachable(place.side, str(error).strip().splitlines()[0]) from error
    with connection:
        yield connection
