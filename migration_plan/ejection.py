"""Every trace of ours leaves the databases of both sides, and each is named: `fig eject`.

`inspect` looks, `judge` decides, `remove` acts. What is gone is gone for good only in an order that a death anywhere
leaves repeatable: the schema, which the others need, comes last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migration_plan.errors import FigError, Refusal, SideUnreachable
from migration_plan.exit_codes import Exit
from migration_plan.lifecycle import Side, Stage
from migration_plan.parts import Parts
from migration_plan.side import CONNECT

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


class EjectRefused(FigError):
    """All reasons at once; nothing was removed."""

    code = "eject-refused"
    exit_code = Exit.REFUSED

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        lines = "\n".join(f"  - [{r.code}] {r.message} ({r.next_step})" for r in refusals)
        super().__init__(f"{len(refusals)} reason(s) against it; nothing was removed:\n{lines}")
        self.refusals = refusals

    def as_json(self) -> dict[str, object]:
        return {**super().as_json(), "refusals": [refusal.as_json() for refusal in self.refusals]}


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


def judge(stages: dict[str, Stage], outboxes: Sequence[str], found: Sequence[Found]) -> list[Refusal]:
    """Every reason why something would be lost or broken; pure. `outboxes`: the domains that publish through fig."""
    refusals = []
    for domain, stage in stages.items():
        if stage is Stage.RETIRED:
            if domain in outboxes:
                refusals.append(Refusal(
                    "publishes", f'"{domain}" is retired, and fig publishes what it writes into its outbox',
                    "let another publisher take the outbox over, and take it out of the plan"))  # fmt: skip
        elif stage is not Stage.MONOLITH:
            refusals.append(Refusal(
                "moving", f'"{domain}" is in stage {stage}: one side would go on with old rows, and nobody would keep'
                " its writers out", f"fig rollback {domain}, or fig advance {domain} until it is retired"))  # fmt: skip
    for one in found:
        refusals += [*_in_the_way(one)]
        retired = [domain for domain, stage in stages.items() if stage is Stage.RETIRED]
        fences = [trace.name for trace in one.traces if trace.kind == "trigger" and one.place.side is Side.MONOLITH]
        if retired and fences:
            refusals.append(Refusal(
                "fenced", f"{one.place.name}: {', '.join(fences)} keep old writers out of what is retired"
                f" ({', '.join(retired)})", "delete those tables first: fig history lists them"))  # fmt: skip
    return refusals


def _in_the_way(found: Found) -> Iterator[Refusal]:
    name = found.place.name
    if found.sessions:
        yield Refusal(
            "running", f"{name}: {', '.join(found.sessions)} are connected",
            "stop `fig streams` and `fig controller` (local stack: fig stop streams controller)")  # fmt: skip
    if found.strangers:
        yield Refusal(
            "depended-on", f"{name}: {', '.join(found.strangers)} stand on tables or functions of fig and would go"
            " with them", "drop or change them first")  # fmt: skip
    if found.dropped_keys:
        yield Refusal(
            "keys-away", f"{name}: foreign keys that fig has dropped are not back: {', '.join(found.dropped_keys)}",
            "fig history names the rows that refer to nothing; mend them, then fig resume")  # fmt: skip
    if found.missing_indexes:
        yield Refusal(
            "indexes-away", f"{name}: what a copy has taken away is not back: {', '.join(found.missing_indexes)}",
            "let the copy end: fig advance the domain, then fig rollback it")  # fmt: skip
    if not found.place.admin_dsn and any(trace.kind == "event trigger" for trace in found.traces):
        yield Refusal(
            "superuser", f"{name}: only a superuser can drop the event triggers fig_sentry…",
            "drop event trigger fig_sentry, and those whose names begin so; or give admin_dsn in the plan")  # fmt: skip


def remove(found: Found) -> Iterator[Trace]:
    """Take the traces away, one at a time; each is yielded once it is gone. May be repeated after a death."""
    for trace in found.traces:
        dsn = found.place.admin_dsn if trace.kind == "event trigger" else found.place.dsn
        with _connected(found.place, dsn) as connection:
            _patiently(connection, trace)
        yield trace


def _patiently(connection: psycopg.Connection[Any], trace: Trace) -> None:
    """Nobody waits for us longer than LOCK_MS at a time."""
    deadline = time.monotonic() + PATIENCE
    connection.execute(f"set lock_timeout = {LOCK_MS}")
    while True:
        try:
            connection.execute(trace.statement.encode())
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse) as error:
            if time.monotonic() > deadline:
                raise FigError(f"{trace} is in use: {error.diag.message_primary}", "fig eject   (again)") from error
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
