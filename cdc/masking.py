"""What may be said of a row: names, never values. Logs, journal and errors go through here; a person may ask for more.

PostgreSQL's own messages may hold values (`invalid input syntax for type integer: "…"`, `Key (email)=(…) already
exists`, `COPY …, column x: "…"`), so of those only the condition and the names of what it concerns are passed on.
"""

from __future__ import annotations

import psycopg
from psycopg import errors

HIDDEN = "***"
_NAMED = ("schema_name", "table_name", "column_name", "constraint_name", "datatype_name")
# Their messages speak of servers, rights, names and time, and hold nothing of a row.
_SPOKEN = ("08", "28", "3D", "42", "53", "55", "57", "58", "25", "40", "SF")


def said(error: BaseException) -> str:
    """An error as it may be logged: PostgreSQL's without values, ours as it is, any other one by its kind."""
    if isinstance(error, psycopg.Error):
        return of_database(error)
    message = getattr(error, "message", None)
    return message if isinstance(message, str) else type(error).__name__


def of_database(error: psycopg.Error) -> str:
    """The condition and what it concerns; the first line of the message only where it cannot hold a value."""
    state = error.sqlstate
    is_spoken = isinstance(error, psycopg.OperationalError) if state is None else state.startswith(_SPOKEN)
    if is_spoken:
        lines = str(error.diag.message_primary or error).strip().splitlines()
        return lines[0] if lines else type(error).__name__
    try:
        condition = errors.lookup(state or "").__name__
    except KeyError:
        condition = type(error).__name__
    names = [f"{kind.removesuffix('_name')} {name}" for kind in _NAMED if (name := getattr(error.diag, kind))]
    return ", ".join([f"{condition} ({state})" if state else condition, *names])


def masked(value: str | None) -> str | None:
    """That there is a value, and no more; NULL says nothing of anybody."""
    return None if value is None else HIDDEN
