"""The payments API, as far as money is concerned: Stripe's word, refunds, and a seller's sales."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from legacy_monolith import identity
from legacy_monolith.errors import InvalidFields
from legacy_monolith.payments import refunding, statements, states, webhooks
from legacy_monolith.payments.routes import OrderQuery
from legacy_monolith.validation import Input, Price, body, header_key, query

bp = Blueprint("money", __name__, url_prefix="/api/payments")


class RefundForm(Input):
    amount: Price


@bp.post("/webhooks/stripe")
def hear_stripe() -> tuple[str, int]:
    """Its signature is what makes it known: it has no session, and so no CSRF token."""
    webhooks.take(request.get_data(cache=False), request.headers.get("Stripe-Signature", ""))
    return "", 204


identity.knows_by_signature(f"{bp.name}.{hear_stripe.__name__}")


@bp.post("/orders/<id:order_id>/refunds")
@identity.requires_role("seller")
def refund(order_id: int) -> tuple[Response, int]:
    """202 while it is decided but not yet known that the money went back; the background process goes on."""
    key, amount = header_key("Idempotency-Key"), states.cents(body(RefundForm).amount)
    if not amount:
        raise InvalidFields([{"field": "amount", "message": "must be more than nothing"}])
    made, is_new = refunding.give_back(identity.account().id, order_id, key, amount)
    return jsonify(statements.of_refund(made)), 202 if made.state == "intended" else 201 if is_new else 200


@bp.get("/sales")
@identity.requires_role("seller")
def sales() -> Response:
    form = query(OrderQuery)
    return jsonify(statements.sales(identity.account().id, form.limit, form.cursor))
