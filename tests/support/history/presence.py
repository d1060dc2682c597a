"""I2: what was acknowledged is there, on the owner and, after catch-up, on the other side."""

from __future__ import annotations

from collections import defaultdict

from tests.support.clients import Outcome
from tests.support.history.findings import Findings
from tests.support.history.records import Act, History, Operation, Product, Side


def acknowledged(history: History, *acts: Act) -> list[Operation]:
    return [o for o in history.operations if o.act in acts and o.outcome is Outcome.ACKNOWLEDGED]


def acknowledged_products_are_there(history: History, findings: Findings) -> None:
    """Versions are unique per product, so equal versions must mean equal content: a lost edit shows."""
    writes = acknowledged(history, Act.CREATE, Act.EDIT, Act.WITHDRAW)
    for operation in writes:
        for side in history.sides:
            row = side.products.get(operation.product or 0)
            wrong = _what_is_lost(operation, row)
            findings.expect("I2", not wrong, operation, f"on the {side.name} side ({side.state}) {wrong}")
    by_version: dict[tuple[int | None, int | None], list[Operation]] = defaultdict(list)
    for operation in writes:
        by_version[operation.product, operation.version].append(operation)
    for same in by_version.values():
        distinct = {tuple(sorted(o.fields.items())) for o in same}
        findings.expect("I2", len(distinct) == 1, same[-1], f"version also acknowledged to: {same[0]}")


def _what_is_lost(operation: Operation, row: Product | None) -> str:
    if row is None:
        return f"product {operation.product} is missing"
    if operation.act is Act.CREATE and operation.key and row.key != operation.key:
        return f"product {row.id} has request key {row.key or 'none'}"
    if operation.version is not None and row.version < operation.version:
        return f"product {row.id} is at version {row.version}"
    if row.version != operation.version:
        return ""
    for name, value in operation.fields.items():
        if getattr(row, name) != value:
            return f"{name} of version {row.version} is {getattr(row, name)!r}, not {value!r}"
    return ""


def acknowledged_stock_changes_are_there(history: History, findings: Findings) -> None:
    ledgers = [(side, _by_key(side)) for side in history.sides]
    for operation in acknowledged(history, Act.STOCK):
        for side, ledger in ledgers:
            found = ledger.get(operation.key)
            wanted = (operation.product, operation.delta)
            wrong = f"the ledger has {found or 'no such movement'}, wanted product and delta {wanted}"
            findings.expect("I2", found == wanted, operation, f"on the {side.name} side ({side.state}) {wrong}")


def _by_key(side: Side) -> dict[str, tuple[int, int]]:
    return {m.key: (m.product, m.delta) for m in side.movements.values()}


def acknowledged_orders_are_there(history: History, findings: Findings) -> None:
    """An order that was acknowledged is placed, unless somebody asked to cancel it."""
    cancels: dict[int | None, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        if operation.act is Act.CANCEL:
            cancels[operation.order].append(operation)
    for operation in acknowledged(history, Act.CHECKOUT):
        order = history.orders.get(operation.order or 0)
        if order is None or order.key != operation.key:
            findings.expect("I2", False, operation, f"order {operation.order} under this key is missing")
            continue
        outcomes = {cancel.outcome for cancel in cancels[order.id]}
        allowed = {"placed"}
        if Outcome.ACKNOWLEDGED in outcomes:
            allowed = {"cancelled"}
        elif Outcome.UNKNOWN in outcomes:
            allowed |= {"cancelled"}
        findings.expect("I2", order.state in allowed, operation, f"order {order.id} is {order.state}, not {allowed}")
