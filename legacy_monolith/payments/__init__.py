"""The cart, and orders."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    from legacy_monolith import seam
    from legacy_monolith.payments import browser, routes

    seam.init_app(app)
    app.register_blueprint(routes.bp)
    app.register_blueprint(browser.bp)
