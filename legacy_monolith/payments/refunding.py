"""Giving money back: never more than was paid, each refund once, whoever dies in between.

The row is committed before Stripe is asked, and counts against what is left from then on. While Stripe is asked the
payment's row is held, so that no fence comes between the money and its row. A refund that is taken up
again is first looked for at Stripe, where it carries its row's id: a key is remembered there for a day only.
"""

from __future__ import annotations

import logging
from uuid import UUID

from sqlalchemy import text

from legacy_monolith.database import db
from legacy_monolith.errors import NotFound, OrderNotPaid, RefundTooLarge, RequestKeyReused
from legacy_monolith.payments import collecting, events, ledger, orders, states
from legacy_monolith.payments.gateway import Given, KeySpent, PaymentInDoubt, RefundRefused
from legacy_monolith.payments.ledger import Refund
from legacy_monolith.web import euros

log = logging.getLogger(__name__)

_SHARE = text("""
    select cast(sum(quantity * unit_price) * 100 as bigint)
    from order_lines where order_id = :order_id and seller_id = :seller_id
""")


def give_back(seller_id: int, order_id: int, key: UUID, amount: int) -> tuple[Refund, bool]:
    """A seller's refund of what was bought from them, and whether this request decided on it."""
    refund_id = _decide(seller_id, order_id, key, amount)
    refund = ledger.refund_by_key(key)
    db.session.rollback()
    if refund is None or (refund.seller_id, refund.order_id, refund.amount) != (seller_id, order_id, amount):
        raise RequestKeyReused(f"The key {key} was used for another request.")
    try:
        send(refund.id, is_first=refund_id is not None)
    except PaymentInDoubt:
        db.session.rollback()
    return ledger.refund_by_id(refund.id) or refund, refund_id is not None


def send(refund_id: int, is_first: bool = False) -> None:
    """Anyone may repeat it at any time."""
    refund = ledger.refund_by_id(refund_id)
    if refund is None or refund.state != "intended":
        db.session.rollback()
        return
    with collecting.asking(refund.order_id) as payment:
        # As it is now that nobody else can change it.
        refund = ledger.refund_by_id(refund_id)
        if refund and refund.state == "intended" and payment and payment.intent:
            _send(refund, payment.intent, is_first)


def _send(refund: Refund, intent: str, is_first: bool) -> None:
    gateway = collecting.gateway()
    found = [] if is_first else [one for one in gateway.given(intent) if one.refund_id == refund.id]
    try:
        given = found or [gateway.refund(intent, refund.id, refund.attempt, refund.amount)]
    except KeySpent:
        ledger.next_refund_attempt(refund)
        db.session.commit()
        raise PaymentInDoubt("The payment service could not give the money back.") from None
    except RefundRefused as refusal:
        log.error("a refund is refused", extra={"order": refund.order_id, "refund": refund.id, "code": str(refusal)})
        ledger.refuse_refund(refund.id, str(refusal))
    else:
        settle(refund.order_id, given)


def settle(order_id: int, given: list[Given]) -> None:
    """Write down what Stripe gave back, and where that takes the payment."""
    if ledger.lock(order_id) is None:
        return
    order = orders.by_id(order_id)
    for one in given:
        news = ledger.settle_refund(order_id, one)
        if news is not None and one.counts and order:
            events.order_refunded(order.user_id, order_id, news, one.amount)
    ledger.count_refunds(order_id)
    payment = ledger.find(order_id)
    if payment:
        collecting.apply(payment, states.fact_of_refunds(payment.amount, payment.refunded))


def _decide(seller_id: int, order_id: int, key: UUID, amount: int) -> int | None:
    """The refund's row, committed; None if the key has one."""
    share = db.session.execute(_SHARE, {"order_id": order_id, "seller_id": seller_id}).scalar()
    if share is None:
        raise NotFound(f"There is no order {order_id} with anything of yours.")
    payment = ledger.lock(order_id)
    if ledger.refund_by_key(key):
        db.session.rollback()
        return None
    if payment is None or payment.state not in states.HOLDS_MONEY:
        raise OrderNotPaid(f"Order {order_id} has nothing to give back.")
    everyones, own = ledger.promised(order_id, seller_id)
    left = max(0, min(payment.amount - everyones, share - own))
    if amount > left:
        raise RefundTooLarge(f"At most {euros(left)} EUR can be given back.", left=euros(left))
    refund_id = ledger.intend_refund(order_id, amount, key, seller_id)
    db.session.commit()
    return refund_id
