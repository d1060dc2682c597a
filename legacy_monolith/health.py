"""Is the process alive, and can it serve."""

from __future__ import annotations

from flask import Blueprint, Flask, Response
from sqlalchemy import text

from legacy_monolith.database import db

bp = Blueprint("health", __name__)


@bp.get("/livez")
def livez() -> Response:
    return Response("alive\n", mimetype="text/plain")


@bp.get("/readyz")
def readyz() -> Response:
    """Ready when the database answers; otherwise the handler for a silent database says 503."""
    db.session.execute(text("select 1"))
    return Response("ready\n", mimetype="text/plain")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
