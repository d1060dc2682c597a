"""What the pages need to take a card: Stripe's own code runs in the browser, so that no card number passes the shop."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

bp = Blueprint("payments_in_the_browser", __name__, url_prefix="/api/payments")

BROWSER_SETTINGS = {"STRIPE_PUBLISHABLE_KEY": "", "STRIPE_SCRIPT_URL": "https://js.stripe.com/v3/"}


@bp.get("/config")
def config() -> Response:
    """For everybody: a publishable key is no secret. Without one there is nothing to load."""
    key = current_app.config["STRIPE_PUBLISHABLE_KEY"]
    script = current_app.config["STRIPE_SCRIPT_URL"] if key else None
    return jsonify({"publishable_key": key or None, "script": script})
