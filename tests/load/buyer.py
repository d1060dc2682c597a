"""What everybody with an account can do: fill a cart, check out, pay, cancel, look at their orders."""

from __future__ import annotations

import time
from typing import Any

from tests.load import answers
from tests.load.person import Facts, NotAdmitted, Person, acknowledged
from tests.load.purse import EMPTY_CARD, GOOD_CARD, Purse
from tests.load.visitor import Visitor
from tests.support.clients import Outcome
from tests.support.history import PAID_STATES, Act, Operation

CART, CHECKOUT, ORDERS = "/api/payments/cart", "/api/payments/checkout", "/api/payments/orders"
# So long the shop may take to hear of money that it was given.
HEARD_WITHIN_SECONDS = 45.0


class Buyer(Visitor):
    def __init__(self, name: str, url: str, keep_alive: bool, seed: int) -> None:
        super().__init__(name, url, keep_alive, seed)
        self.cart: dict[int, int] = {}
        # After a request that nobody answered, the cart is what the shop says it is.
        self.cart_is_known = True
        # A checkout that nobody answered may still be decided, and if it fails, its cart comes back by itself.
        self.undecided = False
        self.placed: list[int] = []
        # None: a shop that asks no money.
        self.purse: Purse | None = None
        self.secrets: dict[int, str] = {}
        """What is still to be paid: order -> its payment's secret."""
        self._paid_at: dict[int, float] = {}

    def enter(self) -> None:
        Person.enter(self)
        self._find_purse()
        self.browse()

    def _find_purse(self) -> None:
        answer = self.client.get("/api/payments/config")
        if answer.status != 200:
            raise NotAdmitted(f"{self.email} is not told how to pay: {answer}")
        config = answer.json()
        if config["publishable_key"]:
            self.purse = Purse.of(config["script"], config["publishable_key"])

    def put_in_cart(self, product: int, quantity: int) -> Operation:
        put = self._change_cart(
            "PUT", product, {"quantity": quantity}, refusals=("not-found", "not-available", "out-of-stock")
        )
        if acknowledged(put):
            self.cart[product] = quantity
        else:
            self.seen = [seen for seen in self.seen if seen != product]
        return put

    def take_from_cart(self, product: int) -> Operation:
        taken = self._change_cart("DELETE", product, None, refusals=("not-found",))
        if taken.expected:
            self.cart.pop(product, None)
        return taken

    def read_cart(self) -> Operation:
        def facts(found: Any) -> Facts:
            lines = {line["product_id"]: line["quantity"] for line in found["items"]}
            if self.cart_is_known and lines != self.cart:
                raise answers.WrongAnswer(f"the cart should hold {self.cart}")
            self.cart, self.cart_is_known = lines, True
            return {}

        return self.ask(Act.BROWSE, "GET", CART, facts=facts)

    def check_out(self) -> Operation:
        """Somebody else may have been quicker: then the shop refuses, and the cart stays."""
        key, wanted = self.new_key(), dict(self.cart)

        def facts(found: Any) -> Facts:
            order = answers.order(found)
            got = {line["product_id"]: line["quantity"] for line in order["lines"]}
            if (self.cart_is_known and got != wanted) or order["state"] != "placed":
                raise answers.WrongAnswer(f"ordered {wanted}")
            if self.purse:
                self.secrets[order["id"]] = answers.to_be_paid(order)
            return {"order": order["id"]}

        bought = self.ask(
            Act.CHECKOUT, "POST", CHECKOUT, headers={"Idempotency-Key": key},
            expect=(201,), refusals=("out-of-stock", "not-available"), facts=facts, key=key,
        )  # fmt: skip
        if acknowledged(bought) and bought.order:
            self.cart.clear()
            self.placed.append(bought.order)
        self.undecided = bought.outcome is Outcome.UNKNOWN or not bought.expected
        self.cart_is_known = not self.undecided
        return bought

    def pay(self, order: int, card: str = GOOD_CARD) -> Operation:
        """In the browser. Only Stripe knows of it at first; the shop is told."""
        assert self.purse
        answer = self.purse.pay(self.secrets[order], card)
        declined = answer.status == 402 and card == EMPTY_CARD
        succeeded = answer.status == 200 and card == GOOD_CARD and answer.json()["status"] == "succeeded"
        if succeeded:
            del self.secrets[order]
            self._paid_at[order] = time.monotonic()
        evidence = "" if succeeded or declined else str(answer)
        operation = Operation(
            self.email, Act.PAY, answer.attempt.started, answer.attempt.ended, answer.outcome, answer.status,
            order=order, expected=succeeded or declined, evidence=evidence,
        )  # fmt: skip
        self.operations.append(operation)
        return operation

    def cancel(self, order: int) -> Operation:
        self.secrets.pop(order, None)

        def facts(found: Any) -> Facts:
            if answers.order(found)["state"] != "cancelled":
                raise answers.WrongAnswer(f"cancelled order {order} is {found['state']}")
            return {}

        return self.ask(Act.CANCEL, "POST", f"{ORDERS}/{order}/cancel", facts=facts, order=order)

    def read_orders(self) -> Operation:
        """The newest orders; their lines show each product's title as it is now, joined by the shop."""

        def facts(found: Any) -> Facts:
            orders = [answers.order(order) for order in found["items"]]
            self.undecided = any(order["state"] in ("pending", "cancelling") for order in orders)
            payments = {order["id"]: order["payment"]["state"] for order in orders if order["payment"]}
            self._expect_heard(payments)
            titles = {
                line["product_id"]: line["current_title"]
                for order in orders
                for line in order["lines"]
                if line.get("current_title")
            }
            states = {order["id"]: order["state"] for order in orders}
            return {"orders": states, "payments": payments, "titles": titles}

        return self.ask(Act.READ_ORDERS, "GET", f"{ORDERS}?limit=10", facts=facts)

    def _expect_heard(self, payments: dict[int, str]) -> None:
        for order, state in payments.items():
            paid_at = self._paid_at.get(order)
            if paid_at and state in PAID_STATES:
                del self._paid_at[order]
            elif paid_at and time.monotonic() > paid_at + HEARD_WITHIN_SECONDS and state == "unpaid":
                raise answers.WrongAnswer(f"order {order} was paid long ago, but shows as {state}")

    def _change_cart(self, method: str, product: int, body: object, refusals: tuple[str, ...]) -> Operation:
        path = f"{CART}/items/{product}"
        changed = self.ask(Act.BROWSE, method, path, body, expect=(200, 201, 204), refusals=refusals)
        self.cart_is_known &= changed.outcome is not Outcome.UNKNOWN
        return changed
