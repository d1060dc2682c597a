"""I3: no write happens twice. The ledger is the witness: every unit of stock that moved has one cause."""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.support.clients import Outcome
from tests.support.history.findings import Findings
from tests.support.history.records import Act, History, Order, Side, movement_key

# What an order's line may have left in the ledger, by the order's state.
TRACES: dict[str, tuple[frozenset[str], ...]] = {
    "placed": (frozenset({"sale"}),),
    "cancelled": (frozenset({"sale", "return"}),),
    # It took nothing, or gave it back.
    "failed": (frozenset(), frozenset({"sale", "return"})),
}


def _owners(history: History) -> list[Side]:
    """Where the accounts are read: the owner (I6 compares the other side with it), or all if none owns."""
    return [side for side in history.sides if side.state == "owner"] or list(history.sides)


def stock_is_the_sum_of_its_movements(history: History, findings: Findings) -> None:
    for side in history.sides:
        sums: Counter[int] = Counter()
        for movement in side.movements.values():
            sums[movement.product] += movement.delta
        for product in side.products.values():
            evidence = f"stock is {product.stock}, movements add up to {sums[product.id]}"
            same = product.stock == sums[product.id]
            findings.expect("I3", same, f"product {product.id} on the {side.name} side", evidence)


def no_key_moves_stock_twice(history: History, findings: Findings) -> None:
    for side in history.sides:
        ids = defaultdict(list)
        for movement in side.movements.values():
            ids[movement.key].append(movement.id)
        for key, found in ids.items():
            if key:
                findings.expect("I3", len(found) == 1, f"key {key}", f"movements {found} of the {side.name} side")
    orders = defaultdict(set)
    for operation in history.operations:
        if operation.act is Act.CHECKOUT and operation.outcome is Outcome.ACKNOWLEDGED:
            orders[operation.key].add(operation.order)
    for order in history.orders.values():
        orders[order.key].add(order.id)
    for key, ids_of_key in orders.items():
        findings.expect("I3", len(ids_of_key) == 1, f"checkout {key}", f"has orders {sorted(ids_of_key, key=str)}")


def orders_and_movements_agree(history: History, findings: Findings) -> None:
    """Each line of an order took its quantity once, and gave it back once if the order was cancelled."""
    for side in _owners(history):
        deltas = {movement.key: movement.delta for movement in side.movements.values()}
        for order in history.orders.values():
            _expect_traces(order, deltas, findings)
            reservation = side.reservations.get(order.reservation)
            if reservation is not None:
                wanted = "confirmed" if order.state == "placed" else "released"
                evidence = f"reservation {reservation.key} is {reservation.state}"
                findings.expect("I3", reservation.state == wanted, f"order {order.id} is {order.state}", evidence)


def _expect_traces(order: Order, deltas: dict[str, int], findings: Findings) -> None:
    for product, quantity in order.lines:
        moved = {
            reason: deltas[key]
            for reason in ("sale", "return")
            if (key := movement_key(order.reservation, product, reason)) in deltas
        }
        right = moved.keys() in TRACES.get(order.state, ()) and all(
            delta == (-quantity if reason == "sale" else quantity) for reason, delta in moved.items()
        )
        what = f"order {order.id} is {order.state}, {quantity} of product {product}"
        findings.expect("I3", right, what, f"the ledger has {moved or 'nothing'}")


def every_movement_has_a_cause(history: History, findings: Findings) -> None:
    """Stock moves only because of an order, a new product, or a seller's own request."""
    causes = {operation.key for operation in history.operations if operation.act is Act.STOCK}
    for order in history.orders.values():
        for product, _ in order.lines:
            causes |= {movement_key(order.reservation, product, reason) for reason in ("sale", "return")}
    for side in _owners(history):
        openings: Counter[int] = Counter()
        for movement in side.movements.values():
            openings[movement.product] += movement.reason == "opening"
            if movement.id in history.movements_before:
                continue
            known = movement.reason == "opening" or movement.key in causes
            what = f"{movement.reason} of {movement.delta} for product {movement.product}"
            findings.expect("I3", known, what, f"movement {movement.id}, key {movement.key}: nobody asked for it")
        for product_id, number in openings.items():
            findings.expect("I3", number <= 1, f"product {product_id}", f"was opened {number} times")


def refused_writes_left_no_trace(history: History, findings: Findings) -> None:
    """A 4xx tells the client that nothing was done."""
    for side in _owners(history):
        keys = {movement.key for movement in side.movements.values()}
        keys |= {product.key for product in side.products.values() if product.key}
        for operation in history.operations:
            if operation.act in (Act.STOCK, Act.CREATE) and operation.outcome is Outcome.REFUSED:
                evidence = f"was refused, but is on the {side.name} side"
                findings.expect("I3", operation.key not in keys, operation, evidence)
