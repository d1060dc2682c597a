"""Drivers that are watched without being asked: psycopg 3, and whatever SQLAlchemy uses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .request import committed, executed, failed, reporting, rolled_back
from .statements import is_idle


def watch_psycopg() -> None:
    """Every connection of this process, from now on; nothing where there is no psycopg."""
    try:
        import psycopg
    except ImportError:
        return
    if hasattr(psycopg.Connection.commit, "__wrapped__"):
        return

    def ran(cursor: Any, query: Any, *_: Any, **__: Any) -> None:
        executed(cursor.connection, query)

    def left(transaction: Any, kind: Any, *_: Any) -> None:
        if is_idle(transaction.connection):
            (rolled_back if kind else committed)(transaction.connection)

    _follow(psycopg.Cursor, "execute", ran)
    _follow(psycopg.Cursor, "executemany", ran)
    _follow(psycopg.Connection, "commit", committed)
    _follow(psycopg.Connection, "rollback", rolled_back)
    _follow(psycopg.Transaction, "__exit__", left)
    copy = psycopg.Cursor.copy

    @functools.wraps(copy)
    @contextmanager
    def watched(cursor: Any, statement: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        with reporting(), copy(cursor, statement, *arguments, **options) as running:
            yield running
        executed(cursor.connection, statement)

    psycopg.Cursor.copy = watched  # type: ignore[assignment]


def _follow(owner: Any, name: str, after: Callable[..., None]) -> None:
    """Let `after` see each call of a method that succeeded, and `failed` each error."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def followed(self: Any, *arguments: Any, **options: Any) -> Any:
        with reporting():
            result = method(self, *arguments, **options)
        after(self, *arguments, **options)
        return result

    setattr(owner, name, followed)


def watch_sqlalchemy() -> None:
    """Every engine of this process, from now on; nothing where there is no SQLAlchemy."""
    try:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
    except ImportError:
        return
    if event.contains(Engine, "after_cursor_execute", _engine_executed):
        return
    event.listen(Engine, "after_cursor_execute", _engine_executed)
    event.listen(Engine, "handle_error", _engine_failed)
    for name, report in (("commit", committed), ("rollback", rolled_back)):
        for event_name in (name, f"{name}_twophase"):
            event.listen(Engine, event_name, functools.partial(_engine_ended, report))


def _engine_executed(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
    executed(connection.connection.dbapi_connection, statement)


def _engine_failed(context: Any) -> None:
    failed(context.original_exception)


def _engine_ended(report: Callable[[Any], None], connection: Any, *_: Any) -> None:
    report(connection.connection.dbapi_connection)
