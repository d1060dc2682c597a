"""Payments, refunds and events as rows. Whoever changes a payment or adds to it locks its row first; none commits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.exc import OperationalError

from legacy_monolith.database import db, sqlstate
from legacy_monolith.payments.gateway import Given, PaymentInDoubt
from legacy_monolith.payments.states import State

LOCK_NOT_AVAILABLE = "55P03"

# How long whoever asks Stripe is left alone before the background process takes it up; longer than all its retries.
GRACE = "interval '30 seconds'"
# How long anyone waits for a row that somebody else holds while Stripe is asked.
LOCK_PATIENCE = "2s"
# How long a buyer has to pay.
TIME_TO_PAY = "interval '15 minutes'"
# Longer than Stripe sends an event again.
EVENTS_KEPT = "interval '60 days'"
# When Stripe is asked about a payment of which no event has come: a minute after it began, then each time twice as
# late, the last time when it expires.
LOOK_AGAIN = "least(expires_at, now() + greatest(interval '1 minute', now() - created_at))"

_OPEN = text(f"""
    insert into payments (order_id, state, amount, expires_at, retry_at)
    values (:order_id, 'unpaid', :amount, now() + {TIME_TO_PAY}, now() + {GRACE})
    on conflict (order_id) do nothing
""")  # noqa: S608  constants
_PAYMENT = "select order_id, state, amount, refunded, attempt, intent, expires_at from payments"
_FIND = text(f"{_PAYMENT} where order_id = :order_id")
_LOCK = text(f"{_PAYMENT} where order_id = :order_id for no key update")
_BE_PATIENT = text(f"set local lock_timeout = '{LOCK_PATIENCE}'")
# An update, not only a lock of the row: a fence waits for whoever writes the table, not for who locks its rows.
_HOLD = text(f"""
    update payments set retry_at = case when retry_at is not null then now() + {GRACE} end where order_id = :order_id
    returning order_id, state, amount, refunded, attempt, intent, expires_at
""")  # noqa: S608  a constant
_OF_INTENT = text("select order_id from payments where intent = :intent")
_KNOW_INTENT = text("""
    update payments set intent = :intent, updated_at = now()
    where order_id = :order_id and intent is null and attempt = :attempt
""")
_LOOK_LATER = text(f"""
    update payments set retry_at = {LOOK_AGAIN} where order_id = :order_id and state = 'unpaid'
""")  # noqa: S608  a constant
_NEXT_ATTEMPT = text("""
    update payments set attempt = attempt + 1 where order_id = :order_id and intent is null and attempt = :attempt
""")
_MOVE = text(f"""
    update payments set state = :state, updated_at = now(),
                        retry_at = case when :is_open then now() + {GRACE} end
    where order_id = :order_id
""")  # noqa: S608  a constant
_CLAIM = text(f"""
    update payments set retry_at = now() + {GRACE}
    where order_id = (select order_id from payments where retry_at <= now() order by retry_at limit 1
                      for no key update skip locked)
    returning order_id
""")  # noqa: S608  a constant
_IS_OPEN = text("select 1 from payments where order_id = :order_id and state in ('unpaid', 'expiring', 'cancelling')")
_OF_ORDERS = text("select order_id, state, amount, refunded, expires_at from payments where order_id = any(:ids)")

_KEEP_EVENT = text("""
    insert into stripe_events (id, order_id, type) values (:id, :order_id, :type) on conflict (id) do nothing
    returning id
""")
_KNOWS_EVENT = text("select 1 from stripe_events where id = :id")
_FORGET_EVENTS = text(f"delete from stripe_events where created_at < now() - {EVENTS_KEPT}")  # noqa: S608  a constant

# A seller's request sends its refund itself; one without a key is for background work from the start.
_INTEND = text(f"""
    insert into refunds (order_id, key, seller_id, amount, state, retry_at)
    values (:order_id, :key, :seller_id, :amount, 'intended',
            case when cast(:key as uuid) is null then now() else now() + {GRACE} end)
    on conflict (key) do nothing returning id
""")  # noqa: S608  a constant
_REFUND = "select id, order_id, key, seller_id, amount, state, reason, attempt, created_at from refunds"
_REFUND_BY_ID = text(f"{_REFUND} where id = :id")
_REFUND_BY_KEY = text(f"{_REFUND} where key = :key")
_REFUNDS_OF_ORDERS = text(f"{_REFUND} where order_id = any(:ids) order by order_id, id")
_REFUSE_REFUND = text("""
    update refunds set state = 'refused', reason = :reason, retry_at = null, updated_at = now()
    where id = :id and state = 'intended'
""")
_NEXT_REFUND_ATTEMPT = text("""
    update refunds set attempt = attempt + 1 where id = :id and state = 'intended' and attempt = :attempt
""")
_SETTLE_OURS = text("""
    update refunds set state = :state, reference = :reference, retry_at = null, updated_at = now()
    where id = :id and order_id = :order_id and amount = :amount and state <> :state returning id
""")
_SETTLE_FOREIGN = text("""
    insert into refunds (order_id, amount, state, reference) values (:order_id, :amount, :state, :reference)
    on conflict (reference) do update set state = excluded.state, updated_at = now()
    where refunds.state <> excluded.state returning id
""")
_COUNT_REFUNDS = text("""
    update payments set refunded = coalesce((select sum(amount) from refunds where order_id = :order_id
                                             and state = 'made'), 0)
    where order_id = :order_id returning refunded
""")
_CLAIM_REFUND = text(f"""
    update refunds set retry_at = now() + {GRACE}
    where id = (select id from refunds where retry_at <= now() order by retry_at limit 1 for no key update skip locked)
    returning id
""")  # noqa: S608  a constant
_PROMISED = text("""
    select coalesce(sum(amount), 0), coalesce(sum(amount) filter (where seller_id = :seller_id), 0)
    from refunds where order_id = :order_id and state in ('intended', 'made')
""")


@dataclass(frozen=True)
class Payment:
    order_id: int
    state: State
    amount: int
    refunded: int
    attempt: int
    intent: str | None
    expires_at: datetime


@dataclass(frozen=True)
class Refund:
    id: int
    order_id: int
    key: UUID | None
    seller_id: int | None
    amount: int
    state: str
    reason: str | None
    attempt: int
    created_at: datetime


def open_payment(order_id: int, amount: int) -> None:
    db.session.execute(_OPEN, {"order_id": order_id, "amount": amount})


def find(order_id: int) -> Payment | None:
    return _payment(db.session.execute(_FIND, {"order_id": order_id}).first())


def lock(order_id: int) -> Payment | None:
    return _locked(_LOCK, order_id)


def hold(order_id: int) -> Payment | None:
    """The row, locked for a call to Stripe: until the transaction ends, any fence waits, too."""
    return _locked(_HOLD, order_id)


def _locked(statement: TextClause, order_id: int) -> Payment | None:
    try:
        db.session.execute(_BE_PATIENT)
        return _payment(db.session.execute(statement, {"order_id": order_id}).first())
    except OperationalError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        db.session.rollback()
        raise PaymentInDoubt("The payment is being worked on by somebody else.") from None


def order_of_intent(intent: str) -> int | None:
    return db.session.execute(_OF_INTENT, {"intent": intent}).scalar()


def know_intent(payment: Payment, intent: str) -> None:
    """Unless another one of the same attempt was quicker; under one key both have the same."""
    values = {"order_id": payment.order_id, "attempt": payment.attempt, "intent": intent}
    db.session.execute(_KNOW_INTENT, values)


def look_later(order_id: int) -> None:
    db.session.execute(_LOOK_LATER, {"order_id": order_id})


def next_attempt(payment: Payment) -> None:
    db.session.execute(_NEXT_ATTEMPT, {"order_id": payment.order_id, "attempt": payment.attempt})


def move(order_id: int, state: State, is_open: bool) -> None:
    db.session.execute(_MOVE, {"order_id": order_id, "state": state.value, "is_open": is_open})


def claim() -> int | None:
    """The payment that waits longest with nobody working on it; the caller's until its grace is over."""
    return db.session.execute(_CLAIM).scalar()


def is_open(order_id: int) -> bool:
    return db.session.execute(_IS_OPEN, {"order_id": order_id}).first() is not None


def of_orders(ids: list[int]) -> dict[int, Any]:
    return {row.order_id: row for row in db.session.execute(_OF_ORDERS, {"ids": ids})}


def keep_event(event_id: str, order_id: int | None, kind: str) -> bool:
    """False: it was taken before."""
    values = {"id": event_id, "order_id": order_id, "type": kind}
    return db.session.execute(_KEEP_EVENT, values).first() is not None


def knows_event(event_id: str) -> bool:
    return db.session.execute(_KNOWS_EVENT, {"id": event_id}).first() is not None


def forget_events() -> None:
    db.session.execute(_FORGET_EVENTS)


def intend_refund(order_id: int, amount: int, key: UUID | None = None, seller_id: int | None = None) -> int | None:
    """None: the key has a refund already."""
    values = {"order_id": order_id, "amount": amount, "key": key, "seller_id": seller_id}
    return db.session.execute(_INTEND, values).scalar()


def refund_by_id(refund_id: int) -> Refund | None:
    row = db.session.execute(_REFUND_BY_ID, {"id": refund_id}).first()
    return Refund(*row) if row else None


def refund_by_key(key: UUID) -> Refund | None:
    row = db.session.execute(_REFUND_BY_KEY, {"key": key}).first()
    return Refund(*row) if row else None


def refunds_of_orders(ids: list[int]) -> Iterable[Refund]:
    return [Refund(*row) for row in db.session.execute(_REFUNDS_OF_ORDERS, {"ids": ids})]


def refuse_refund(refund_id: int, reason: str) -> None:
    db.session.execute(_REFUSE_REFUND, {"id": refund_id, "reason": reason})


def next_refund_attempt(refund: Refund) -> None:
    db.session.execute(_NEXT_REFUND_ATTEMPT, {"id": refund.id, "attempt": refund.attempt})


def settle_refund(order_id: int, given: Given) -> int | None:
    """What Stripe did, also what was done there past the shop; the refund's id if this is news."""
    values = {
        "order_id": order_id, "amount": given.amount, "reference": given.id,
        "state": "made" if given.counts else "failed",
    }  # fmt: skip
    if given.refund_id is None:
        return db.session.execute(_SETTLE_FOREIGN, values).scalar()
    return db.session.execute(_SETTLE_OURS, {**values, "id": given.refund_id}).scalar()


def count_refunds(order_id: int) -> int:
    return db.session.execute(_COUNT_REFUNDS, {"order_id": order_id}).scalar_one()


def claim_refund() -> int | None:
    return db.session.execute(_CLAIM_REFUND).scalar()


def promised(order_id: int, seller_id: int | None) -> tuple[int, int]:
    """What is given back or will be: by all, and by this seller."""
    everyone, seller = db.session.execute(_PROMISED, {"order_id": order_id, "seller_id": seller_id}).one()
    return int(everyone), int(seller)


def _payment(row: Any) -> Payment | None:
    return Payment(row[0], State(row[1]), *row[2:]) if row else None
