"""The cart, orders, and what is paid for them."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    from legacy_monolith import seam
    from legacy_monolith.payments import browser, money_routes, routes, till

    seam.init_app(app)
    app.extensions["gateway"] = till.from_settings(app.config)
    app.register_blueprint(routes.bp)
    app.register_blueprint(money_routes.bp)
    app.register_blueprint(browser.bp)
