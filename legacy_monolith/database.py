"""The one database of the shop."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase

FENCED = "SF421"
UNIQUE_VIOLATION = "23505"


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


Record = Row[*tuple[Any, ...]]
"""A row, whatever its columns are."""

db = SQLAlchemy(model_class=Base)

ENGINE_OPTIONS = {
    # One connection for each thread of a worker, and two to spare.
    "pool_size": 16,
    "max_overflow": 2,
    "pool_timeout": 5,
    # A restarted PostgreSQL fails only what was in flight.
    "pool_pre_ping": True,
    "connect_args": {
        "connect_timeout": 3,
        "application_name": "monolith",
        "options": "-c timezone=UTC -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s",
    },
}


def init_app(app: Flask) -> None:
    app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", ENGINE_OPTIONS)
    db.init_app(app)


def sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
