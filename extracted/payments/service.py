"""The entrypoints of payments. Each reads the request, calls the business, and writes its answer."""

from __future__ import annotations

from pathlib import Path

from werkzeug.wrappers import Response

from extracted.payments import schemas
from extracted.payments.background import Background
from extracted.payments.carts import Carts
from extracted.payments.checkout import Checkout
from extracted.payments.collecting import Collecting
from extracted.payments.errors import REFUSALS
from extracted.payments.reading import Reading
from extracted.payments.refunding import Refunding
from extracted.payments.stock import Catalog
from extracted.payments.till import Till
from extracted.payments.webhooks import Webhooks
from extracted.platform.database import Database
from extracted.platform.dependencies import DatabaseOf
from extracted.platform.http import http
from extracted.platform.identity import require
from extracted.platform.openapi import api_description
from extracted.platform.problems import document
from extracted.platform.provided import Provided
from extracted.platform.request import Request
from extracted.platform.timers import owner_timer

API = api_description(Path(__file__).with_name("openapi.yml"))
ORDERS = "/api/payments/orders"
ORDER = f"{ORDERS}/<id:order_id>"


def buyer(request: Request) -> int:
    """The id of the user who asks: everybody may buy."""
    return require(request.identity, request.method).user_id


def seller(request: Request) -> int:
    return require(request.identity, request.method, "seller").user_id


class PaymentsService:
    name = "payments"
    refusals = REFUSALS

    database: Database = DatabaseOf("PAYMENTS_DATABASE_URL")
    catalog: Catalog = Provided(Catalog.from_environment)
    till: Till | None = Provided(Till.from_environment)

    @property
    def carts(self) -> Carts:
        return Carts(self.database, self.catalog)

    @property
    def collecting(self) -> Collecting:
        return Collecting(self.database, self.till)

    @property
    def checkout(self) -> Checkout:
        return Checkout(self.database, self.catalog, self.collecting)

    @property
    def refunding(self) -> Refunding:
        return Refunding(self.database, self.collecting)

    @property
    def reading(self) -> Reading:
        return Reading(self.database, self.catalog)

    @property
    def background(self) -> Background:
        checkout = Checkout(self.database, self.catalog.impatient(), self.collecting)
        return Background(self.database, checkout, self.collecting, self.refunding)

    @http("GET", "/api/payments/openapi.json")
    def describe(self, request: Request) -> Response:
        return Response(API, content_type="application/json")

    @http("GET", "/api/payments/config")
    def show_config(self, request: Request) -> Response:
        return document(schemas.config_document(self.till))

    @http("GET", "/api/payments/cart")
    def show_cart(self, request: Request) -> Response:
        return document(schemas.cart_document(self.carts.items(buyer(request))))

    @http("PUT", "/api/payments/cart/items/<id:product_id>")
    def put_item(self, request: Request, product_id: int) -> Response:
        user_id = buyer(request)
        self.carts.put(user_id, product_id, request.json_body(schemas.CartItemForm).quantity)
        return document(schemas.cart_document(self.carts.items(user_id)))

    @http("DELETE", "/api/payments/cart/items/<id:product_id>")
    def remove_item(self, request: Request, product_id: int) -> Response:
        self.carts.remove(buyer(request), product_id)
        return Response(status=204)

    @http("POST", "/api/payments/checkout")
    def place_order(self, request: Request) -> Response:
        buyer_id, key = buyer(request), schemas.key_of(request.headers.get("Idempotency-Key"))
        purchase, is_new = self.checkout.check_out(buyer_id, key)
        intent = self.collecting.start(purchase.id) if self.till else None
        [told] = self.reading.told([self.checkout.find(buyer_id, purchase.id)])
        answer = schemas.order_document(told, intent.client_secret if intent else None)
        return document(answer, 201 if is_new else 200, {"Location": f"{ORDERS}/{purchase.id}"})

    @http("GET", ORDERS)
    def list_orders(self, request: Request) -> Response:
        buyer_id, form = buyer(request), request.query(schemas.PageForm)
        return document(schemas.orders_document(*self.reading.purchases(buyer_id, form.limit, form.cursor)))

    @http("GET", ORDER)
    def show_order(self, request: Request, order_id: int) -> Response:
        [told] = self.reading.told([self.checkout.find(buyer(request), order_id)])
        return document(schemas.order_document(told))

    @http("POST", f"{ORDER}/cancel")
    def cancel_order(self, request: Request, order_id: int) -> Response:
        """202 while it is decided but not yet known that the stock is back; background work goes on."""
        purchase = self.checkout.cancel(buyer(request), order_id)
        [told] = self.reading.told([purchase])
        return document(schemas.order_document(told), 202 if purchase.state == "undoing" else 200)

    @http("POST", f"{ORDER}/refunds")
    def refund(self, request: Request, order_id: int) -> Response:
        """202 while it is decided but not yet known that the money went back; background work goes on."""
        seller_id, key = seller(request), schemas.key_of(request.headers.get("Idempotency-Key"))
        amount = request.json_body(schemas.RefundForm).cents()
        made, is_new = self.refunding.give_back(seller_id, order_id, key, amount)
        return document(schemas.refund_document(made), 202 if made.state == "intended" else 201 if is_new else 200)

    @http("GET", "/api/payments/sales")
    def list_sales(self, request: Request) -> Response:
        seller_id, form = seller(request), request.query(schemas.PageForm)
        return document(schemas.sales_document(*self.reading.sales(seller_id, form.limit, form.cursor)))

    @http("POST", "/api/payments/webhooks/stripe")
    def hear_stripe(self, request: Request) -> Response:
        """Its signature is what makes it known: it has no identity, and so no CSRF token."""
        Webhooks(self.database, self.till).take(request.body(), request.headers.get("Stripe-Signature", ""))
        return Response(status=204)

    @owner_timer(0.5)
    def finish_purchases(self) -> None:
        self.background.finish_purchases()

    @owner_timer(0.5)
    def finish_payments(self) -> None:
        self.background.finish_payments()

    @owner_timer(60)
    def forget(self) -> None:
        self.background.forget()
