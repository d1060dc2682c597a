"""Products, their stock, and reservations of it."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    from legacy_monolith.catalog import internal, routes

    app.register_blueprint(routes.bp)
    app.register_blueprint(internal.bp)
