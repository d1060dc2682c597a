"""What a target remembers of copies: attempts, units, which transactions have written. Read by anybody."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg

from cdc.comparing.view import Range
from cdc.copying.errors import SnapshotRunning, SnapshotSuperseded
from cdc.copying.snapshot_plan import Unit

INITIAL = "initial"
"""The task of a stream's first copy; any other task is the refill of the table of that name."""

Lens: TypeAlias = Mapping[str, Mapping[str, str]]
"""Target table → column → what it is made of."""

_LOCK = "hashtext('fig.snapshot'), hashtext(%s)"
_HOLDER = """
    select 1 from pg_catalog.pg_locks
    where locktype = 'advisory' and granted and objsubid = 2
      and database = (select oid from pg_catalog.pg_database where datname = current_database())
      and classid = (hashtext('fig.snapshot')::bigint & 4294967295)::oid
      and objid = (hashtext(%s)::bigint & 4294967295)::oid
"""


@dataclass(frozen=True)
class Attempt:
    """One run of one copy."""

    stream: str
    task: str
    id: str


@contextmanager
def alone(target: psycopg.Connection[Any], stream: str, patience: float) -> Iterator[None]:
    """Nobody else copies for this stream while this connection lives. A dead process is waited for."""
    deadline = time.monotonic() + patience
    while not _one(target, f"select pg_try_advisory_lock({_LOCK})", stream):
        if time.monotonic() > deadline:
            raise SnapshotRunning(stream)
        select.select([], [], [], 0.05)
    try:
        yield
    finally:
        if not target.closed and target.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            target.execute(f"select pg_advisory_unlock({_LOCK})", [stream])


def is_running(target: psycopg.Connection[Any], stream: str) -> bool:
    """Whether a process that copies for this stream is alive."""
    return target.execute(_HOLDER, [stream]).fetchone() is not None


def begin(target: psycopg.Connection[Any], stream: str, task: str) -> Attempt:
    """A new attempt, inside the caller's transaction. Waits for what is left of the one before."""
    attempt = Attempt(stream, task, str(uuid4()))
    target.execute(
        "insert into fig.snapshot (stream, task, attempt) values (%s, %s, %s) on conflict (stream, task) do update"
        " set attempt = excluded.attempt, began_at = clock_timestamp(), completed_at = null",
        [stream, task, attempt.id],
    )
    return attempt


def unfinished(
    target: psycopg.Connection[Any], stream: str, task: str, within: Range, lens: Lens
) -> list[tuple[int, int, Range]] | None:
    """(filling, number, range) of what the same task with the same lens has left undone; None if there is none."""
    known = target.execute(
        "select 1 from fig.snapshot where stream = %s and task = %s and completed_at is null"
        " and asked = %s::jsonb and lens = %s::jsonb",
        [stream, task, _asked(within), json.dumps(lens)],
    ).fetchone()
    if known is None:
        return None
    rows = target.execute(
        "select filling, number, after, upto from fig.snapshot_unit"
        " where stream = %s and task = %s and state = 'waiting' order by filling, number",
        [stream, task],
    ).fetchall()
    return [(f, n, Range(tuple(a) if a else None, tuple(u) if u else None)) for f, n, a, u in rows]


def forget_refills(target: psycopg.Connection[Any], stream: str) -> None:
    """A first copy replaces what refills have done."""
    for table in ("snapshot_unit", "snapshot"):
        query = f"delete from fig.{table} where stream = %s and task <> %s"  # noqa: S608  One of two names.
        target.execute(query.encode(), [stream, INITIAL])


def plan(target: psycopg.Connection[Any], attempt: Attempt, units: Sequence[Unit], within: Range, lens: Lens) -> None:
    """What this attempt is going to do, inside the caller's transaction."""
    target.execute("delete from fig.snapshot_unit where stream = %s and task = %s", [attempt.stream, attempt.task])
    rows = [
        (attempt.stream, attempt.task, unit.pair.number, unit.number, str(unit.pair.filling.target),
         list(unit.within.after) if unit.within.after else None, list(unit.within.upto) if unit.within.upto else None)
        for unit in units
    ]  # fmt: skip
    with target.cursor() as cursor:
        cursor.executemany(
            "insert into fig.snapshot_unit (stream, task, filling, number, target, after, upto)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            rows,
        )
    target.execute(
        "update fig.snapshot set rows_expected = %s, asked = %s, lens = %s"
        " where stream = %s and task = %s and attempt = %s",
        [sum(unit.rows for unit in units), _asked(within), json.dumps(lens), attempt.stream, attempt.task, attempt.id],
    )


def claim(target: psycopg.Connection[Any], attempt: Attempt) -> None:
    """Early in every transaction of an attempt: it is still the newest one, and stays so until the commit."""
    found = target.execute(
        "select 1 from fig.snapshot where stream = %s and task = %s and attempt = %s and completed_at is null"
        " for share",
        [attempt.stream, attempt.task, attempt.id],
    ).fetchone()
    if found is None:
        raise SnapshotSuperseded(attempt.stream)


def unit_done(target: psycopg.Connection[Any], attempt: Attempt, unit: Unit, state: str, rows: int, size: int) -> None:
    """In the transaction that did it."""
    target.execute(
        "update fig.snapshot_unit set state = %s, rows = %s, bytes = %s, done_at = clock_timestamp()"
        " where stream = %s and task = %s and filling = %s and number = %s",
        [state, rows, size, attempt.stream, attempt.task, unit.pair.number, unit.number],
    )


def wrote(target: psycopg.Connection[Any], stream: str) -> None:
    """The current transaction copies rows: it will be these rows' last writer."""
    target.execute(
        "insert into fig.snapshot_writer (stream, xid) values (%s, pg_current_xact_id()) on conflict do nothing",
        [stream],
    )


def complete(target: psycopg.Connection[Any], attempt: Attempt, source_snapshot: str | None) -> None:
    """In the transaction that makes it so."""
    target.execute(
        "update fig.snapshot set completed_at = clock_timestamp(), source_snapshot = %s"
        " where stream = %s and task = %s and attempt = %s",
        [source_snapshot, attempt.stream, attempt.task, attempt.id],
    )


def _asked(within: Range) -> str:
    return json.dumps([within.after, within.upto])


def _one(connection: psycopg.Connection[Any], query: str, *parameters: object) -> Any:
    row = connection.execute(query.encode(), list(parameters)).fetchone()
    return row[0] if row else None
