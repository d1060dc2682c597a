"""Bringing a service's own schema up to date, with Alembic and as the owner of its tables."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

# Two processes that migrate at once take turns; any number will do that all of them use.
_LOCK = 7_441_001


def migrate(folder: Path, url: str, revision: str = "head") -> None:
    """Upgrade the database at `url` to a revision of the scripts in `folder`, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
