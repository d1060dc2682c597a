"""Accounts and sessions."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    from legacy_monolith.users.routes import bp

    app.register_blueprint(bp)
