"""Defects of the payments service."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text
from werkzeug.wrappers import Response

from tests.contract.defects.changes import answering, nothing, told, without_csrf_check
from tests.contract.defects.defect import Defect

SERVICE = "extracted.payments.service"
SCHEMAS = "extracted.payments.schemas"
CHECKOUT = "extracted.payments.checkout"
PURCHASES = "extracted.payments.purchases"
WEBHOOKS = "extracted.payments.webhooks"
CREATE = "extracted.payments.stripe_gateway:StripeGateway.create"


def _without_location(response: Response) -> None:
    response.headers.pop("Location", None)


def _rounded(document: dict[str, Any]) -> None:
    document["total"] = f"{round(float(document['total']), 1):.2f}"


def _buyers_too(right: Any) -> Any:
    return lambda request: right.__globals__["require"](request.identity, request.method, "buyer").user_id


def _unverified(right: Any) -> Any:
    return lambda payload, signature, secret: right.__globals__["read"](json.loads(payload))


def _one_key(right: Any) -> Any:
    return lambda self, purchase_id, attempt, amount: right(self, purchase_id, 0, amount)


def _two_intents(right: Any) -> Any:
    def wrong(self: Any, purchase_id: int, attempt: int, amount: int) -> Any:
        right(self, purchase_id, attempt + 1, amount)
        return right(self, purchase_id, attempt, amount)

    return wrong


def _nothing_promised(right: Any) -> Any:
    return lambda connection, purchase_id, seller_id: (0, 0)


def _one_too_few(right: Any) -> Any:
    return lambda connection, buyer_id, before, limit: right(connection, buyer_id, before - 1, limit)


def _anybodys(right: Any) -> Any:
    return lambda self, buyer_id, purchase_id: self._known(purchase_id)


def _anybodys_key(right: Any) -> Any:
    return lambda purchase, buyer_id: right(purchase, purchase.buyer_id)


def _last_seller_only(right: Any) -> Any:
    def wrong(connection: Any, purchase_id: int) -> None:
        right(connection, purchase_id)
        connection.exec_driver_sql(
            "delete from outbox where id in (select id from outbox where type = 'order.sold'"
            " and payload->'data'->>'order_id' = %s order by payload->'data'->>'user_id' limit 1)", (str(purchase_id),)
        )  # fmt: skip

    return wrong


PAYMENTS = (
    Defect("no-location", "a new order has no Location header", f"{SERVICE}:PaymentsService.place_order",
           answering(_without_location)),
    Defect("rounded-total", "a cart's total is rounded to ten cents", f"{SCHEMAS}:cart_document", told(_rounded)),
    Defect("buyers-see-sales", "a buyer may do what a seller may", f"{SERVICE}:seller", _buyers_too),
    Defect("no-csrf-check", "the CSRF token is not looked at", f"{SERVICE}:require", without_csrf_check),
    Defect("unsigned-events", "a webhook's signature is not checked", f"{WEBHOOKS}:_verified", _unverified),
    Defect("old-events", "a signature is good for ever", f"{WEBHOOKS}:TOLERANCE_SECONDS", lambda right: 10**9),
    Defect("key-without-attempt", "a charge's key does not tell the attempt", CREATE, _one_key),
    Defect("two-intents", "a buyer could be charged twice for an order", CREATE, _two_intents),
    Defect("refund-beyond-paid", "what was given back before does not count", "extracted.payments.refunds:promised",
           _nothing_promised),
    Defect("next-page-skips", "a next page begins one order too late", f"{PURCHASES}:page", _one_too_few),
    Defect("orders-are-public", "anyone sees everybody's orders", f"{CHECKOUT}:Checkout.find", _anybodys),
    Defect("key-of-others", "somebody else's key shows their order", f"{CHECKOUT}:_placed", _anybodys_key),
    Defect("cart-stays", "a checkout leaves the cart full", f"{PURCHASES}:_TAKE_CART",
           lambda right: text("select product_id, quantity from cart_item where user_id = :user_id")),
    Defect("a-seller-is-not-told", "of an order's sellers one hears nothing", "extracted.payments.telling:sold",
           _last_seller_only),
    Defect("money-is-kept", "a cancelled order's money does not go back",
           "extracted.payments.collecting:_refund_the_rest", nothing),
    Defect("stock-is-kept", "a cancelled order's units do not come back", "extracted.payments.stock:Catalog.release",
           nothing),
)  # fmt: skip
