"""Accounts and sessions."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    from legacy_monolith.users import carrier
    from legacy_monolith.users.routes import bp

    app.extensions["messages"] = carrier.from_settings(app.config)
    app.register_blueprint(bp)
