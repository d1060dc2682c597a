"""Whether this side owns the domain, as its own database records it."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from extracted.platform.database import Database

_STATE = text("select state from fig.domain where domain = :domain")
_NO_SUCH_TABLE = "42P01"


def owns(database: Database, domain: str) -> bool:
    """One cheap look. A service that was never given the domain does not own it; the monolith does."""
    try:
        with database.read() as connection:
            return connection.execute(_STATE, {"domain": domain}).scalar() == "owner"
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != _NO_SUCH_TABLE:
            raise
        return False
