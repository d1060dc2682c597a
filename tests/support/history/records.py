"""What a history consists of: plain values, written by clients and by readers of both databases."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.clients import Outcome

PAID_STATES = frozenset({"paid", "partly_refunded", "refunded"})
"""Of a payment: money has come, whatever became of it since."""


class Act(StrEnum):
    CREATE = "create"
    EDIT = "edit"
    WITHDRAW = "withdraw"
    STOCK = "stock"
    CHECKOUT = "checkout"
    PAY = "pay"
    CANCEL = "cancel"
    REFUND = "refund"
    READ_PRODUCT = "read product"
    READ_ORDERS = "read orders"
    READ_SELF = "read self"
    BROWSE = "browse"


@dataclass(frozen=True)
class Operation:
    """One request of one person. People act one step at a time, so an actor's operations never overlap."""

    actor: str
    act: Act
    started: float
    ended: float
    outcome: Outcome
    status: int | None
    key: str = ""
    """The business identity of a write: request key or idempotency key."""
    product: int | None = None
    version: int | None = None
    """The product's version in the answer."""
    delta: int = 0
    order: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    """What an edit set."""
    orders: Mapping[int, str] = field(default_factory=dict)
    """READ_ORDERS: the newest orders of the actor, id -> state."""
    payments: Mapping[int, str] = field(default_factory=dict)
    """READ_ORDERS: order -> the state of its payment, if money is asked for it."""
    titles: Mapping[int, str] = field(default_factory=dict)
    """READ_ORDERS: product id -> its title as it is now, joined by the side that answered."""
    expected: bool = True
    """False when the answer is a failure: no such status or content may come without a fault."""
    evidence: str = ""

    def __str__(self) -> str:
        facts = {"key": self.key, "product": self.product, "version": self.version, "order": self.order}
        told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in ("", None))
        when = f"{self.started:.3f}..{self.ended:.3f}"
        wrong = f", not as expected: {self.evidence}" if self.evidence else ""
        return f"{self.actor}: {self.act} {told} -> {self.outcome} ({self.status}) at {when}{wrong}"


@dataclass(frozen=True)
class Product:
    """A product in the shop's own terms, whichever schema it was read from."""

    id: int
    seller: int
    title: str
    description: str
    category: str
    price: str
    stock: int
    status: str
    version: int
    key: str
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class Movement:
    """One line of the stock ledger."""

    id: int
    product: int
    delta: int
    reason: str
    key: str


@dataclass(frozen=True)
class Reservation:
    key: str
    state: str
    lines: tuple[tuple[int, int, str, str], ...]
    """(product, quantity, unit price, title), by product."""


@dataclass(frozen=True)
class Order:
    id: int
    key: str
    state: str
    lines: tuple[tuple[int, int], ...]
    """(product, quantity), by product."""
    reservation: str
    """The key under which the order's stock was reserved."""


@dataclass(frozen=True)
class Refund:
    """Money that the shop gives, or gave, back."""

    order: int
    key: str
    state: str
    cents: int


@dataclass(frozen=True)
class Purchase:
    """Who bought what from whom with an order, and what the shop says about its money."""

    order: int
    buyer: str
    sellers: tuple[str, ...]
    """E-mail addresses, as the buyer."""
    cents: int
    """What its lines come to."""
    intent: str = ""
    """Stripe's name of its payment."""
    payment: str = ""
    """The payment's state; empty: no money is asked for it."""
    refunds: tuple[Refund, ...] = ()


@dataclass(frozen=True)
class Charge:
    """Money that Stripe took, or tried to take."""

    intent: str
    cents: int
    paid: bool


@dataclass(frozen=True)
class GivenBack:
    """Money that Stripe gave back."""

    intent: str
    cents: int


@dataclass(frozen=True)
class Letter:
    """A mail that somebody got."""

    to: str
    subject: str
    id: str


@dataclass(frozen=True)
class Outside:
    """What the world outside of the shop knows, and what the shop says that belongs to it."""

    purchases: Mapping[int, Purchase]
    charges: tuple[Charge, ...]
    given_back: tuple[GivenBack, ...]
    letters: tuple[Letter, ...]
    doubtful: frozenset[str] = frozenset()
    """Letters of which the shop itself says that it does not know whether they were sent."""


@dataclass(frozen=True)
class Side:
    """Everything one database holds of the domain, at rest."""

    name: str
    state: str
    epoch: int
    products: Mapping[int, Product]
    movements: Mapping[int, Movement]
    reservations: Mapping[str, Reservation]


@dataclass(frozen=True, order=True)
class Turn:
    """A change of a side's ownership row, as its WAL has it."""

    at: float
    """Commit time by the server's clock; all servers of a history share one machine."""
    position: int
    """LSN of the commit: the order of everything on that side."""
    side: str
    state: str
    epoch: int


@dataclass(frozen=True, order=True)
class Acceptance:
    """A transaction in which a side accepted writes to the domain's rows itself (not as a copy)."""

    at: float
    position: int
    side: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class History:
    operations: tuple[Operation, ...]
    sides: tuple[Side, ...]
    orders: Mapping[int, Order]
    turns: tuple[Turn, ...] = ()
    acceptances: tuple[Acceptance, ...] = ()
    movements_before: frozenset[int] = frozenset()
    """Ledger lines that were there before anyone was watched."""
    outside: Outside | None = None
    """None: nobody asked the world outside."""
    faultless: bool = True
    """No process was killed, paused or restarted: then no request may fail (I4)."""


def movement_key(reservation: str, product: int, reason: str) -> str:
    """The ledger's key of a sale or return; the same on both sides, so that it can happen only once."""
    return str(uuid.uuid5(uuid.UUID(reservation), f"{product}:{reason}"))
