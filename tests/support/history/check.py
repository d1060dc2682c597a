"""From a history to the promises it breaks. Pure: no clock, no network, no database.

Each rule states facts that must hold; a fact that does not is a violation with its evidence, and the number
of facts per promise tells a promise that was kept from one that nobody put to the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.history import accounts, letters, money, ownership, presence, views
from tests.support.history.findings import Findings, Violation
from tests.support.history.records import History

PROMISES = tuple(f"I{number}" for number in range(1, 11))
OUTSIDE = (
    money.nobody_is_charged_twice,
    money.money_adds_up,
    money.acknowledged_money_is_known,
    letters.people_are_told_once,
)
RULES = (
    ownership.only_the_owner_accepts,
    ownership.owners_never_overlap,
    ownership.one_owner_at_rest,
    presence.acknowledged_products_are_there,
    presence.acknowledged_stock_changes_are_there,
    presence.acknowledged_orders_are_there,
    accounts.stock_is_the_sum_of_its_movements,
    accounts.no_key_moves_stock_twice,
    accounts.orders_and_movements_agree,
    accounts.every_movement_has_a_cause,
    accounts.refused_writes_left_no_trace,
    *OUTSIDE,
    views.both_sides_hold_the_same,
    views.own_writes_are_read,
    views.people_stay_logged_in,
    views.nothing_failed_without_a_fault,
)

__all__ = ["PROMISES", "Verdict", "Violation", "check"]


@dataclass(frozen=True)
class Verdict:
    violations: tuple[Violation, ...]
    facts: Mapping[str, int] = field(default_factory=dict)

    def word(self, promise: str) -> str:
        """`kept`, `broken` or `not exercised`."""
        if any(violation.promise == promise for violation in self.violations):
            return "broken"
        return "kept" if self.facts.get(promise) else "not exercised"

    def __str__(self) -> str:
        counted = Counter(violation.promise for violation in self.violations)
        head = ", ".join(f"{promise}: {number} broken" for promise, number in sorted(counted.items()))
        return "\n".join([head or "every promise kept", *map(str, self.violations[:40])])


def check(history: History) -> Verdict:
    findings = Findings()
    for rule in RULES:
        rule(history, findings)
    return Verdict(tuple(findings.violations), dict(findings.facts))


def missing(history: History) -> bool:
    """Whether money or letters that are to come have not come yet."""
    findings = Findings()
    for rule in OUTSIDE:
        rule(history, findings)
    return bool(findings.violations)
