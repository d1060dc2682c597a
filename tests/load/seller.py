"""A seller: creates products, edits them, counts stock, gives money back, and looks at once whether it is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.load import answers
from tests.load.buyer import ORDERS, Buyer
from tests.load.person import Facts, NotAdmitted, Person, acknowledged
from tests.load.visitor import CATALOG, CATEGORIES
from tests.support.history import Act, Operation

PLENTY, SCARCE = 5000, 3
SALES = "/api/payments/sales"


class Seller(Buyer):
    role = "seller"

    def __init__(self, name: str, url: str, keep_alive: bool, seed: int) -> None:
        super().__init__(name, url, keep_alive, seed)
        self.products: list[int] = []
        self.edition = 0
        self.paid_sales: list[int] = []

    def enter(self) -> None:
        """Fill the shelves, and buy one of one's own products: the orders page shows its title ever after."""
        Person.enter(self)
        self._find_purse()
        for stock in (PLENTY, PLENTY, PLENTY, SCARCE):
            self.create(stock)
        self.put_in_cart(self.products[0], 1)
        if not acknowledged(self.check_out()):
            raise NotAdmitted(f"{self.email} cannot buy: {self.operations[-1].evidence}")
        for order in list(self.secrets):
            if not acknowledged(self.pay(order)):
                raise NotAdmitted(f"{self.email} cannot pay: {self.operations[-1].evidence}")

    def steps(self) -> Iterator[Callable[[], object]]:
        while True:
            chance = self.dice.random()
            if chance < 0.15:
                yield partial(self.edit, self.products[0])
                yield self.read_orders
            elif chance < 0.45:
                product = self.dice.choice(self.products)
                yield partial(self.edit, product)
                yield partial(self.read_back, product)
            elif chance < 0.70:
                yield partial(self.change_stock, self.dice.choice(self.products))
            elif chance < 0.80:
                yield self.list_own
            elif chance < 0.84 and len(self.products) < 12:
                yield partial(self.create, self.dice.choice((PLENTY, SCARCE)))
            elif chance < 0.86 and len(self.products) > 6:
                retired = self.products.pop()
                yield partial(self.withdraw, retired)
                yield partial(self.read_back, retired)
            elif chance < 0.88 and self.purse:
                yield self.read_sales
                if self.paid_sales:
                    yield partial(self.give_back, self.dice.choice(self.paid_sales))
            else:
                yield self.look_at_self

    def create(self, stock: int) -> Operation:
        key, wanted = self.new_key(), self._content()

        def facts(found: Any) -> Facts:
            product = answers.product(found)
            return {"product": product["id"], "version": product["version"]} | _as_asked(product, wanted)

        made = self.ask(
            Act.CREATE, "POST", CATALOG, {**wanted, "stock": stock, "request_key": key},
            expect=(201,), facts=facts, key=key, fields=wanted,
        )  # fmt: skip
        if made.product:
            self.products.append(made.product)
        return made

    def edit(self, product: int) -> Operation:
        wanted = self._content()
        changed = {"title": wanted["title"], self.dice.choice(("price", "description", "category")): ""}
        changed = {name: wanted[name] for name in changed}

        def facts(found: Any) -> Facts:
            edited = answers.product(found)
            return {"version": edited["version"]} | _as_asked(edited, changed)

        path = f"{CATALOG}/{product}"
        return self.ask(Act.EDIT, "PATCH", path, changed, facts=facts, product=product, fields=changed)

    def withdraw(self, product: int) -> Operation:
        def facts(found: Any) -> Facts:
            return {"version": answers.product(found)["version"]} | _as_asked(found, {"status": "withdrawn"})

        path = f"{CATALOG}/{product}/withdraw"
        fields = {"status": "withdrawn"}
        return self.ask(Act.WITHDRAW, "POST", path, facts=facts, product=product, fields=fields)

    def change_stock(self, product: int) -> Operation:
        """Mostly more, sometimes less; taking more than there is must be refused."""
        delta, key = self.dice.choice((1, 2, 5, 20, -1, -2)), self.new_key()

        def facts(found: Any) -> Facts:
            if found["product_id"] != product or found["stock"] < 0 or not found["movement_id"]:
                raise answers.WrongAnswer(f"asked {delta:+} for product {product}")
            return {}

        return self.ask(
            Act.STOCK, "POST", f"{CATALOG}/{product}/stock", {"delta": delta, "request_key": key},
            expect=(200, 201), refusals=("out-of-stock",) if delta < 0 else (), facts=facts,
            product=product, delta=delta, key=key,
        )  # fmt: skip

    def read_sales(self) -> Operation:
        def facts(found: Any) -> Facts:
            self.paid_sales = answers.paid_sales(found)
            return {}

        return self.ask(Act.BROWSE, "GET", f"{SALES}?limit=10", facts=facts)

    def give_back(self, order: int) -> Operation:
        """A little, for a scratch. The buyer may have cancelled meanwhile, or got everything back by now."""
        key, cents = self.new_key(), self.dice.randint(1, 20)

        def facts(found: Any) -> Facts:
            if answers.cents(found["amount"]) != cents or found["state"] not in ("made", "intended"):
                raise answers.WrongAnswer(f"asked for {cents} cents back")
            return {}

        return self.ask(
            Act.REFUND, "POST", f"{ORDERS}/{order}/refunds", {"amount": f"0.{cents:02}"},
            headers={"Idempotency-Key": key}, expect=(200, 201, 202),
            refusals=("refund-too-large", "order-not-paid"), facts=facts, key=key, order=order,
        )  # fmt: skip

    def read_back(self, product: int) -> Operation:
        def facts(found: Any) -> Facts:
            return {"version": answers.product(found)["version"]}

        return self.ask(Act.READ_PRODUCT, "GET", f"{CATALOG}/{product}", facts=facts, product=product)

    def list_own(self) -> Operation:
        asked = answers.Criteria(seller_id=self.user_id, limit=100)

        def facts(found: Any) -> Facts:
            mine = {product["id"] for product in answers.page(found, asked, everything=True)}
            missing = set(self.products) - mine
            if missing and len(mine) < asked.limit:
                raise answers.WrongAnswer(f"own products {sorted(missing)} are not listed")
            return {}

        return self.ask(Act.BROWSE, "GET", f"{CATALOG}?{asked.query()}", facts=facts)

    def _content(self) -> dict[str, str]:
        self.edition += 1
        return {
            "title": f"{self.name} piece {self.edition}",
            "description": f"Edition {self.edition}, as good as new.",
            "category": self.dice.choice(CATEGORIES),
            "price": f"{self.dice.randint(1, 99)}.{self.dice.randint(0, 99):02d}",
        }


def _as_asked(product: Any, wanted: dict[str, str]) -> Facts:
    wrong = {name: product[name] for name, value in wanted.items() if product[name] != value}
    if wrong:
        raise answers.WrongAnswer(f"asked for {wanted}, got {wrong}")
    return {}
