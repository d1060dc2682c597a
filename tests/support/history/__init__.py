"""The history checker: what people did and saw, what both sides hold in the end, what promise that breaks."""

from tests.support.history.check import PROMISES, Verdict, Violation, check
from tests.support.history.records import (
    Acceptance,
    Act,
    History,
    Movement,
    Operation,
    Order,
    Product,
    Reservation,
    Side,
    Turn,
    movement_key,
)

__all__ = [
    "PROMISES",
    "Acceptance",
    "Act",
    "History",
    "Movement",
    "Operation",
    "Order",
    "Product",
    "Reservation",
    "Side",
    "Turn",
    "Verdict",
    "Violation",
    "check",
    "movement_key",
]
