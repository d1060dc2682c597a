"""What payments tells others, each in the transaction of what happened. Amounts are cents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection

from extracted.payments import purchases
from extracted.payments.storage import Line, Purchase, outbox
from extracted.platform.event import Event
from extracted.platform.outbox import add

# An event's id comes from what happened: the same fact has one id, whichever side tells it.
NAMESPACE = uuid5(NAMESPACE_URL, "shop:events")


def placed(connection: Connection, purchase: Purchase) -> None:
    lines = purchases.lines(connection, [purchase.id])
    _tell(connection, "order.placed", purchase.buyer_id, purchase.id, amount=purchase.total, lines=_told(lines))


def sold(connection: Connection, purchase_id: int) -> None:
    """To each of its sellers: their lines, and what these come to."""
    lines = purchases.lines(connection, [purchase_id])
    for seller_id in sorted({line.seller_id for line in lines}):
        own = [line for line in lines if line.seller_id == seller_id]
        amount = sum(line.quantity * line.unit_price for line in own)
        _tell(connection, "order.sold", seller_id, purchase_id, seller_id, amount=amount, lines=_told(own))


def paid(connection: Connection, purchase: Purchase, amount: int) -> None:
    _tell(connection, "order.paid", purchase.buyer_id, purchase.id, amount=amount)
    sold(connection, purchase.id)


def cancelled(connection: Connection, purchase: Purchase) -> None:
    """By its buyer."""
    _tell(connection, "order.cancelled", purchase.buyer_id, purchase.id)


def expired(connection: Connection, purchase: Purchase) -> None:
    """Not paid in time."""
    _tell(connection, "order.expired", purchase.buyer_id, purchase.id)


def refunded(connection: Connection, purchase: Purchase, refund_id: int, amount: int) -> None:
    """`amount` of this refund."""
    _tell(connection, "order.refunded", purchase.buyer_id, purchase.id, refund_id, amount=amount)


def _told(lines: Iterable[Line]) -> list[Mapping[str, Any]]:
    return [{"title": line.title, "quantity": line.quantity} for line in lines]


def _tell(connection: Connection, kind: str, receiver_id: int, purchase_id: int, *more: object, **facts: Any) -> None:
    name = ":".join(["payments", str(purchase_id), kind, *map(str, more)])
    data = {"user_id": receiver_id, "order_id": purchase_id, **facts}
    add(connection, outbox, Event(uuid5(NAMESPACE, name), kind, data))
