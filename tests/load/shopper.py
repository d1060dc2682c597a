"""A shopper: looks around, fills the cart, checks out, pays, sometimes changes their mind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tests.load.buyer import Buyer
from tests.load.person import acknowledged
from tests.load.purse import EMPTY_CARD
from tests.support.history import Operation


class Shopper(Buyer):
    # How often the next thing to do is to buy something; most people in a shop look around.
    buying = 0.02
    # Where money is asked for: how often it is given at once. Who does not pay cancels, now or later.
    paying = 0.95

    def steps(self) -> Iterator[Callable[[], object]]:
        while True:
            chance = self.dice.random()
            if self.undecided:
                yield self.read_orders
            elif not self.cart_is_known:
                yield self.read_cart
            elif self.secrets:
                yield partial(self._give_up, next(iter(self.secrets)))
                yield self.read_orders
            elif chance < self.buying and self.seen:
                yield from self._buy()
            elif chance < 1.25 * self.buying and self.placed:
                order = self.placed.pop(self.dice.randrange(len(self.placed)))
                yield partial(self.cancel, order)
                yield self.read_orders
            elif chance < 1.25 * self.buying + 0.05:
                yield self.read_cart
            elif chance < 1.25 * self.buying + 0.20:
                yield self.look_at_self
            else:
                yield self.look_around()

    def _give_up(self, order: int) -> None:
        """Before somebody else does, who waits for the money."""
        if order in self.placed:
            self.placed.remove(order)
        self.cancel(order)

    def _buy(self) -> Iterator[Callable[[], object]]:
        """One to three products into the cart, checkout, and a look at the orders."""
        shelf = sorted(set(self.seen))
        for product in self.dice.sample(shelf, min(self.dice.choice((1, 1, 2, 3)), len(shelf))):
            yield partial(self.put_in_cart, product, self.dice.randint(1, 3))
        if not self.cart:
            return
        bought: list[Operation] = []
        yield lambda: bought.append(self.check_out())
        yield self.read_orders
        order = bought[0].order
        if order in self.secrets and order is not None and self.dice.random() < self.paying:
            if self.dice.random() < 0.1:
                yield partial(self.pay, order, EMPTY_CARD)
            yield partial(self.pay, order)
            yield self.read_orders
        if not acknowledged(bought[0]):
            for product in list(self.cart):
                yield partial(self.take_from_cart, product)
