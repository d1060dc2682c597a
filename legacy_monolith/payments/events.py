"""What payments tells others, each in the transaction of what happened. Amounts are cents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from legacy_monolith.event import Event, identity
from legacy_monolith.payments import orders, states
from legacy_monolith.telling import tell


class Line(Protocol):
    """A line of an order, as far as it is told."""

    @property
    def quantity(self) -> int: ...

    @property
    def title(self) -> str: ...


def order_placed(buyer_id: int, order_id: int, amount: int, lines: Iterable[Line]) -> None:
    _tell("order.placed", buyer_id, order_id, amount=amount, lines=_told(lines))


def order_paid(buyer_id: int, order_id: int, amount: int) -> None:
    _tell("order.paid", buyer_id, order_id, amount=amount)


def order_cancelled(buyer_id: int, order_id: int) -> None:
    """By its buyer."""
    _tell("order.cancelled", buyer_id, order_id)


def order_expired(buyer_id: int, order_id: int) -> None:
    """Not paid in time."""
    _tell("order.expired", buyer_id, order_id)


def order_refunded(buyer_id: int, order_id: int, refund_id: int, amount: int) -> None:
    """`amount` of this refund."""
    _tell("order.refunded", buyer_id, order_id, refund_id, amount=amount)


def order_sold(seller_id: int, order_id: int, amount: int, lines: Iterable[Line]) -> None:
    """To one of its sellers: their lines, and what these come to."""
    _tell("order.sold", seller_id, order_id, seller_id, amount=amount, lines=_told(lines))


def order_sold_by_all(order_id: int) -> None:
    """To each of its sellers."""
    lines = orders.sold_lines(order_id)
    for seller_id in sorted({line.seller_id for line in lines}):
        own = [line for line in lines if line.seller_id == seller_id]
        order_sold(seller_id, order_id, sum(line.quantity * states.cents(line.unit_price) for line in own), own)


def _told(lines: Iterable[Line]) -> list[Mapping[str, Any]]:
    return [{"title": line.title, "quantity": line.quantity} for line in lines]


def _tell(kind: str, receiver_id: int, order_id: int, *more: object, **facts: Any) -> None:
    data = {"user_id": receiver_id, "order_id": order_id, **facts}
    tell("payments", Event(identity("payments", order_id, kind, *more), kind, data))
