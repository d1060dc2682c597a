"""Payments move while people pay: charged exactly once, whoever owns them by then, and whatever becomes of answers
and webhooks of Stripe's. Each claim holds for the way there and for the way back (I3).

On the giver's side Stripe's answers are lost and its webhooks withheld; both come to an end on the taker's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from migration_plan.lifecycle import Side
from tests.doubles.control import MailControl, StripeControl
from tests.load.moving import Moving
from tests.shop.in_flight.buying import CENTS, Buying, Ledger, subjects
from tests.shop.in_flight.people import Person
from tests.support.stack import Stack
from tests.support.waiting import wait_until

# While requests are held, the giver is fenced, and it is decided: somebody pays at each of these.
MOMENTS = ("after-hold", "after-fence", "after-release")
LATER = 3600.0
End = tuple[str, str, list[int], list[int]]
"""What becomes of an order: its state, its payment's, what Stripe took, what Stripe gave back."""
PAID: End = ("placed", "paid", [CENTS], [])
ENDS: dict[str, End] = {
    "paid on the other side than begun": PAID,
    "paid here, heard of there": PAID,
    "begun without an answer": PAID,
    "put into the cart here, ordered there": PAID,
    **{f"paid {moment}": PAID for moment in MOMENTS},
    "given back in part without an answer": ("placed", "partly_refunded", [CENTS], [500]),
    "cancelled right before the switch": ("cancelled", "refunded", [CENTS], [CENTS]),
}


@dataclass
class Crossing:
    """One switch of payments, with orders under way by their stories, and what was seen meanwhile."""

    buying: Buying
    visitor: Person
    taker: Side
    held: int = 0
    stock_before: int = 0
    forgeries: list[int | None] = field(default_factory=list)
    unpaid_after: list[tuple[str, str]] = field(default_factory=list)
    orders: dict[str, int] = field(default_factory=dict)

    def whose(self, story: str) -> Person:
        return self.visitor if story.startswith("put into the cart") else self.buying.buyer


@pytest.fixture(scope="module")
def moving(stack: Stack) -> Iterator[Moving]:
    moving = Moving(stack, "payments")
    moving.begin_sync()
    yield moving
    moving.give_to(Side.MONOLITH)


@pytest.fixture(scope="module", params=list(Side), ids=["cutover", "rollback"])
def crossing(request: pytest.FixtureRequest, stack: Stack, moving: Moving, control: StripeControl) -> Crossing:
    giver: Side = request.param
    moving.give_to(giver)
    crossing = Crossing(Buying.begun(stack, control), Person.signed_up(stack), giver.other)
    begin(crossing, Ledger.of(stack, giver))
    held_before = moving.held()
    switch(crossing, moving)
    end(crossing, Ledger.of(stack, giver.other))
    crossing.held = moving.held() - held_before
    return crossing


def begin(crossing: Crossing, ledger: Ledger) -> None:
    """On the giver's side, up to the switch."""
    buying, orders = crossing.buying, crossing.orders
    buying.control.disturb_webhooks()
    crossing.stock_before = buying.stock()
    crossing.visitor.put_in_cart(buying.product)
    orders["cancelled right before the switch"] = unwanted = buying.paid_order()
    orders["given back in part without an answer"] = flawed = buying.paid_order()
    for story in ("paid on the other side than begun", *(f"paid {moment}" for moment in MOMENTS)):
        orders[story] = buying.order()
    # From here on the shop hears nothing; when it does, everything comes twice, the last word first.
    buying.control.disturb_webhooks(copies=2, delay=LATER, reorder=100)
    orders["paid here, heard of there"] = silent = buying.order()
    buying.pay(silent)
    orders["begun without an answer"] = buying.order_without_answer()
    buying.give_back_without_answer(flawed, "5.00")
    buying.cancel(unwanted)
    ledger.put_off()
    crossing.forgeries += buying.hear_forgeries(silent)
    crossing.unpaid_after.append(buying.states(silent))


def switch(crossing: Crossing, moving: Moving) -> None:
    """Somebody pays at each of the moments, and the webhooks of it are sent at once, twice."""
    buying, left = crossing.buying, list(MOMENTS)

    def pay(checkpoint: str) -> None:
        if checkpoint in left:
            left.remove(checkpoint)
            buying.control.disturb_webhooks(copies=2)
            buying.pay(crossing.orders[f"paid {checkpoint}"])

    assert moving.give_to(crossing.taker, pay) is not None


def end(crossing: Crossing, ledger: Ledger) -> None:
    """On the taker's side: what was left open comes to an end, first without the withheld webhooks."""
    buying, orders = crossing.buying, crossing.orders
    silent, nameless = orders["paid here, heard of there"], orders["begun without an answer"]
    crossing.forgeries += buying.hear_forgeries(silent)
    crossing.unpaid_after.append(buying.states(silent))
    ledger.make_due()
    wait_until(lambda: ledger.intent(nameless), 60, "the intent's name is found out", every=0.1)
    for story in ("given back in part without an answer", "cancelled right before the switch"):
        buying.wait_for(orders[story], *ENDS[story][:2])
    buying.check_out_again(nameless)
    orders["put into the cart here, ordered there"] = carried = buying.order(crossing.visitor)
    for order in (nameless, carried, orders["paid on the other side than begun"]):
        buying.pay(order)
    buying.hear_all()
    buying.hear_all_again(list(orders.values()))


@pytest.mark.parametrize("story", list(ENDS))
def test_each_is_charged_once_and_ends_as_it_has_to(crossing: Crossing, story: str) -> None:
    buying, order = crossing.buying, crossing.orders[story]
    state, payment, charged, given_back = ENDS[story]
    assert buying.states(order, crossing.whose(story)) == (state, payment)
    assert len(buying.intents(order)) == 1
    assert (buying.charged(order), buying.given_back(order)) == (charged, given_back)


def test_webhooks_came_during_the_hold_and_waited_for_its_end(crossing: Crossing) -> None:
    assert crossing.held >= 1


def test_a_forged_and_a_replayed_webhook_are_refused_on_both_sides(crossing: Crossing) -> None:
    assert crossing.forgeries == [400] * 4
    assert crossing.unpaid_after == [("placed", "unpaid")] * 2


def test_stock_and_sales_add_up(crossing: Crossing) -> None:
    sold = sum(end[0] == "placed" for end in ENDS.values())
    assert crossing.buying.stock() == crossing.stock_before - sold
    sales: list[dict[str, Any]] = crossing.buying.seller.client.get("/api/payments/sales").json()["items"]
    assert Counter(one["order_id"] for one in sales) == Counter(crossing.orders.values())


def test_everybody_is_told_once(crossing: Crossing, mail: MailControl) -> None:
    wanted: dict[str, Counter[str]] = {person.email: Counter() for person in (crossing.visitor, crossing.buying.buyer)}
    sold = Counter(f"You have sold something: order {order}" for order in crossing.orders.values())
    for story, order in crossing.orders.items():
        told = wanted[crossing.whose(story).email]
        told.update([f"Your order {order}", f"Order {order} is paid"])
        if ENDS[story][3]:
            told[f"Money back for order {order}"] += 1
        if ENDS[story][0] == "cancelled":
            told[f"Order {order} is cancelled"] += 1
    wanted[crossing.buying.seller.email] = sold
    wait_until(
        lambda: all(not told - subjects(mail.mails(to)) for to, told in wanted.items()), 60, "all is told", every=0.3
    )
    assert {to: subjects(mail.mails(to)) for to in wanted} == wanted


def test_both_sides_hold_the_same(crossing: Crossing, moving: Moving) -> None:
    assert moving.differences() == 0
