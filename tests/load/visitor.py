"""A visitor without a session: looks around only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.load import answers
from tests.load.person import Facts, Person
from tests.support.history import Act, Operation

CATEGORIES = ("books", "garden", "kitchen", "light", "toys")
CATALOG = "/api/catalog/products"


class Visitor(Person):
    def __init__(self, name: str, url: str, keep_alive: bool, seed: int) -> None:
        super().__init__(name, url, keep_alive, seed)
        self.seen: list[int] = []

    def enter(self) -> None:
        self.browse()

    def steps(self) -> Iterator[Callable[[], object]]:
        while True:
            yield self.look_around()

    def look_around(self) -> Callable[[], object]:
        if self.seen and self.dice.random() < 0.5:
            return partial(self.look_at, self.dice.choice(self.seen))
        return self.browse

    def browse(self) -> Operation:
        """A list, a filtered list, or a search."""
        limit, sort = self.dice.choice((5, 10, 20)), self.dice.choice(("newest", "price", "-price", "title"))
        asked = self.dice.choice((
            answers.Criteria(limit=limit, sort=sort),
            answers.Criteria(limit=limit, sort=sort, category=self.dice.choice(CATEGORIES), in_stock=True),
            answers.Criteria(limit=limit, sort=sort, min_price="10.00", max_price="60.00", in_stock=True),
            answers.Criteria(limit=limit, q="piece"),
        ))  # fmt: skip

        def facts(found: Any) -> Facts:
            stocked = [item["id"] for item in answers.page(found, asked) if item["stock"] > 0]
            self.seen = (stocked + self.seen)[:60]
            return {}

        return self.ask(Act.BROWSE, "GET", f"{CATALOG}?{asked.query()}", facts=facts)

    def look_at(self, product: int) -> Operation:
        """A product that was seen may have been withdrawn since; then only its seller finds it."""

        def facts(found: Any) -> Facts:
            if answers.product(found)["id"] != product:
                raise answers.WrongAnswer(f"asked for product {product}")
            return {}

        path = f"{CATALOG}/{product}"
        return self.ask(Act.BROWSE, "GET", path, refusals=("not-found",), facts=facts)
