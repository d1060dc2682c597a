"""Which domains are owned here. The database records it; without a record, nothing has ever moved."""

from __future__ import annotations

from flask import current_app
from sqlalchemy import text

from legacy_monolith.database import db

_IS_RECORDED = text("select to_regclass('fig.domain') is not null")
_STATE = text("select state from fig.domain where domain = :domain")


def is_here(domain: str) -> bool:
    # Every request of a logged-in user asks; once there is a record, it stays.
    if not current_app.extensions.get("ownership_recorded"):
        if not db.session.execute(_IS_RECORDED).scalar():
            return True
        current_app.extensions["ownership_recorded"] = True
    state = db.session.execute(_STATE, {"domain": domain}).scalar()
    return state is None or state == "owner"
