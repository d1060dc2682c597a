"""I2 and I3 where money is meant: what Stripe took and gave back is what the shop says, to the cent, and once."""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.support.clients import Outcome
from tests.support.history.findings import Findings
from tests.support.history.records import PAID_STATES, Act, History, Order, Outside, Purchase

KEPT, PART, ALL = "paid", "partly_refunded", "refunded"


def _own(history: History, outside: Outside) -> list[tuple[Order, Purchase]]:
    """Orders of the people of this history: of others' money nobody may be left who knows."""
    people = {operation.actor for operation in history.operations}
    return [
        (history.orders[purchase.order], purchase)
        for purchase in outside.purchases.values()
        if purchase.buyer in people and purchase.payment and purchase.order in history.orders
    ]


def nobody_is_charged_twice(history: History, findings: Findings) -> None:
    """Each payment takes money once at most, all of what its order comes to; and no money belongs to no order."""
    if history.outside is None:
        return
    taken = defaultdict(list)
    for charge in history.outside.charges:
        if charge.paid:
            taken[charge.intent].append(charge.cents)
    intents = Counter(purchase.intent for purchase in history.outside.purchases.values() if purchase.intent)
    for intent in taken:
        findings.expect("I3", intents[intent] == 1, f"payment {intent}", f"{intents[intent]} orders know of it")
    for order, purchase in _own(history, history.outside):
        amounts = taken[purchase.intent]
        right = amounts in ([], [purchase.cents])
        evidence = f"Stripe took {amounts} for {purchase.cents} cents"
        findings.expect("I3", right, f"order {order.id}, payment {purchase.intent}", evidence)


def money_adds_up(history: History, findings: Findings) -> None:
    """What was taken, less what was given back, is what the order's state says."""
    if history.outside is None:
        return
    taken: Counter[str] = Counter()
    for charge in history.outside.charges:
        taken[charge.intent] += charge.cents if charge.paid else 0
    back: Counter[str] = Counter()
    for given in history.outside.given_back:
        back[given.intent] += given.cents
    for order, purchase in _own(history, history.outside):
        took, gave = taken[purchase.intent], back[purchase.intent]
        made = sum(refund.cents for refund in purchase.refunds if refund.state == "made")
        what = f"order {order.id} is {order.state} and {purchase.payment}, over {purchase.cents} cents"
        evidence = f"Stripe took {took} and gave {gave} back, the shop knows of {made}"
        findings.expect("I3", gave == made, what, evidence)
        findings.expect("I3", _is_right(order.state, purchase, took, gave), what, evidence)


def _is_right(state: str, purchase: Purchase, took: int, gave: int) -> bool:
    if state != "placed":
        return took == gave and purchase.payment in ("cancelled", ALL)
    wanted = {
        "unpaid": took == 0,
        KEPT: took == purchase.cents and gave == 0,
        PART: took == purchase.cents and 0 < gave < took,
        ALL: took == purchase.cents == gave,
    }
    return wanted.get(purchase.payment, False)


def acknowledged_money_is_known(history: History, findings: Findings) -> None:
    """Who was told by Stripe that they paid has paid; who was told that money goes back gets it, once."""
    if history.outside is None:
        return
    by_key = defaultdict(list)
    for purchase in history.outside.purchases.values():
        for refund in purchase.refunds:
            by_key[refund.key].append(refund)
    for operation in history.operations:
        if operation.outcome is not Outcome.ACKNOWLEDGED or not operation.expected:
            continue
        if operation.act is Act.PAY:
            known = history.outside.purchases.get(operation.order or 0)
            state = known.payment if known else "unknown"
            findings.expect("I2", state in PAID_STATES, operation, f"the payment is {state}")
        elif operation.act is Act.REFUND:
            found = by_key[operation.key]
            findings.expect("I2", [refund.state for refund in found] == ["made"], operation, f"the shop has {found}")
