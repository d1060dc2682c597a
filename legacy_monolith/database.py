"""The one database of the shop, and the sessions on it."""

from __future__ import annotations

import select
from typing import Any

from flask import Flask, has_request_context, request
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import Connection, Engine, MetaData, Row, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import DeclarativeBase

FENCED = "SF421"

# These promise to change nothing; the first round trips that they save are BEGIN and ROLLBACK.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

ENGINE_OPTIONS = {
    # One connection for each thread of a worker, and two to spare.
    "pool_size": 16,
    "max_overflow": 2,
    "pool_timeout": 5,
    # Errors are logged, and what people sent is not for the logs.
    "hide_parameters": True,
    "connect_args": {
        "connect_timeout": 3,
        "tcp_user_timeout": 5000,
        "application_name": "monolith",
        "options": "-c timezone=UTC -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s",
    },
}


class Base(DeclarativeBase):
    # PostgreSQL's own default names, so that they need not be written anywhere.
    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )


class RequestSession(Session):
    """Reads of a request with a safe method are single statements, without a transaction around them."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        engine = super().get_bind(*args, **kwargs)
        if isinstance(engine, Engine) and has_request_context() and request.method in SAFE_METHODS:
            return reading(engine)
        return engine


Record = Row[*tuple[Any, ...]]
"""A row, whatever its columns are."""

db = SQLAlchemy(model_class=Base, session_options={"class_": RequestSession})

_reading: dict[Engine, Engine] = {}


def reading(engine: Engine) -> Engine:
    """The same engine with the same connections, in autocommit."""
    if engine not in _reading:
        _reading[engine] = engine.execution_options(isolation_level="AUTOCOMMIT")
    return _reading[engine]


def init_app(app: Flask) -> None:
    app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", ENGINE_OPTIONS)
    db.init_app(app)
    with app.app_context():
        event.listen(db.engine, "checkout", require_open)


def require_open(connection: Any, record: object, proxy: object) -> None:
    """A server that stopped has closed its end, which makes an idle connection readable: no ping is needed to notice.

    The pool then opens a new one, so that a restarted PostgreSQL fails only what was in flight.
    """
    readable, _, _ = select.select([connection.fileno()], [], [], 0)
    if readable:
        raise DisconnectionError


def sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
