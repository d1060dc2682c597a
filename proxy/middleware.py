"""The one thing a monolith must run with: a WSGI middleware that hands fenced requests back to the proxy.

    gunicorn "proxy.middleware:guard('legacy_monolith:create_app()')"    # 'module:factory()', 'module:app', or an app

This file needs nothing but the standard library and may be copied into an application as it is.

**The protocol, for any language.** A write to a table whose domain is owned elsewhere fails with SQLSTATE `SF421`; the
error's DETAIL is JSON: `{"domain": "catalog", "epoch": 7, "side": "monolith", "state": "fenced"}`. When a request met
that error and would therefore be answered 5xx (or crash), answer instead:

- **421** with the header `X-Fig-Fenced: <domain> <epoch>` if **nothing was committed** in this request and **no effect
  outside was begun** (no mail, no charge, no call of another service): the proxy waits until the domain has its new
  owner and sends the same request there, once. The user sees a slower answer.
- **503** with `Retry-After` otherwise: repeating the request would do again what is already done.

An answer that is not 5xx stays: the application dealt with the error itself. Requests that met no fence are untouched.
Roll the database transaction back as on any error; do not retry by yourself.

**What counts as committed**: a commit, on any connection, of a transaction with at least one statement that is not
plainly reading (SELECT, SHOW, SET …). A function that writes when SELECTed is not noticed: say `begin_effect()` there.

**What is watched**: every SQLAlchemy engine, whatever its driver; every psycopg 3 connection. Other connections
(psycopg2 without SQLAlchemy, any DB-API driver whose errors have `sqlstate` or `pgcode`) are to be wrapped:
`connection = watch(psycopg2.connect(...))`. Work that a request gives to other threads is not seen unless they run
in a copy of its context (`contextvars.copy_context().run`).

**Effects outside**: call `begin_effect()`, or, without importing this file, `environ["fig.begin_effect"]()`, before the
first one that must not happen twice.

**Figures** for Prometheus are shown where proxy/app_figures.py and prometheus_client are there as well.

**Shadow requests** (`X-Fig-Shadow`) are answered where proxy/shadow_fence.py is beside this file: read only, and
`begin_effect()` raises.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

FENCED = "SF421"
_READ_ONLY = "25006"  # A write in a transaction that may only read.
log = logging.getLogger("fig.middleware")

# What a statement that only reads, or only steers the transaction, begins with. Anything else counts as a write.
_READING = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|show|set|reset|begin|start|savepoint|release|values|table|fetch|move"
    r"|close|declare|lock|listen|unlisten|commit|end|rollback|abort)\b[^;]*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_UNDOING = re.compile(r"\s*(?:rollback|abort)\b(?!.*\bto\b)", re.IGNORECASE | re.DOTALL)
_DOMAIN = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_IDLE = 0


@dataclass
class _Request:
    """What happened in the databases during one request."""

    fence: tuple[str, int] | None = None  # The last fence met: it is the one that most likely made the request fail.
    refused: bool = False
    done: bool = False  # Something is committed, or begun outside: the request must not be repeated.
    writing: set[int] = field(default_factory=set)  # Connections with writes that are not committed.
    shadow: Environ | None = None  # Its environ, if this is a shadow request.

    def begin_effect(self) -> None:
        if self.shadow is not None:
            self.shadow["fig.shadow_refused"] = True
            raise EffectRefused("a shadow request must have no effect outside")
        self.done = True


_current: ContextVar[_Request | None] = ContextVar("fig_request", default=None)


_shield: Callable[[Any], None] | None = None
"""Makes a watched connection read only where that is asked for."""


class EffectRefused(Exception):
    """A shadow request began an effect outside; the answer will say so, even if the application swallows this."""


def guard(target: str | Callable[..., Any]) -> Application:
    """The application that `target` names, with the middleware around it."""
    global _shield
    _watch_psycopg()
    _watch_sqlalchemy()
    application = _resolve(target)
    try:
        from proxy import shadow_fence
    except ImportError:
        pass  # Copied without it: shadow requests are not answered.
    else:
        _shield = shadow_fence.shield
        application = shadow_fence.shielded(application)
    guarded = Guarded(application)
    try:
        from proxy import app_figures
    except ImportError:
        return guarded  # Copied without it, or without prometheus_client: nothing is counted here.
    return app_figures.counted(guarded)


def begin_effect() -> None:
    """Say, before an effect outside that must not happen twice, that this request cannot be repeated from now on."""
    request = _current.get()
    if request:
        request.begin_effect()


def watch(connection: Any) -> Any:
    """A DB-API connection that reports what happens on it; use it in place of `connection`."""
    return _WatchedConnection(connection, connection)


class Guarded:
    """The middleware itself."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = _Request(shadow=environ if "HTTP_X_FIG_SHADOW" in environ else None)
        environ["fig.begin_effect"] = request.begin_effect
        token = _current.set(request)
        try:
            return self._answer(request, environ, start_response)
        finally:
            _current.reset(token)

    def _answer(self, request: _Request, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        head = _Head()
        body: Iterable[bytes] = ()
        first: list[bytes] = []
        try:
            body = chunks = self.application(environ, head)
            if not head.decided_well:
                # The head of a generator's answer comes with its first chunk; a 5xx may still meet the fence there.
                chunks = iter(body)
                first = _first(chunks)
        except Exception:
            if not request.refused:
                _close(body)
                raise
            head.status = "500 Internal Server Error"
        if request.refused and not head.decided_well:
            _close(body)
            return _refusal(request, environ, start_response)
        write = start_response(head.status, head.headers, *head.exc_info)
        for chunk in head.written:
            write(chunk)
        return body if head.decided_well and not first else _Rest(first, iter(chunks), body)


class _Head:
    """`start_response` of the application, kept back until it is known whether the answer stays."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.exc_info: tuple[Any, ...] = ()
        self.written: list[bytes] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        self.exc_info = (exc_info,) if exc_info else ()
        return self.written.append

    @property
    def decided_well(self) -> bool:
        return self.status != "" and not self.status.startswith("5")


class _Rest:
    """An answer whose first chunk was already taken."""

    def __init__(self, first: list[bytes], chunks: Iterator[bytes], body: Iterable[bytes]) -> None:
        self.first, self.chunks, self.body = first, chunks, body

    def __iter__(self) -> Iterator[bytes]:
        yield from self.first
        yield from self.chunks

    def close(self) -> None:
        _close(self.body)


def _first(chunks: Iterator[bytes]) -> list[bytes]:
    for chunk in chunks:
        if chunk:
            return [chunk]
    return []


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close:
        close()


def _refusal(request: _Request, environ: Environ, start_response: StartResponse) -> list[bytes]:
    bounce = request.fence is not None and not request.done
    domain, epoch = request.fence or ("?", -1)
    status, code = ("421 Misdirected Request", "fenced") if bounce else ("503 Service Unavailable", "half-done")
    detail = f'The domain "{domain}" is not owned here (epoch {epoch}).'
    if request.done:
        detail += " Part of this request is already done, so it was not repeated."
    log.warning("fence of domain %s at epoch %s met: answered %s", domain, epoch, status)
    environ["fig.fenced"] = (domain, bounce)
    problem = {"type": f"/problems/{code}", "title": status[4:], "status": int(status[:3]), "detail": detail}
    text = json.dumps(problem).encode()
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(text)))]
    headers.append(("X-Fig-Fenced", f"{domain} {epoch}") if bounce else ("Retry-After", "1"))
    start_response(status, headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [text]


# What the watched connections report.


def _executed(connection: Any, statement: object) -> None:
    request = _current.get()
    if request is None:
        return
    text = statement if isinstance(statement, str) else _text(statement, connection)
    if not _READING.match(text):
        request.writing.add(id(connection))
    if _UNDOING.match(text):
        request.writing.discard(id(connection))
    elif _idle(connection):
        # Autocommit, or a COMMIT in plain SQL.
        _committed(connection)


def _committed(connection: Any) -> None:
    request = _current.get()
    if request and id(connection) in request.writing:
        request.writing.discard(id(connection))
        request.done = True


def _rolled_back(connection: Any) -> None:
    request = _current.get()
    if request:
        request.writing.discard(id(connection))


def _failed(error: BaseException | None) -> None:
    """Take note if this is the fence's error; an unreadable DETAIL still refuses, but names no domain."""
    request = _current.get()
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if request is not None and request.shadow is not None and code == _READ_ONLY:
        request.shadow["fig.shadow_refused"] = True
    if request is None or code != FENCED:
        return
    request.refused, request.fence = True, None
    try:
        detail = json.loads(getattr(getattr(error, "diag", None), "message_detail", None) or "")
        domain, epoch = detail["domain"], detail["epoch"]
    except (ValueError, KeyError, TypeError):
        log.error("a fence's error has no readable DETAIL: %s", error)
        return
    if isinstance(domain, str) and _DOMAIN.fullmatch(domain) and type(epoch) is int and epoch >= 0:
        request.fence = (domain, epoch)


def _text(statement: object, connection: Any) -> str:
    if isinstance(statement, bytes):
        return statement.decode("utf-8", "replace")
    as_string = getattr(statement, "as_string", None)
    return str(as_string(connection)) if as_string else str(statement)


def _idle(connection: Any) -> bool:
    """Is no transaction open on this connection?"""
    info = getattr(connection, "info", None)
    status = getattr(info, "transaction_status", None)
    return bool(status == _IDLE if status is not None else getattr(connection, "autocommit", False))


@contextmanager
def _reporting() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _failed(error)
        raise


# Connections wrapped by hand. What is not named here goes to the real object.


class _Watched:
    def __init__(self, inner: Any, connection: Any) -> None:
        # Past __setattr__, which is for the real object.
        self.__dict__.update(_inner=inner, _connection=connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._inner, name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inner)

    def __enter__(self) -> Any:
        self._inner.__enter__()
        return self


class _WatchedConnection(_Watched):
    def cursor(self, *arguments: Any, **options: Any) -> Any:
        return _WatchedCursor(self._inner.cursor(*arguments, **options), self._inner)

    def commit(self) -> None:
        with _reporting():
            self._inner.commit()
        _committed(self._inner)

    def rollback(self) -> None:
        self._inner.rollback()
        _rolled_back(self._inner)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        with _reporting():
            handled = self._inner.__exit__(kind, error, trace)
        (_rolled_back if kind else _committed)(self._inner)
        return handled


class _WatchedCursor(_Watched):
    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        return self._inner.__exit__(kind, error, trace)

    def _run(self, name: str, statement: Any, *arguments: Any, **options: Any) -> Any:
        if _shield is not None:
            _shield(self._connection)
        with _reporting():
            result = getattr(self._inner, name)(statement, *arguments, **options)
        _executed(self._connection, "call" if name == "callproc" else statement)
        return self if result is self._inner else result

    execute = functools.partialmethod(_run, "execute")
    executemany = functools.partialmethod(_run, "executemany")
    callproc = functools.partialmethod(_run, "callproc")
    copy_expert = functools.partialmethod(_run, "copy_expert")


# Drivers that are watched without being asked.


def _watch_psycopg() -> None:
    try:
        import psycopg
    except ImportError:
        return
    if hasattr(psycopg.Connection.commit, "__wrapped__"):
        return

    def executed(cursor: Any, query: Any, *_: Any, **__: Any) -> None:
        _executed(cursor.connection, query)

    def left(transaction: Any, kind: Any, *_: Any) -> None:
        if _idle(transaction.connection):
            (_rolled_back if kind else _committed)(transaction.connection)

    _follow(psycopg.Cursor, "execute", executed)
    _follow(psycopg.Cursor, "executemany", executed)
    _follow(psycopg.Connection, "commit", _committed)
    _follow(psycopg.Connection, "rollback", _rolled_back)
    _follow(psycopg.Transaction, "__exit__", left)
    copy = psycopg.Cursor.copy

    @functools.wraps(copy)
    @contextmanager
    def watched(cursor: Any, statement: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        with _reporting(), copy(cursor, statement, *arguments, **options) as running:
            yield running
        _executed(cursor.connection, statement)

    psycopg.Cursor.copy = watched  # type: ignore[assignment]


def _follow(owner: Any, name: str, after: Callable[..., None]) -> None:
    """Let `after` see each call of a method that succeeded, and `_failed` each error."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def followed(self: Any, *arguments: Any, **options: Any) -> Any:
        with _reporting():
            result = method(self, *arguments, **options)
        after(self, *arguments, **options)
        return result

    setattr(owner, name, followed)


def _watch_sqlalchemy() -> None:
    try:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
    except ImportError:
        return
    if event.contains(Engine, "after_cursor_execute", _engine_executed):
        return
    event.listen(Engine, "after_cursor_execute", _engine_executed)
    event.listen(Engine, "handle_error", _engine_failed)
    for name, report in (("commit", _committed), ("rollback", _rolled_back)):
        for event_name in (name, f"{name}_twophase"):
            event.listen(Engine, event_name, functools.partial(_engine_ended, report))


def _engine_executed(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
    _executed(connection.connection.dbapi_connection, statement)


def _engine_failed(context: Any) -> None:
    _failed(context.original_exception)


def _engine_ended(report: Callable[[Any], None], connection: Any, *_: Any) -> None:
    report(connection.connection.dbapi_connection)


def _resolve(target: str | Callable[..., Any]) -> Application:
    """'module:name' or 'module:name()', or the thing itself; a factory is called, an application is not."""
    if isinstance(target, str):
        module, _, name = target.partition(":")
        found = getattr(importlib.import_module(module), name.removesuffix("()") or "application")
    else:
        found = target
    called = found() if _needs_nothing(found) else found
    if not callable(called):
        raise TypeError(f"{target!r} is neither a WSGI application nor a factory of one")
    return cast(Application, called)


def _needs_nothing(found: Callable[..., Any]) -> bool:
    """A factory can be called without arguments; an application wants two."""
    try:
        inspect.signature(found).bind()
    except TypeError:
        return False
    return True
