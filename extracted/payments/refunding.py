"""Giving money back: never more than was paid, each refund once, whoever dies in between.

The row is committed before Stripe is asked, and counts against what is left from then on. While Stripe is asked the
payment's row is held, so that no fence comes between the money and its row. A refund that is taken up again is first
looked for at Stripe, where it carries its row's id: a key is remembered there for a day only.
"""

from __future__ import annotations

import logging
from uuid import UUID

from sqlalchemy import Connection

from extracted.payments import collecting, ledger, purchases, refunds, states, telling
from extracted.payments.collecting import Collecting
from extracted.payments.errors import NothingSold, OrderNotPaid, PaymentInDoubt, RefundTooLarge, RequestKeyReused
from extracted.payments.gateway import Given, KeySpent, RefundRefused
from extracted.payments.storage import Refund
from extracted.platform.database import Database
from extracted.platform.validation import money

log = logging.getLogger(__name__)


class Refunding:
    def __init__(self, database: Database, collecting: Collecting) -> None:
        self._database = database
        self._collecting = collecting

    def give_back(self, seller_id: int, purchase_id: int, key: UUID, amount: int) -> tuple[Refund, bool]:
        """A seller's refund of what was bought from them, and whether this request decided on it."""
        is_new = self._decide(seller_id, purchase_id, key, amount)
        refund = self._refund(key)
        if refund is None or (refund.seller_id, refund.purchase_id, refund.amount) != (seller_id, purchase_id, amount):
            raise RequestKeyReused(f"The key {key} was used for another request.")
        try:
            self.send(refund.id, is_first=is_new)
        except PaymentInDoubt as doubt:
            log.warning("a refund is in doubt", extra={"refund": refund.id, "reason": str(doubt)})
        return self._refund(key) or refund, is_new

    def send(self, refund_id: int, is_first: bool = False) -> None:
        """Anyone may repeat it at any time."""
        with self._database.read() as connection:
            refund = refunds.by_id(connection, refund_id)
        if refund is None or refund.state != "intended":
            return
        with self._collecting.asking(refund.purchase_id) as (connection, payment):
            # As it is now that nobody else can change it.
            refund = refunds.by_id(connection, refund_id)
            if refund and refund.state == "intended" and payment and payment.intent:
                self._send(connection, refund, payment.intent, is_first)

    def _send(self, connection: Connection, refund: Refund, intent: str, is_first: bool) -> None:
        gateway = self._collecting.gateway
        found = [] if is_first else [one for one in gateway.given(intent) if one.refund_id == refund.id]
        try:
            given = found or [gateway.refund(intent, refund.id, refund.attempt, refund.amount)]
        except KeySpent:
            refunds.next_attempt(connection, refund)
            connection.commit()
            raise PaymentInDoubt("The payment service could not give the money back.") from None
        except RefundRefused as refusal:
            facts = {"purchase": refund.purchase_id, "refund": refund.id, "code": str(refusal)}
            log.error("a refund is refused", extra=facts)
            refunds.refuse(connection, refund.id, str(refusal))
        else:
            settle(connection, refund.purchase_id, given)

    def _refund(self, key: UUID) -> Refund | None:
        with self._database.read() as connection:
            return refunds.by_key(connection, key)

    def _decide(self, seller_id: int, purchase_id: int, key: UUID, amount: int) -> bool:
        """The refund's row, committed; False if the key has one."""
        with self._database.write() as connection:
            share = ledger.share(connection, purchase_id, seller_id)
            if share is None:
                raise NothingSold(purchase_id)
            payment = ledger.lock(connection, purchase_id)
            if refunds.by_key(connection, key):
                return False
            if payment is None or payment.state not in states.HOLDS_MONEY:
                raise OrderNotPaid(f"Order {purchase_id} has nothing to give back.")
            everyones, own = refunds.promised(connection, purchase_id, seller_id)
            left = max(0, min(payment.amount - everyones, share - own))
            if amount > left:
                raise RefundTooLarge(f"At most {money(left)} EUR can be given back.", left=money(left))
            return refunds.intend(connection, purchase_id, amount, key, seller_id) is not None


def settle(connection: Connection, purchase_id: int, given: list[Given]) -> None:
    """Write down what Stripe gave back, and where that takes the payment."""
    if ledger.lock(connection, purchase_id) is None:
        return
    purchase = purchases.by_id(connection, purchase_id)
    for one in given:
        news = refunds.settle(connection, purchase_id, one)
        if news is not None and one.counts and purchase:
            telling.refunded(connection, purchase, news, one.amount)
    refunds.count(connection, purchase_id)
    payment = ledger.find(connection, purchase_id)
    if payment:
        collecting.apply(connection, payment, states.fact_of_refunds(payment.amount, payment.refunded))
