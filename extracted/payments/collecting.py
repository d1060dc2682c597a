"""Taking money for purchases: an intent for each, its end, and what follows.

Each step begins with what is committed in the payment's row; the key of an intent is its purchase and attempt. So a
process may die on any line: the next one asks Stripe the same again, and is told what came of it. During a call the
row is held: others wait for its outcome, a fence too. Nobody waits for long: all calls of a step have one deadline.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection

from extracted.payments import ledger, purchases, refunds, states, telling
from extracted.payments.errors import PaymentInDoubt
from extracted.payments.gateway import Gateway, Intent, KeySpent, within
from extracted.payments.states import Fact, State
from extracted.payments.storage import Payment
from extracted.payments.till import Till
from extracted.platform.database import Database

log = logging.getLogger(__name__)

# With the wait for the row still less than an entrypoint may take.
PATIENCE_SECONDS = 6.0


class Collecting:
    def __init__(self, database: Database, till: Till | None) -> None:
        self._database = database
        self._till = till

    @property
    def takes_payments(self) -> bool:
        return self._till is not None

    @property
    def gateway(self) -> Gateway:
        if self._till is None:
            # Purchases of a time when there were keys.
            raise PaymentInDoubt("This shop has no access to its payment service now.")
        return self._till.gateway

    @contextmanager
    def asking(self, purchase_id: int) -> Iterator[tuple[Connection, Payment | None]]:
        """Calls to Stripe about this purchase, with its payment held; then all that came of them is committed."""
        with self._database.write() as connection:
            payment = ledger.hold(connection, purchase_id)
            with within(PATIENCE_SECONDS):
                yield connection, payment

    def start(self, purchase_id: int) -> Intent | None:
        """The intent with which the buyer pays; None if nothing is left to be paid."""
        with self._database.read() as connection:
            payment = ledger.find(connection, purchase_id)
        if payment is None or payment.state is not State.UNPAID:
            return None
        with self.asking(purchase_id) as (connection, payment):
            if payment is None or payment.state is not State.UNPAID:
                return None
            intent = self._intent_of(connection, payment)
            if fact := states.FINAL.get(intent.status):
                apply(connection, payment, fact)
                return None
            ledger.look_later(connection, purchase_id)
        return intent

    def give_up(self, purchase_id: int) -> bool:
        """Nobody wants the purchase any more: decided and committed here. False: no money was ever asked for it."""
        with self._database.write() as connection:
            payment = ledger.lock(connection, purchase_id)
            if payment is None:
                return False
            if begin_cancel(connection, purchase_id):
                if payment.state in states.HOLDS_MONEY:
                    _refund_the_rest(connection, payment)
                else:
                    apply(connection, payment, Fact.CANCEL)
        return True

    def end(self, purchase_id: int) -> None:
        """Cancel the intent of a payment that is to end, or find that money won the race."""
        with self._database.read() as connection:
            payment = ledger.find(connection, purchase_id)
        if payment is None or payment.state not in states.ENDING:
            return
        with self.asking(purchase_id) as (connection, payment):
            if payment is None or payment.state not in states.ENDING:
                return
            # One whose answer was lost is asked for again under its key: then it has a name to cancel it by.
            intent = self.gateway.cancel(payment.intent or self._intent_of(connection, payment).id)
            if fact := states.FINAL.get(intent.status):
                apply(connection, payment, fact)

    def work(self, purchase_id: int) -> None:
        """Whatever is due for this payment: its end, or a question of what became of it; for background work."""
        with self._database.write() as connection:
            payment = ledger.lock(connection, purchase_id)
            if payment and payment.expires_at <= datetime.now(UTC):
                apply(connection, payment, Fact.EXPIRE)
        if payment and payment.state is State.UNPAID:
            self.start(purchase_id)
        self.end(purchase_id)

    def _intent_of(self, connection: Connection, payment: Payment) -> Intent:
        if payment.intent is not None:
            return self.gateway.get(payment.intent)
        try:
            intent = self.gateway.create(payment.purchase_id, payment.attempt, payment.amount)
        except KeySpent:
            # Whatever this key made, nobody was told its secret, so nobody can pay it.
            ledger.next_attempt(connection, payment)
            connection.commit()
            raise PaymentInDoubt("The payment service could not prepare the payment.") from None
        ledger.know_intent(connection, payment, intent.id)
        return intent


def apply(connection: Connection, payment: Payment, fact: Fact) -> None:
    """With the payment's row locked: the transition and all that comes with it, or nothing."""
    move = states.after(payment.state, fact)
    facts = {"purchase": payment.purchase_id, "from": payment.state}
    if move is None:
        if payment.state is State.VOID and fact is Fact.SUCCEEDED:
            log.error("a void payment is told to be paid", extra=facts)
        return
    ledger.move(connection, payment.purchase_id, move.state, move.state in states.OPEN)
    purchase = purchases.by_id(connection, payment.purchase_id)
    if purchase and fact is Fact.SUCCEEDED and not move.refunds_all:
        telling.paid(connection, purchase, payment.amount)
    if move.ends_purchase and purchases.begin_undo(connection, payment.purchase_id, "placed", None) and purchase:
        telling.expired(connection, purchase)
    if move.refunds_all:
        _refund_the_rest(connection, payment)
    log.info("payment moved", extra={**facts, "to": move.state})


def begin_cancel(connection: Connection, purchase_id: int) -> bool:
    """By its buyer. False: it was decided before."""
    if not purchases.begin_undo(connection, purchase_id, "placed", None):
        return False
    if purchase := purchases.by_id(connection, purchase_id):
        telling.cancelled(connection, purchase)
    return True


def _refund_the_rest(connection: Connection, payment: Payment) -> None:
    promised, _ = refunds.promised(connection, payment.purchase_id, None)
    if payment.amount > promised:
        refunds.intend(connection, payment.purchase_id, payment.amount - promised)
