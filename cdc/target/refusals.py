"""What the target's refusals mean. No value of a row gets into a message: PostgreSQL's own text may hold some."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from psycopg import errors, pq

from cdc import servers
from cdc.copying.errors import CopyRefused
from cdc.projection import Table
from cdc.spec import StreamSpec
from cdc.stream_errors import ConnectionLost, RefusedChange, StreamError
from cdc.target.errors import ApplyMismatch, GuardRefused, PoisonRow, StalePosition
from cdc.target.statements import Shape

_NAMES = (
    ("constraint", pq.DiagnosticField.CONSTRAINT_NAME),
    ("column", pq.DiagnosticField.COLUMN_NAME),
    ("type", pq.DiagnosticField.DATATYPE_NAME),
)


_MAY_PARK = {"23505", "23P01", "428C9"}
"""A value that somebody else has (still), or an identity that only an INSERT may set."""


def change(about: object, state: str | None, lsn: int, ordinal: int) -> RefusedChange | None:
    """What a refused statement was about."""
    if isinstance(about, Shape):
        columns, key = (tuple(cell.column.target for cell in cells) for cells in (about.cells, about.keys))
        parks = about.target if state in _MAY_PARK or (state == "SF412" and about.compares) else None
        return RefusedChange(lsn, ordinal, str(about.target), key, columns, parks)
    table = getattr(about, "target", None)
    return RefusedChange(lsn, ordinal, str(table)) if isinstance(table, Table) else None


def named(
    spec: StreamSpec, result: pq.abc.PGresult, what: str, about: object, place: str, lsn: int = 0, ordinal: int = 0
) -> StreamError:
    """The error for a refused command; `about` says of which rows."""
    error = _named(spec, result, what, str(about), place)
    if isinstance(error, ApplyMismatch | PoisonRow):
        error.change = change(about, _field(result, pq.DiagnosticField.SQLSTATE), lsn, ordinal)
    return error


def _named(spec: StreamSpec, result: pq.abc.PGresult, what: str, shape: str, place: str) -> StreamError:
    state = _field(result, pq.DiagnosticField.SQLSTATE)
    text = _field(result, pq.DiagnosticField.MESSAGE_PRIMARY) or result.get_error_message()
    if servers.passes(state):
        return ConnectionLost("target", text)
    if state == "SF409":
        detail = json.loads(_field(result, pq.DiagnosticField.MESSAGE_DETAIL) or "{}")
        return GuardRefused(spec.name, text, detail.get("state"), f"{shape}; {place}")
    if state == "SF411":
        return StalePosition(spec.name)
    if state == "SF412":
        return ApplyMismatch(shape, text, place)
    if what == "rows":
        return PoisonRow(shape, _said(result, state), place)
    return StreamError(f"the target refuses the stream's {what} ({state}): {text}", "Look into the target's log")


def take_guard(spec: StreamSpec, target: psycopg.Connection[Any], guard: str | None) -> None:
    """First in a transaction that copies; GuardRefused where the target's ownership row does not let it in."""
    if guard is None:
        return
    try:
        target.execute(guard.encode())
    except psycopg.Error as error:
        if error.sqlstate != "SF409":
            raise
        detail = json.loads(error.diag.message_detail or "{}")
        said = error.diag.message_primary or ""
        raise GuardRefused(spec.name, said, detail.get("state"), "the snapshot") from error


def copy_error(target: str, error: psycopg.Error) -> StreamError:
    """The error for a COPY that a server has ended."""
    if servers.passes(error.sqlstate):
        return ConnectionLost("copy's server", str(error))
    names = [f"{what} {name}" for what, name in (
        ("constraint", error.diag.constraint_name), ("column", error.diag.column_name),
        ("type", error.diag.datatype_name),
    ) if name]  # fmt: skip
    return CopyRefused(target, ", ".join([f"{type(error).__name__} ({error.sqlstate})", *names]))


def _said(result: pq.abc.PGresult, state: str | None) -> str:
    """The condition by name, and what it concerns."""
    try:
        condition = errors.lookup(state or "").__name__
    except KeyError:
        condition = "error"
    names = [f"{what} {name}" for what, field in _NAMES if (name := _field(result, field))]
    return ", ".join([f"{condition} ({state})", *names])


def _field(result: pq.abc.PGresult, field: pq.DiagnosticField) -> str | None:
    found = result.error_field(field)
    return found.decode() if found else None
