"""Whether a domain is owned here, asked outside of requests."""

from __future__ import annotations

from sqlalchemy import text

from legacy_monolith.database import db, reading

_IS_RECORDED = text("select to_regclass('fig.domain') is not null")
_STATE = text("select state from fig.domain where domain = :domain")


def owns(domain: str) -> bool:
    """Inside an application context. Without a record everything is still here."""
    with reading(db.engine).connect() as connection:
        if not connection.execute(_IS_RECORDED).scalar():
            return True
        state = connection.execute(_STATE, {"domain": domain}).scalar()
        return state is None or state == "owner"
