"""I2 and I3 where messages are meant: everybody is told what happened, once."""

from __future__ import annotations

from collections import Counter

from tests.support.history.findings import Findings
from tests.support.history.records import PAID_STATES, Act, History, Order, Outside, Purchase

Told = tuple[str, str]
"""(to whom, the subject)"""


def people_are_told_once(history: History, findings: Findings) -> None:
    """A mail that does not come was lost, unless the shop itself says that it does not know."""
    if history.outside is None:
        return
    got = Counter((letter.to, letter.subject) for letter in history.outside.letters)
    ids = Counter(letter.id for letter in history.outside.letters)
    for letter in history.outside.letters:
        findings.expect(
            "I3", ids[letter.id] == 1, f"mail {letter.id}: {letter.subject}", f"came {ids[letter.id]} times"
        )
    spare = len(history.outside.doubtful)
    for told, (least, most) in sorted(expected(history, history.outside).items()):
        number, what = got[told], f"mail to {told[0]}: {told[1]}"
        findings.expect("I3", number <= most, what, f"came {number} times instead of {most}")
        missing = max(0, least - number)
        findings.expect("I2", missing <= spare, what, f"came {number} times instead of {least}")
        spare -= min(missing, spare)


def expected(history: History, outside: Outside) -> dict[Told, tuple[int, int]]:
    """How often, at least and at most, each mail has to come to the people of this history."""
    people = {operation.actor for operation in history.operations if operation.act is Act.READ_SELF}
    wanted: dict[Told, tuple[int, int]] = {(person, "Welcome to the shop"): (1, 1) for person in people}
    for purchase in outside.purchases.values():
        if purchase.buyer in people and (order := history.orders.get(purchase.order)):
            wanted |= _of_order(order, purchase)
    return wanted


def _of_order(order: Order, purchase: Purchase) -> dict[Told, tuple[int, int]]:
    number, buyer = order.id, purchase.buyer
    if order.state not in ("placed", "cancelled"):
        return {(buyer, f"Your order {number}"): (0, 0)}
    cancelled = order.state == "cancelled"
    # Money that came after the buyer had cancelled goes back without a word about its coming.
    paid = (0, 0) if purchase.payment not in PAID_STATES else (0, 1) if cancelled else (1, 1)
    refunds = sum(refund.state == "made" for refund in purchase.refunds)
    told = {
        (buyer, f"Your order {number}"): (1, 1),
        (buyer, f"Order {number} is paid"): paid,
        (buyer, f"Order {number} is cancelled"): (1, 1) if cancelled else (0, 0),
        (buyer, f"Order {number} was not paid in time"): (0, 0),
        (buyer, f"Money back for order {number}"): (refunds, refunds),
    }
    sold = paid if purchase.payment else (1, 1)
    return told | {(seller, f"You have sold something: order {number}"): sold for seller in purchase.sellers}
