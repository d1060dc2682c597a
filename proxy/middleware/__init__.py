"""The one thing a monolith must run with: a WSGI middleware that hands fenced requests back to the proxy.

    gunicorn "proxy.middleware:guard('legacy_monolith:create_app()')"    # 'module:factory()', 'module:app', or an app

This folder needs nothing but the standard library and may be copied into an application as it is, under any name:

request.py      one request, and what happened in the databases during it
statements.py   what a statement does to its transaction
connections.py  connections that are wrapped by hand
drivers.py      psycopg 3 and SQLAlchemy, which are watched without being asked
answer.py       the application's answer, or the protocol's
target.py       the application, from its name

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

**Effects outside**: call `begin_effect()`, or, without importing it, `environ["fig.begin_effect"]()`, before the
first one that must not happen twice.

**Figures** for Prometheus are shown where proxy/app_figures.py and prometheus_client are there as well.

**Shadow requests** (`X-Fig-Shadow`) are answered where proxy/shadow_fence.py is beside this folder: read only, and
`begin_effect()` raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import connections
from .answer import Application, Guarded
from .connections import watch
from .drivers import watch_psycopg, watch_sqlalchemy
from .request import FENCED, EffectRefused, begin_effect
from .target import resolve

__all__ = ["FENCED", "EffectRefused", "Guarded", "begin_effect", "guard", "watch"]


def guard(target: str | Callable[..., Any]) -> Application:
    """The application that `target` names, with the middleware around it."""
    watch_psycopg()
    watch_sqlalchemy()
    application = resolve(target)
    try:
        from proxy import shadow_fence
    except ImportError:
        pass  # Copied without it: shadow requests are not answered.
    else:
        connections.shield = shadow_fence.shield
        application = shadow_fence.shielded(application)
    guarded = Guarded(application)
    try:
        from proxy import app_figures
    except ImportError:
        return guarded  # Copied without it, or without prometheus_client: nothing is counted here.
    return app_figures.counted(guarded)
