"""Accounts and sessions."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    from legacy_monolith.users import internal, messages
    from legacy_monolith.users.routes import bp

    app.extensions["messages"] = messages.from_settings(app.config)
    app.register_blueprint(bp)
    app.register_blueprint(internal.bp)
