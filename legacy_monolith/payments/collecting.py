"""Taking money for orders: an intent for each, its end, and what follows.

Each step begins with what is committed in the payment's row; the key of an intent is its order and attempt. So a
process may die on any line: the next one asks Stripe the same again, and is told what came of it. During a call the
row is held: others wait for its outcome, a fence too. Nobody waits for long: all calls of a step have one deadline.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from flask import current_app

from legacy_monolith.database import db
from legacy_monolith.payments import events, ledger, orders, states
from legacy_monolith.payments.gateway import Gateway, Intent, KeySpent, PaymentInDoubt, within
from legacy_monolith.payments.ledger import Payment
from legacy_monolith.payments.states import Fact, State

log = logging.getLogger(__name__)

# With the wait for the row still less than the proxy waits for an answer.
PATIENCE_SECONDS = 6.0


def takes_payments() -> bool:
    return current_app.extensions["gateway"] is not None


def gateway() -> Gateway:
    found: Gateway | None = current_app.extensions["gateway"]
    if found is None:
        # Orders of a time when there were keys.
        raise PaymentInDoubt("This shop has no access to its payment service now.")
    return found


@contextmanager
def asking(order_id: int) -> Iterator[Payment | None]:
    """Calls to Stripe about this order, with its payment held; then all that came of them is committed."""
    payment = ledger.hold(order_id)
    try:
        with within(PATIENCE_SECONDS):
            yield payment
    except PaymentInDoubt:
        db.session.rollback()
        raise
    db.session.commit()


def start(order_id: int) -> Intent | None:
    """The intent with which the buyer pays; None if nothing is left to be paid."""
    payment = ledger.find(order_id)
    db.session.rollback()
    if payment is None or payment.state is not State.UNPAID:
        return None
    with asking(order_id) as payment:
        if payment is None or payment.state is not State.UNPAID:
            return None
        intent = _intent_of(payment)
        if fact := states.FINAL.get(intent.status):
            apply(payment, fact)
            return None
        ledger.look_later(order_id)
    return intent


def give_up(order_id: int) -> bool:
    """Nobody wants the order any more: decided and committed here. False: no money was ever asked for it."""
    payment = ledger.lock(order_id)
    if payment is None:
        return False
    if begin_cancel(order_id):
        if payment.state in states.HOLDS_MONEY:
            _refund_the_rest(payment)
        else:
            apply(payment, Fact.CANCEL)
    db.session.commit()
    return True


def end(order_id: int) -> None:
    """Cancel the intent of a payment that is to end, or find that money won the race."""
    payment = ledger.find(order_id)
    db.session.rollback()
    if payment is None or payment.state not in states.ENDING:
        return
    with asking(order_id) as payment:
        if payment is None or payment.state not in states.ENDING:
            return
        # One whose answer was lost is asked for again under its key: then it has a name to cancel it by.
        intent = gateway().cancel(payment.intent or _intent_of(payment).id)
        if fact := states.FINAL.get(intent.status):
            apply(payment, fact)


def work(order_id: int) -> None:
    """Whatever is due for this payment: its end, or a question of what became of it; for the background process."""
    payment = ledger.lock(order_id)
    if payment and payment.expires_at <= datetime.now(UTC):
        apply(payment, Fact.EXPIRE)
    db.session.commit()
    if payment and payment.state is State.UNPAID:
        start(order_id)
    end(order_id)


def apply(payment: Payment, fact: Fact) -> None:
    """With the payment's row locked: the transition and all that comes with it, or nothing."""
    move = states.after(payment.state, fact)
    if move is None:
        if payment.state is State.CANCELLED and fact is Fact.SUCCEEDED:
            log.error("a cancelled payment is told to be paid", extra={"order": payment.order_id})
        return
    ledger.move(payment.order_id, move.state, move.state in states.OPEN)
    order = orders.by_id(payment.order_id)
    if order and fact is Fact.SUCCEEDED and not move.refunds_all:
        events.order_paid(order.user_id, order.id, payment.amount)
        events.order_sold_by_all(order.id)
    if move.ends_order and orders.begin_undo(payment.order_id, "placed", None) and order:
        events.order_expired(order.user_id, order.id)
    if move.refunds_all:
        _refund_the_rest(payment)
    log.info("payment moved", extra={"order": payment.order_id, "from": payment.state, "to": move.state})


def begin_cancel(order_id: int) -> bool:
    """By its buyer. False: it was decided before."""
    if not orders.begin_undo(order_id, "placed", None):
        return False
    if order := orders.by_id(order_id):
        events.order_cancelled(order.user_id, order_id)
    return True


def _refund_the_rest(payment: Payment) -> None:
    promised, _ = ledger.promised(payment.order_id, None)
    if payment.amount > promised:
        ledger.intend_refund(payment.order_id, payment.amount - promised)


def _intent_of(payment: Payment) -> Intent:
    if payment.intent is not None:
        return gateway().get(payment.intent)
    try:
        intent = gateway().create(payment.order_id, payment.attempt, payment.amount)
    except KeySpent:
        # Whatever this key made, nobody was told its secret, so nobody can pay it.
        ledger.next_attempt(payment)
        db.session.commit()
        raise PaymentInDoubt("The payment service could not prepare the payment.") from None
    ledger.know_intent(payment, intent.id)
    return intent
