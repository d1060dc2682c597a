"""What people are told, by mail and by text message, and what they want to be told."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    from legacy_monolith.notifications import contacts, mail
    from legacy_monolith.notifications.routes import bp

    app.extensions["mail"] = mail.from_settings(app.config)
    contacts.init_app(app)
    app.register_blueprint(bp)
