"""What everybody with an account can do: fill a cart, check out, cancel, look at their orders."""

from __future__ import annotations

from typing import Any

from tests.load import answers
from tests.load.person import Facts, Person, acknowledged
from tests.load.visitor import Visitor
from tests.support.clients import Outcome
from tests.support.history import Act, Operation

CART, CHECKOUT, ORDERS = "/api/payments/cart", "/api/payments/checkout", "/api/payments/orders"


class Buyer(Visitor):
    def __init__(self, name: str, url: str, keep_alive: bool, seed: int) -> None:
        super().__init__(name, url, keep_alive, seed)
        self.cart: dict[int, int] = {}
        # After a request that nobody answered, the cart is what the shop says it is.
        self.cart_is_known = True
        # A checkout that nobody answered may still be decided, and if it fails, its cart comes back by itself.
        self.undecided = False
        self.placed: list[int] = []

    def enter(self) -> None:
        Person.enter(self)
        self.browse()

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

    def cancel(self, order: int) -> Operation:
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
            titles = {
                line["product_id"]: line["current_title"]
                for order in orders
                for line in order["lines"]
                if line.get("current_title")
            }
            return {"orders": {order["id"]: order["state"] for order in orders}, "titles": titles}

        return self.ask(Act.READ_ORDERS, "GET", f"{ORDERS}?limit=10", facts=facts)

    def _change_cart(self, method: str, product: int, body: object, refusals: tuple[str, ...]) -> Operation:
        path = f"{CART}/items/{product}"
        changed = self.ask(Act.BROWSE, method, path, body, expect=(200, 201, 204), refusals=refusals)
        self.cart_is_known &= changed.outcome is not Outcome.UNKNOWN
        return changed
