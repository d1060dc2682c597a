"""I4, I6, I7, I8: what people see, and what both sides show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tests.support.clients import Outcome
from tests.support.history.findings import Findings
from tests.support.history.records import Act, History, Operation, Side


def both_sides_hold_the_same(history: History, findings: Findings) -> None:
    """I6, by a reading of both schemas that does not use the lens."""
    if len(history.sides) < 2:
        return
    one, other = history.sides[:2]
    _same("product", one, other, one.products, other.products, findings)
    _same("movement", one, other, one.movements, other.movements, findings)
    _same("reservation", one, other, one.reservations, other.reservations, findings)


def _same(
    kind: str, one: Side, other: Side, here: Mapping[Any, Any], there: Mapping[Any, Any], findings: Findings
) -> None:
    for key in sorted(here.keys() | there.keys()):
        if key not in here or key not in there:
            holder = one.name if key in here else other.name
            findings.expect("I6", False, f"{kind} {key}", f"is on the {holder} side only")
        elif here[key] == there[key]:
            findings.expect("I6", True, "", "")
        else:
            mine, theirs = asdict(here[key]), asdict(there[key])
            columns = [f"{c}: {one.name} {mine[c]!r}, {other.name} {theirs[c]!r}" for c in mine if mine[c] != theirs[c]]
            findings.expect("I6", False, f"{kind} {key}", "; ".join(columns))


def own_writes_are_read(history: History, findings: Findings) -> None:
    """I7: walk each person's steps in order, and hold every read against what they were told before."""
    for steps in _by_actor(history).values():
        told = _Told()
        for operation in steps:
            if operation.outcome is Outcome.ACKNOWLEDGED and operation.act in told.reads:
                for evidence in told.reads[operation.act](operation):
                    findings.expect("I7", not evidence, operation, evidence)
            else:
                told.take(operation)


class _Told:
    """What one person has been told by acknowledged writes so far."""

    def __init__(self) -> None:
        self.versions: dict[int, int] = {}
        self.titles: dict[int, str | None] = {}
        self.newest_order: int | None = None
        self.cancelled: set[int] = set()
        self.paid: set[int] = set()
        self.reads = {Act.READ_PRODUCT: self._product, Act.READ_ORDERS: self._orders}

    def take(self, operation: Operation) -> None:
        product = operation.product or 0
        if operation.outcome is Outcome.UNKNOWN and operation.act is Act.EDIT:
            self.titles[product] = None
        if operation.outcome is not Outcome.ACKNOWLEDGED:
            return
        if operation.version is not None:
            self.versions[product] = operation.version
        if "title" in operation.fields and self.titles.get(product, "") is not None:
            self.titles[product] = operation.fields["title"]
        if operation.act is Act.CHECKOUT:
            self.newest_order = operation.order
        if operation.act is Act.CANCEL and operation.order is not None:
            self.cancelled.add(operation.order)

    def _product(self, read: Operation) -> list[str]:
        wanted = self.versions.get(read.product or 0)
        if wanted is None:
            return []
        stale = read.version is None or read.version < wanted
        return [f"saw version {read.version} after version {wanted} was acknowledged" if stale else ""]

    def _orders(self, read: Operation) -> list[str]:
        said = []
        if self.newest_order is not None:
            missing = self.newest_order not in read.orders
            said.append(f"order {self.newest_order} was acknowledged, but is not listed" if missing else "")
        for order in self.cancelled & read.orders.keys():
            state = read.orders[order]
            gone = state in ("cancelling", "cancelled")
            said.append("" if gone else f"order {order} was cancelled, but shows as {state}")
        for order in self.paid & read.payments.keys():
            unpaid = read.payments[order] in ("unpaid", "expiring", "cancelling", "cancelled")
            said.append(f"order {order} showed as paid, now as {read.payments[order]}" if unpaid else "")
        self.paid |= {order for order, state in read.payments.items() if state == "paid"}
        for product, title in read.titles.items():
            wanted = self.titles.get(product)
            if wanted:
                said.append(f"saw title {title!r} after {wanted!r} was acknowledged" if title != wanted else "")
        return said


def _by_actor(history: History) -> dict[str, list[Operation]]:
    steps: dict[str, list[Operation]] = defaultdict(list)
    for operation in sorted(history.operations, key=lambda o: o.started):
        steps[operation.actor].append(operation)
    return steps


def people_stay_logged_in(history: History, findings: Findings) -> None:
    """I8: nobody is asked to log in again, and nobody is taken for somebody else."""
    for operation in history.operations:
        if operation.status is None or operation.status >= 500:
            continue
        findings.expect("I8", operation.status != 401, operation, f"is logged out: {operation.evidence}")
        if operation.status == 403:
            findings.expect("I8", False, operation, f"lost role or CSRF token: {operation.evidence}")
        if operation.act is Act.READ_SELF and operation.fields:
            person = operation.fields.get("email", "")
            findings.expect("I8", person == operation.actor, operation, f"is taken for {person or 'nobody'}")


def nothing_failed_without_a_fault(history: History, findings: Findings) -> None:
    """I4: no request of anyone fails when nothing was broken on purpose."""
    if not history.faultless:
        return
    for operation in history.operations:
        failed = operation.outcome is Outcome.UNKNOWN or not operation.expected
        findings.expect("I4", not failed, operation, operation.evidence)
