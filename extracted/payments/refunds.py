"""Refunds as rows. Whoever adds one or changes one has locked its payment; none of these commits."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, text

from extracted.payments.gateway import Given
from extracted.payments.ledger import GRACE
from extracted.payments.storage import Refund

# A seller's request sends its refund itself; one without a key is for background work from the start.
_INTEND = text(f"""
    insert into refund (purchase_id, request_key, seller_id, amount_cents, state, due_at)
    values (:id, :key, :seller_id, :amount, 'intended',
            case when cast(:key as uuid) is null then now() else now() + {GRACE} end)
    on conflict (request_key) do nothing returning id
""")  # noqa: S608  a constant
_REFUND = "select id, purchase_id, request_key, seller_id, amount_cents, state, reason, attempt, created_at from refund"
_BY_ID = text(f"{_REFUND} where id = :id")
_BY_KEY = text(f"{_REFUND} where request_key = :key")
_OF_PURCHASES = text(f"{_REFUND} where purchase_id = any(:ids) order by purchase_id, id")
_REFUSE = text("""
    update refund set state = 'refused', reason = :reason, due_at = null, updated_at = now()
    where id = :id and state = 'intended'
""")
_NEXT_ATTEMPT = text("""
    update refund set attempt = attempt + 1 where id = :id and state = 'intended' and attempt = :attempt
""")
_SETTLE_OURS = text("""
    update refund set state = cast(:state as refund_state), reference = :reference, due_at = null, updated_at = now()
    where id = :id and purchase_id = :purchase_id and amount_cents = :amount
      and state <> cast(:state as refund_state)
    returning id
""")
_SETTLE_FOREIGN = text("""
    insert into refund (purchase_id, amount_cents, state, reference)
    values (:purchase_id, :amount, cast(:state as refund_state), :reference)
    on conflict (reference) do update set state = excluded.state, updated_at = now()
    where refund.state <> excluded.state
    returning id
""")
_COUNT = text("""
    update payment set refunded_cents = coalesce((select sum(amount_cents) from refund where purchase_id = :id
                                                  and state = 'made'), 0)
    where purchase_id = :id
""")
_CLAIM = text(f"""
    update refund set due_at = now() + {GRACE}
    where id = (select id from refund where due_at <= now() order by due_at limit 1 for no key update skip locked)
    returning id
""")  # noqa: S608  a constant
_PROMISED = text("""
    select coalesce(sum(amount_cents), 0), coalesce(sum(amount_cents) filter (where seller_id = :seller_id), 0)
    from refund where purchase_id = :id and state in ('intended', 'made')
""")


def intend(
    connection: Connection, purchase_id: int, amount: int, key: UUID | None = None, seller_id: int | None = None
) -> int | None:
    """None: the key has a refund already."""
    values = {"id": purchase_id, "amount": amount, "key": key, "seller_id": seller_id}
    return connection.execute(_INTEND, values).scalar()


def by_id(connection: Connection, refund_id: int) -> Refund | None:
    row = connection.execute(_BY_ID, {"id": refund_id}).first()
    return Refund(*row) if row else None


def by_key(connection: Connection, key: UUID) -> Refund | None:
    row = connection.execute(_BY_KEY, {"key": key}).first()
    return Refund(*row) if row else None


def of_purchases(connection: Connection, ids: Iterable[int]) -> list[Refund]:
    return [Refund(*row) for row in connection.execute(_OF_PURCHASES, {"ids": list(ids)})]


def refuse(connection: Connection, refund_id: int, reason: str) -> None:
    connection.execute(_REFUSE, {"id": refund_id, "reason": reason})


def next_attempt(connection: Connection, refund: Refund) -> None:
    connection.execute(_NEXT_ATTEMPT, {"id": refund.id, "attempt": refund.attempt})


def settle(connection: Connection, purchase_id: int, given: Given) -> int | None:
    """What Stripe did, also what was done there past the shop; the refund's id if this is news."""
    values = {
        "purchase_id": purchase_id, "amount": given.amount, "reference": given.id,
        "state": "made" if given.counts else "failed",
    }  # fmt: skip
    if given.refund_id is None:
        return connection.execute(_SETTLE_FOREIGN, values).scalar()
    return connection.execute(_SETTLE_OURS, {**values, "id": given.refund_id}).scalar()


def count(connection: Connection, purchase_id: int) -> None:
    connection.execute(_COUNT, {"id": purchase_id})


def claim(connection: Connection) -> int | None:
    return connection.execute(_CLAIM).scalar()


def promised(connection: Connection, purchase_id: int, seller_id: int | None) -> tuple[int, int]:
    """What is given back or will be: by all, and by this seller."""
    everyone, seller = connection.execute(_PROMISED, {"id": purchase_id, "seller_id": seller_id}).one()
    return int(everyone), int(seller)
