"""The payments API."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field, StringConstraints

from legacy_monolith import identity
from legacy_monolith.database import db
from legacy_monolith.payments import cart, checkout, collecting, orders
from legacy_monolith.validation import Input, QueryLimit, body, header_key, query

bp = Blueprint("payments", __name__, url_prefix="/api/payments")


class CartItem(Input):
    quantity: Annotated[int, Field(ge=1, le=cart.LARGEST_QUANTITY)]


class OrderQuery(Input):
    limit: QueryLimit = 20
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None


@bp.get("/cart")
@identity.requires_login
def show_cart() -> Response:
    return jsonify(cart.shown(identity.account().id))


@bp.put("/cart/items/<id:product_id>")
@identity.requires_login
def put_item(product_id: int) -> Response:
    user_id = identity.account().id
    cart.put(user_id, product_id, body(CartItem).quantity)
    answer = cart.shown(user_id)
    db.session.commit()
    return jsonify(answer)


@bp.delete("/cart/items/<id:product_id>")
@identity.requires_login
def remove_item(product_id: int) -> tuple[str, int]:
    cart.remove(identity.account().id, product_id)
    db.session.commit()
    return "", 204


@bp.post("/checkout")
@identity.requires_login
def place_order() -> tuple[Response, int, dict[str, str]]:
    order, is_new = checkout.checkout(identity.account().id, header_key("Idempotency-Key"))
    intent = None
    if collecting.takes_payments():
        db.session.rollback()
        intent = collecting.start(order.id)
        order = checkout.find(order.user_id, order.id)
    answer = orders.shown([order])[0]
    if intent:
        answer["payment"]["client_secret"] = intent.client_secret
    location = {"Location": f"/api/payments/orders/{order.id}"}
    return jsonify(answer), 201 if is_new else 200, location


@bp.get("/orders")
@identity.requires_login
def index() -> Response:
    form = query(OrderQuery)
    return jsonify(orders.page(identity.account().id, form.limit, form.cursor))


@bp.get("/orders/<id:order_id>")
@identity.requires_login
def show_order(order_id: int) -> Response:
    return jsonify(orders.shown([checkout.find(identity.account().id, order_id)])[0])


@bp.post("/orders/<id:order_id>/cancel")
@identity.requires_login
def cancel_order(order_id: int) -> tuple[Response, int]:
    """202 while it is decided but not yet known that the stock is back; the background process goes on."""
    order = checkout.cancel(identity.account().id, order_id)
    return jsonify(orders.shown([order])[0]), 202 if order.state == "cancelling" else 200
