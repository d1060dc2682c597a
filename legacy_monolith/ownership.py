"""Which domains are owned here. The database records it; without a record, nothing has ever moved."""

from __future__ import annotations

from sqlalchemy import text

from legacy_monolith.database import db

_IS_RECORDED = text("select to_regclass('fig.domain') is not null")
_STATE = text("select state from fig.domain where domain = :domain")


def is_here(domain: str) -> bool:
    # Asked anew each time: the record comes with the first domain that moves, and goes when the toolkit is taken out.
    if not db.session.execute(_IS_RECORDED).scalar():
        return True
    state = db.session.execute(_STATE, {"domain": domain}).scalar()
    return state is None or state == "owner"
