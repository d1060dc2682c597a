"""The notifications API: what somebody was told, and what they want to be told."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, jsonify

from legacy_monolith import identity
from legacy_monolith.database import db
from legacy_monolith.notifications import history, preferences
from legacy_monolith.notifications.forms import MessageQuery, Preferences
from legacy_monolith.validation import body, query

bp = Blueprint("notifications", __name__, url_prefix="/api/notifications")


@bp.get("/messages")
@identity.requires_login
def index() -> Response:
    form = query(MessageQuery)
    return jsonify(history.page(identity.account().id, form.limit, form.cursor))


@bp.get("/unread")
@identity.requires_login
def unread() -> Response:
    return jsonify({"unread": history.unread(identity.account().id)})


@bp.post("/messages/read")
@identity.requires_login
def read_all() -> Response:
    """No body is read."""
    user_id = identity.account().id
    history.read_all(user_id)
    db.session.commit()
    return jsonify({"unread": history.unread(user_id)})


@bp.post("/messages/<uuid:message_id>/read")
@identity.requires_login
def read(message_id: UUID) -> Response:
    """No body is read."""
    row = history.read(identity.account().id, message_id)
    db.session.commit()
    return jsonify(history.shown(row))


@bp.get("/preferences")
@identity.requires_login
def show_preferences() -> Response:
    return jsonify(preferences.shown(preferences.of(identity.account().id)))


@bp.patch("/preferences")
@identity.requires_login
def change_preferences() -> Response:
    user_id, chosen = identity.account().id, body(Preferences).chosen()
    if chosen:
        preferences.change(user_id, chosen)
    choices = preferences.of(user_id)
    db.session.commit()
    return jsonify(preferences.shown(choices))
