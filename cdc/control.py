"""What is decided about a stream or a publisher: a row on its source, moved by compare-and-set along one table.

The row is written before anything is done, so that whoever comes after a crash knows what was meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.rows import tuple_row


class Phase(StrEnum):
    """Where a stream is with its slot. Persisted."""

    RUNNING = "running"  # It has its slot, or nobody has looked yet. Nothing has to be done.
    GIVEN_UP = "given-up"  # Without slot; comes back by itself at `again_at`.
    COPYING = "copying"  # Somebody is bringing it back: slot, rows, position.
    WAITING = "waiting"  # Cannot go on, and a copy could destroy what only the target has: a person decides.


class Event(StrEnum):
    OVER_BUDGET = "over-budget"  # The slot keeps more WAL than it may.
    LOST = "lost"  # The slot is gone or useless, and a copy from the source is right.
    DOUBTFUL = "doubtful"  # The source is not what it was.
    DUE = "due"  # `again_at` has come.
    ASKED = "asked"  # A person wants a new copy.
    COPIED = "copied"
    COPY_FAILED = "copy-failed"


TRANSITIONS: dict[tuple[Phase, Event], Phase] = {
    (Phase.RUNNING, Event.OVER_BUDGET): Phase.GIVEN_UP,
    (Phase.RUNNING, Event.LOST): Phase.GIVEN_UP,
    (Phase.RUNNING, Event.DOUBTFUL): Phase.WAITING,
    (Phase.RUNNING, Event.ASKED): Phase.GIVEN_UP,
    (Phase.GIVEN_UP, Event.ASKED): Phase.GIVEN_UP,
    (Phase.GIVEN_UP, Event.DOUBTFUL): Phase.WAITING,
    (Phase.GIVEN_UP, Event.DUE): Phase.COPYING,
    (Phase.COPYING, Event.COPIED): Phase.RUNNING,
    (Phase.COPYING, Event.COPY_FAILED): Phase.GIVEN_UP,
    (Phase.COPYING, Event.DOUBTFUL): Phase.WAITING,
    (Phase.COPYING, Event.OVER_BUDGET): Phase.GIVEN_UP,
    (Phase.COPYING, Event.DUE): Phase.COPYING,  # Whoever was copying has died.
    (Phase.WAITING, Event.ASKED): Phase.GIVEN_UP,
}

ASKED = "asked"
"""The code of a copy that a person wants, whatever it deletes."""


@dataclass(frozen=True)
class Control:
    """The row, or what its absence means."""

    paused: str = ""
    phase: Phase = Phase.RUNNING
    code: str = ""
    reason: str = ""
    times: int = 0
    due_in: float = 0.0
    """Seconds, by the source's clock, until it comes back; 0: now."""
    progress: str = ""


def install(connection: psycopg.Connection[Any]) -> None:
    """Put the table there."""
    connection.execute(files(__package__).joinpath("control.sql").read_bytes())


def is_installed(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("select 1 where to_regclass('fig.stream_control') is not null").fetchone() is not None


def read(connection: psycopg.Connection[Any], name: str) -> Control:
    """The decision about this stream."""
    return read_installed(connection, name) if is_installed(connection) else Control()


def read_installed(connection: psycopg.Connection[Any], name: str) -> Control:
    """As `read`, by whoever has just seen that the table is there."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            "select paused, phase, code, reason, times,"
            " greatest(0, extract(epoch from again_at - clock_timestamp()))::float8, progress"
            " from fig.stream_control where name = %s",
            [name],
        ).fetchone()
    if row is None:
        return Control()
    return Control(row[0], Phase(row[1]), row[2], row[3], row[4], row[5] or 0.0, row[6])


def move(
    connection: psycopg.Connection[Any],
    name: str,
    event: Event,
    code: str = "",
    reason: str = "",
    again_in: float = 0.0,
    times: int | None = None,
) -> bool:
    """One step along TRANSITIONS; False where the table has none from here, or somebody else was first."""
    install_where_missing(connection)
    now = read(connection, name).phase
    then = TRANSITIONS.get((now, event))
    if then is None:
        return False
    connection.execute("insert into fig.stream_control (name) values (%s) on conflict do nothing", [name])
    moved = connection.execute(
        "update fig.stream_control set phase = %(then)s, since = clock_timestamp(), progress = '',"
        " code = case when %(code)s <> '' or %(then)s = 'running' then %(code)s else code end,"
        " reason = case when %(code)s <> '' or %(then)s = 'running' then %(reason)s else reason end,"
        " times = coalesce(%(times)s, times), again_at = clock_timestamp() + make_interval(secs => %(again)s)"
        " where name = %(name)s and phase = %(now)s",
        {"then": then, "now": now, "code": code, "reason": reason, "again": again_in, "times": times, "name": name},
    )
    return moved.rowcount == 1


def install_where_missing(connection: psycopg.Connection[Any]) -> None:
    if not is_installed(connection):
        install(connection)


def pause(connection: psycopg.Connection[Any], name: str, by: str) -> None:
    """Until `go_on`; an empty `by` is nobody. A paused stream keeps its slot for as long as its budget allows."""
    install_where_missing(connection)
    connection.execute(
        "insert into fig.stream_control (name, paused) values (%(name)s, %(by)s)"
        " on conflict (name) do update set paused = %(by)s",
        {"name": name, "by": by},
    )


def go_on(connection: psycopg.Connection[Any], name: str) -> None:
    pause(connection, name, "")


def steady(connection: psycopg.Connection[Any], name: str) -> None:
    """It has kept its slot for long enough: the next time it gives up is a first time again."""
    connection.execute("update fig.stream_control set times = 0 where name = %s", [name])


def tell_progress(connection: psycopg.Connection[Any], name: str, progress: str) -> None:
    connection.execute("update fig.stream_control set progress = %s where name = %s", [progress, name])


def forget(connection: psycopg.Connection[Any], name: str) -> None:
    if is_installed(connection):
        connection.execute("delete from fig.stream_control where name = %s", [name])
