"""Payments, Stripe's events and sales as rows. Whoever changes a payment has locked its row; none commits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import OperationalError

from extracted.payments.errors import PaymentInDoubt
from extracted.payments.states import State
from extracted.payments.storage import Payment, Sale

LOCK_NOT_AVAILABLE = "55P03"

# How long whoever asks Stripe is left alone before background work takes it up; longer than all its retries.
GRACE = "interval '30 seconds'"
# How long anyone waits for a row that somebody else holds while Stripe is asked.
LOCK_PATIENCE = "2s"
# How long a buyer has to pay.
TIME_TO_PAY = "interval '15 minutes'"
# Longer than Stripe sends an event again.
EVENTS_KEPT = "interval '60 days'"
# Published within seconds; kept for as long as somebody may want to look.
TELLINGS_KEPT = "interval '7 days'"
# When Stripe is asked about a payment of which no event has come: a minute after it began, then each time twice as
# late, the last time when it expires.
LOOK_AGAIN = "least(expires_at, now() + greatest(interval '1 minute', now() - created_at))"

_OPEN = text(f"""
    insert into payment (purchase_id, state, amount_cents, expires_at, due_at)
    values (:id, 'unpaid', :amount, now() + {TIME_TO_PAY}, now() + {GRACE})
    on conflict (purchase_id) do nothing
""")  # noqa: S608  constants
_COLUMNS = "purchase_id, state, amount_cents, refunded_cents, attempt, intent, expires_at"
_FIND = text(f"select {_COLUMNS} from payment where purchase_id = :id")  # noqa: S608  a constant
_LOCK = text(f"select {_COLUMNS} from payment where purchase_id = :id for no key update")  # noqa: S608  a constant
_OF_PURCHASES = text(f"select {_COLUMNS} from payment where purchase_id = any(:ids)")  # noqa: S608  a constant
_OF_INTENT = text("select purchase_id from payment where intent = :intent")
_BE_PATIENT = text(f"set local lock_timeout = '{LOCK_PATIENCE}'")
# An update, not only a lock of the row: a fence waits for whoever writes the table, not for who locks its rows.
_HOLD = text(f"""
    update payment set due_at = case when due_at is not null then now() + {GRACE} end where purchase_id = :id
    returning {_COLUMNS}
""")  # noqa: S608  constants
_KNOW_INTENT = text("""
    update payment set intent = :intent, updated_at = now()
    where purchase_id = :id and intent is null and attempt = :attempt
""")
_LOOK_LATER = text(f"""
    update payment set due_at = {LOOK_AGAIN} where purchase_id = :id and state = 'unpaid'
""")  # noqa: S608  a constant
_NEXT_ATTEMPT = text("""
    update payment set attempt = attempt + 1 where purchase_id = :id and intent is null and attempt = :attempt
""")
_MOVE = text(f"""
    update payment set state = cast(:state as payment_state), updated_at = now(),
                       due_at = case when :is_open then now() + {GRACE} end
    where purchase_id = :id
""")  # noqa: S608  a constant
_CLAIM = text(f"""
    update payment set due_at = now() + {GRACE}
    where purchase_id = (select purchase_id from payment where due_at <= now() order by due_at limit 1
                         for no key update skip locked)
    returning purchase_id
""")  # noqa: S608  a constant
_IS_OPEN = text("select 1 from payment where purchase_id = :id and state in ('unpaid', 'expiring', 'cancelling')")

_KEEP_EVENT = text("""
    insert into stripe_event (id, purchase_id, type) values (:id, :purchase_id, :type) on conflict (id) do nothing
    returning id
""")
_KNOWS_EVENT = text("select 1 from stripe_event where id = :id")
_FORGET = (
    text(f"delete from stripe_event where received_at < now() - {EVENTS_KEPT}"),  # noqa: S608  a constant
    text(f"delete from outbox where created_at < now() - {TELLINGS_KEPT}"),  # noqa: S608  a constant
)

_SHARE = text("""
    select cast(sum(quantity * unit_price_cents) as bigint) from purchase_line
    where purchase_id = :id and seller_id = :seller_id
""")
_SALES = text("""
    select l.purchase_id, l.product_id, l.title, l.quantity, l.unit_price_cents, p.state, pay.state, p.created_at
    from purchase_line l join purchase p on p.id = l.purchase_id
         left join payment pay on pay.purchase_id = p.id
    where l.seller_id = :seller_id and (l.purchase_id, l.product_id) < (:purchase_id, :product_id)
      and p.state in ('placed', 'undoing', 'cancelled') and p.failure is null
    order by l.purchase_id desc, l.product_id desc limit :limit
""")


def open_payment(connection: Connection, purchase_id: int, amount: int) -> None:
    connection.execute(_OPEN, {"id": purchase_id, "amount": amount})


def find(connection: Connection, purchase_id: int) -> Payment | None:
    return _payment(connection.execute(_FIND, {"id": purchase_id}).first())


def lock(connection: Connection, purchase_id: int) -> Payment | None:
    return _locked(connection, _LOCK, purchase_id)


def hold(connection: Connection, purchase_id: int) -> Payment | None:
    """The row, locked for a call to Stripe: until the transaction ends, any fence waits, too."""
    return _locked(connection, _HOLD, purchase_id)


def of_purchases(connection: Connection, ids: Iterable[int]) -> list[Payment]:
    return [_read(row) for row in connection.execute(_OF_PURCHASES, {"ids": list(ids)})]


def purchase_of_intent(connection: Connection, intent: str) -> int | None:
    return connection.execute(_OF_INTENT, {"intent": intent}).scalar()


def know_intent(connection: Connection, payment: Payment, intent: str) -> None:
    """Unless another one of the same attempt was quicker; under one key both have the same."""
    values = {"id": payment.purchase_id, "attempt": payment.attempt, "intent": intent}
    connection.execute(_KNOW_INTENT, values)


def look_later(connection: Connection, purchase_id: int) -> None:
    connection.execute(_LOOK_LATER, {"id": purchase_id})


def next_attempt(connection: Connection, payment: Payment) -> None:
    connection.execute(_NEXT_ATTEMPT, {"id": payment.purchase_id, "attempt": payment.attempt})


def move(connection: Connection, purchase_id: int, state: State, is_open: bool) -> None:
    connection.execute(_MOVE, {"id": purchase_id, "state": state.value, "is_open": is_open})


def claim(connection: Connection) -> int | None:
    """The payment that waits longest with nobody working on it; the caller's until its grace is over."""
    return connection.execute(_CLAIM).scalar()


def is_open(connection: Connection, purchase_id: int) -> bool:
    return connection.execute(_IS_OPEN, {"id": purchase_id}).first() is not None


def keep_event(connection: Connection, event_id: str, purchase_id: int | None, kind: str) -> bool:
    """False: it was taken before."""
    values = {"id": event_id, "purchase_id": purchase_id, "type": kind}
    return connection.execute(_KEEP_EVENT, values).first() is not None


def knows_event(connection: Connection, event_id: str) -> bool:
    return connection.execute(_KNOWS_EVENT, {"id": event_id}).first() is not None


def forget(connection: Connection) -> None:
    """Events of long ago, heard and told."""
    for statement in _FORGET:
        connection.execute(statement)


def share(connection: Connection, purchase_id: int, seller_id: int) -> int | None:
    """What this seller's lines are worth; None if there are none."""
    return connection.execute(_SHARE, {"id": purchase_id, "seller_id": seller_id}).scalar()


def sales(connection: Connection, seller_id: int, before: tuple[int, int], limit: int) -> list[Sale]:
    values = {"seller_id": seller_id, "purchase_id": before[0], "product_id": before[1], "limit": limit}
    return [_sale(row) for row in connection.execute(_SALES, values)]


def _locked(connection: Connection, statement: TextClause, purchase_id: int) -> Payment | None:
    try:
        connection.execute(_BE_PATIENT)
        return _payment(connection.execute(statement, {"id": purchase_id}).first())
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
            raise
        raise PaymentInDoubt("The payment is being worked on by somebody else.") from None


def _payment(row: Any) -> Payment | None:
    return _read(row) if row else None


def _read(row: Any) -> Payment:
    return Payment(row[0], State(row[1]), *row[2:])


def _sale(row: Any) -> Sale:
    payment_state = State(row[6]) if row[6] else None
    return Sale(row[0], row[1], row[2], row[3], row[4], row[5], payment_state, row[7])
