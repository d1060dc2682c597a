"""What the pages need to take a card: Stripe's own code runs in the browser, so that no card number passes the shop."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from legacy_monolith.payments.collecting import takes_payments

bp = Blueprint("payments_in_the_browser", __name__, url_prefix="/api/payments")


@bp.get("/config")
def config() -> Response:
    """For everybody: a publishable key is no secret. Without one there is nothing to load."""
    key = current_app.config["STRIPE_PUBLISHABLE_KEY"] if takes_payments() else ""
    script = current_app.config["STRIPE_SCRIPT_URL"] if key else None
    return jsonify({"publishable_key": key or None, "script": script})
