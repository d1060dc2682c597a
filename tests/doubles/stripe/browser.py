"""The browser's side of Stripe: a counterpart of Stripe.js, and the one request that it makes with a client secret."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Response, jsonify, request

from tests.doubles.stripe.errors import NotFound, WrongApiKey
from tests.doubles.stripe.shapes import Shape

SCRIPT = Path(__file__).with_name("browser.js")

# (intent's id, payment method, return URL, is this its secret?) -> the intent as Stripe shows it
Confirm = Callable[[str, str, str, Callable[[str], bool]], Shape]


def routes(confirm: Confirm) -> Blueprint:
    blueprint = Blueprint("browser", __name__, url_prefix="/v3")

    @blueprint.get("/")
    def script() -> Response:
        return Response(SCRIPT.read_text(encoding="utf-8"), mimetype="text/javascript")

    @blueprint.post("/payment_intents/<intent_id>/confirm")
    def pay(intent_id: str) -> Response:
        if not request.form.get("key", "").startswith("pk_"):
            raise WrongApiKey("You did not provide a publishable API key.")
        given = request.form.get("client_secret", "")
        method, address = request.form.get("payment_method", ""), request.form.get("return_url", "")
        return jsonify(confirm(intent_id, method, address, lambda secret: hmac.compare_digest(secret, given)))

    @blueprint.after_request
    def readable_for_shops(answer: Response) -> Response:
        # As Stripe's own: any page may ask, for no cookie counts here.
        answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    return blueprint


def not_yours(intent_id: str) -> NotFound:
    """What Stripe says to a wrong secret: nothing about the payment."""
    return NotFound(f"No such payment_intent: '{intent_id}'", code="resource_missing")
