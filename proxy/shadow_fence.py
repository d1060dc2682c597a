"""Answers shadow requests so that they can change nothing: PostgreSQL itself refuses each of their writes.

`proxy.middleware.guard` puts this around the application. Beside the middleware this file, too, needs nothing but the
standard library and may be copied. The protocol, for any language, is in proxy/shadow_ask.py.

- Each transaction of a shadow request is `READ ONLY` from its first statement on, wherever the middleware watches: a
  write, a lock for one, a function that writes when SELECTed fails with SQLSTATE 25006. A statement in autocommit gets
  a transaction of its own. Nothing is set that outlives the transaction, so a connection goes back to its pool as it
  came, whatever happens.
- `begin_effect()` raises. An effect that begins with a row (a claim in a ledger, an outbox) fails with that row.
- Where no transaction can be made read only (a driver other than psycopg 3 in autocommit, a database other than
  PostgreSQL) the statement is refused before it is sent.

What is not seen: connections that nobody watches, and work that is given to other threads (see proxy/middleware).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

log = logging.getLogger("fig.shadow")

READ_ONLY = "set local transaction_read_only = on"
LARGEST = 1024 * 1024 + 1
"""Bytes of an answer; whoever asks compares no longer ones, and some answers never end."""
_IDLE, _IN_ERROR = 0, 3
_HEADER = "X-Fig-Shadow"

_current: ContextVar[Environ | None] = ContextVar("fig_shadow", default=None)


class ShadowRefused(Exception):
    """A shadow request wanted to do what could have an effect; nothing was done."""


class Shielded:
    """The middleware itself; other requests pass it untouched."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = environ.get("HTTP_X_FIG_SHADOW")
        if asked is None:
            return self.application(environ, start_response)
        if asked == "probe":
            start_response("204 No Content", [(_HEADER, "fenced")])
            return []
        token = _current.set(environ)
        try:
            status, headers, body = self._answer(environ)
        finally:
            _current.reset(token)
        if environ.get("fig.shadow_refused"):
            start_response("403 Forbidden", [(_HEADER, "refused"), ("Content-Length", "0")])
            return []
        kept = [one for one in headers if one[0].lower() not in ("set-cookie", "content-length")]
        start_response(status, [*kept, (_HEADER, "fenced"), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        """The whole answer: what is read while a body is sent has to be fenced as well."""
        head: list[Any] = ["500 Internal Server Error", []]
        pieces: list[bytes] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            head[:] = status, headers
            return pieces.append

        body: Iterable[bytes] = ()
        try:
            body = self.application(environ, start)
            for piece in body:
                pieces.append(piece)
                if sum(map(len, pieces)) > LARGEST:
                    break
        except Exception:
            if not environ.get("fig.shadow_refused"):
                log.exception("a shadow request failed")
            head[:], pieces[:] = ["500 Internal Server Error", []], []
        finally:
            close = getattr(body, "close", None)
            if close:
                close()
        return head[0], head[1], b"".join(pieces)


def shielded(application: Application) -> Shielded:
    """The application with the fence around it, and the drivers prepared for it."""
    _shield_psycopg()
    _shield_sqlalchemy()
    return Shielded(application)


def shield(connection: Any) -> None:
    """Before a statement on a DB-API connection: make its transaction read only, if this is a shadow request."""
    if _current.get() is None:
        return
    info = getattr(connection, "info", None)
    if info is None or getattr(connection, "autocommit", True):
        raise refused("a statement could not be made read only: a driver in autocommit, or no PostgreSQL")
    if info.transaction_status != _IN_ERROR:
        connection.cursor().execute(READ_ONLY)


def refused(why: str) -> ShadowRefused:
    """The error to raise; the answer will say `refused`, even if the application swallows it."""
    environ = _current.get()
    if environ is not None:
        environ["fig.shadow_refused"] = True
    return ShadowRefused(why)


# psycopg 3, with SQLAlchemy or without.


def _shield_psycopg() -> None:
    try:
        import psycopg
    except ImportError:
        return
    if hasattr(psycopg.Cursor, "_fig_shielded"):
        return
    psycopg.Cursor._fig_shielded = True  # type: ignore[attr-defined]
    plain = psycopg.Cursor.execute

    @contextmanager
    def read_only(connection: Any, statement: object) -> Iterator[None]:
        if _current.get() is None or connection.info.transaction_status == _IN_ERROR:
            yield
        elif connection.autocommit and connection.info.transaction_status == _IDLE and not _begins(statement):
            with connection.transaction():
                plain(psycopg.Cursor(connection), READ_ONLY)
                yield
        else:
            if not _begins(statement):
                plain(psycopg.Cursor(connection), READ_ONLY)
            yield

    for owner in (psycopg.Cursor, psycopg.ServerCursor):
        for name in ("execute", "executemany"):
            _surround(owner, name, read_only)
    _forbid(psycopg.Cursor, "copy")
    _forbid(psycopg.Cursor, "stream")


def _begins(statement: object) -> bool:
    """A transaction that is opened in plain SQL; its next statement makes it read only."""
    return isinstance(statement, str) and statement.lstrip().lower().startswith(("begin", "start transaction"))


def _surround(owner: Any, name: str, around: Callable[[Any, object], Any]) -> None:
    method = getattr(owner, name)

    @functools.wraps(method)
    def surrounded(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if _current.get() is None:
            return method(self, query, *arguments, **options)
        with around(self.connection, query):
            return method(self, query, *arguments, **options)

    setattr(owner, name, surrounded)


def _forbid(owner: Any, name: str) -> None:
    """What sends and receives in pieces is not worth a transaction of ours."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def forbidden(self: Any, *arguments: Any, **options: Any) -> Any:
        if _current.get() is not None:
            raise refused(f"{name}() is not used in shadow requests")
        return method(self, *arguments, **options)

    setattr(owner, name, forbidden)


# Other drivers, through SQLAlchemy.


def _shield_sqlalchemy() -> None:
    try:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
    except ImportError:
        return
    if not event.contains(Engine, "before_cursor_execute", _before_execute):
        event.listen(Engine, "before_cursor_execute", _before_execute)


def _before_execute(connection: Any, *_: Any) -> None:
    if _current.get() is None or connection.dialect.driver == "psycopg":
        return
    if connection.dialect.name != "postgresql":
        raise refused("only PostgreSQL can be made read only")
    shield(connection.connection.dbapi_connection)
