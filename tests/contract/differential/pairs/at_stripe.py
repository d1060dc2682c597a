"""What happens around payments: buyers pay at Stripe, Stripe tells, sellers change their products, time passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import stripe

from tests.contract.differential.outside import NOTHING_THERE, happened
from tests.contract.payments.sides import MONOLITH_NAMES, SECRET, Side
from tests.support.clients import Answer
from tests.support.waiting import wait_until

DRAWN = re.compile(r"\b(pi|ch|re|pm|evt)_\w+")
"""Ids that Stripe draws."""
CHANGES = {
    "renamed": "title = title || ' II'",
    "dearer": "price = price + 0.01",
    "hidden": "is_hidden = true",
    "sold out": "stock = 0",
}


@dataclass(frozen=True)
class Around:
    """One side, its account at Stripe, and the database of its catalog."""

    side: Side
    catalog: str

    @property
    def acts(self) -> Mapping[str, Callable[..., Answer]]:
        return {"pay": self.pay, "hear": self.hear, "change product": self.change, "pass time": self.pass_time}

    def pay(self, order: int, card: str) -> Answer:
        """What a buyer's browser does with the client secret."""
        intents = self.side.control.intents()
        if not intents:
            return happened(NOTHING_THERE)
        try:
            intent = intents[order % len(intents)]["id"]
            paid = self.side.stripe.v1.payment_intents.confirm(intent, {"payment_method": card})
        except stripe.StripeError as error:
            return happened(error.http_status or 0, code=error.code)
        return happened(status=200, intent=paid.status)

    def hear(self, event: int, how: str) -> Answer:
        """Stripe tells one of its events, or somebody else does who would like to be Stripe."""
        events = self.side.control.events()
        if not events:
            return happened(NOTHING_THERE)
        told = events[event % len(events)]
        match how:
            case "forged":
                return self.side.hear(told, secret=f"{SECRET}?")
            case "late":
                return self.side.hear(told, age=600)
            case "garbled":
                return self.side.hear("not an event")
        return self.side.hear(told)

    def change(self, product: int, how: str) -> Answer:
        """By its seller, at the catalog."""
        with psycopg.connect(self.catalog, autocommit=True) as connection:
            connection.execute(f"update products set {CHANGES[how]} where id = {product:d}".encode())
        return happened()

    def pass_time(self, over: bool) -> Answer:
        """Everybody's grace, or even the time to pay is over; returns when the background work has done its part."""
        purchase, payment, refund, due = self._names
        if over:
            self.side.query(f"update {payment} set expires_at = now() where expires_at > now()")
        for table, key in ((payment, self._order), (refund, "id"), (purchase, "id")):
            # One after the other, so that both sides take them up in the same order.
            at = f"now() - interval '1 minute' + {key} * interval '1 millisecond'"
            self.side.query(f"update {table} set {due} = {at} where {due} is not null")
        wait_until(self._is_done, 30, "the background work is done", every=0.05)
        return happened()

    def _is_done(self) -> bool:
        """Whatever is taken up is put off by 30 s, an order by 3 s; a payment that is left open by a minute or more."""
        purchase, payment, refund, due = self._names
        self.side.query(f"update {purchase} set {due} = now() where {due} > now()")
        busy = " union all ".join([
            f"select 1 from {purchase} where {due} is not null",
            f"select 1 from {refund} where {due} is not null",
            f"select 1 from {payment} where {due} < now() + interval '31 seconds'",
        ])  # fmt: skip
        return not self.side.query(busy)

    @property
    def _names(self) -> tuple[str, str, str, str]:
        names = self.side.names
        return names.purchase, names.payment, names.refund, names.due

    @property
    def _order(self) -> str:
        return "order_id" if self.side.names is MONOLITH_NAMES else "purchase_id"

    def effects(self) -> list[str]:
        """What was asked of Stripe, all that became of it, and what the catalog holds for whom."""
        asked = [_asked(one) for one in self.side.control.received("POST")]
        charges = [f"charge {c['amount']} {c['paid']} {c['payment_intent']}" for c in self.side.control.charges()]
        refunds = [f"refund {r['amount']} {r['status']} {r['payment_intent']}" for r in self.side.control.refunds()]
        with psycopg.connect(self.catalog) as connection:
            held = connection.execute("select key, state from stock_reservations order by key").fetchall()
            stock = connection.execute("select id, stock from products order by id").fetchall()
        return [*_with_places([*asked, *charges, *refunds]), *map(str, held), *map(str, stock)]


def _asked(request: dict[str, Any]) -> str:
    key = request["headers"].get("Idempotency-Key", "")
    said = " ".join(f"{name}={value}" for name, value in sorted(request["parameters"].items()))
    # A browser's request has a key that the library draws.
    known = key if key.startswith(("order-", "refund-")) else "key drawn"
    return f"{request['path']} {said} {known} -> {request['status']}"


def _with_places(lines: list[str]) -> list[str]:
    """Each id that Stripe has drawn becomes its place among all of them."""
    places: dict[str, str] = {}
    return [DRAWN.sub(lambda found: places.setdefault(found[0], f"{found[1]} {len(places)}"), line) for line in lines]
