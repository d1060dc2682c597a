"""Payments: two sellers, two buyers, a visitor, and a buyer whose requests carry no CSRF token.

Orders, refunds, events and cursors are the very same on both sides; only Stripe draws ids of its own.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

import legacy_monolith.openapi
from tests.contract.differential.domain import Domain, Noise, Ref, Same, Step
from tests.contract.differential.outside import act
from tests.contract.differential.steps import KEYS

ORDERS = "/api/payments/orders"

_order = st.one_of(st.builds(Ref, st.just("order"), st.integers(0, 3)), st.just(10**12))
_cards = st.sampled_from(["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"])


def _put(actor: str, product: int, quantity: int) -> Step:
    path = "/api/payments/cart/items/{product_id}"
    return Step(actor, "PUT", path, "putCartItem", (("product_id", product),), body={"quantity": quantity},
                has_body=True)  # fmt: skip


def _check_out(actor: str, key: str) -> Step:
    return Step(actor, "POST", "/api/payments/checkout", "checkOut", headers=(("Idempotency-Key", key),))


def _refund(actor: str, order: int, amount: str, key: str) -> Step:
    return Step(actor, "POST", f"{ORDERS}/{{id}}/refunds", "refundOrder", (("id", Ref("order", order)),),
                headers=(("Idempotency-Key", key),), body={"amount": amount}, has_body=True)  # fmt: skip


def _sales(actor: str) -> Step:
    return Step(actor, "GET", "/api/payments/sales", "listSales", query=(("limit", 1),))


def _show(actor: str, order: int) -> Step:
    return Step(actor, "GET", f"{ORDERS}/{{id}}", "getOrder", (("id", Ref("order", order)),))


PAYMENTS = Domain(
    name="payments",
    document=Path(legacy_monolith.openapi.__file__).with_name("payments.yml"),
    actors=("cleo", "cleo", "cleo", "dan", "ada", "bob", "visitor", "cleo-without-token"),
    prelude=(
        _put("cleo", 1, 2),
        _put("cleo", 2, 1),
        _check_out("cleo", KEYS[0]),
        _put("cleo", 1, 1),
        _check_out("cleo", KEYS[1]),
        act("pay", order=0, card="pm_card_visa"),
        act("hear", event=-1, how="forged"),
        act("hear", event=-1, how="late"),
        act("hear", event=-1, how="signed"),
        _refund("ada", 0, "5.00", KEYS[0]),
        _refund("ada", 0, "24.68", KEYS[1]),
        _check_out("cleo", KEYS[1]),
        _check_out("dan", KEYS[1]),
        _show("dan", 0),
        _sales("dan"),
        _sales("ada"),
        Step("cleo", "GET", ORDERS, "listOrders", query=(("limit", 1),)),
        Step("cleo", "GET", ORDERS, "listOrders", query=(("limit", 2), ("cursor", Ref("cursor", 1)))),
        _put("cleo", 4, 1),
    ),
    hints={
        "product_id": st.sampled_from([1, 1, 2, 2, 3, 4, 5, 6, 10**12]),
        "quantity": st.sampled_from([1, 2, 3, 6, 1000]),
        "id": _order,
        "Idempotency-Key": st.sampled_from([*KEYS, "not-a-key"]),
        "amount": st.sampled_from(["0", "0.01", "1", "5.5", "12.34", "19.99", "24.68", "39.67", "99999999.99"]),
        "limit": st.sampled_from([1, 1, 2, 100, 101]),
        "cursor": st.one_of(st.builds(Ref, st.just("cursor"), st.integers(0, 3)), st.just("bm90IG9uZQ")),
        "Stripe-Signature": st.sampled_from(["t=1,v1=00", "-"]),
    },
    learned={
        "checkOut": ("order", "id"),
        "listOrders": ("cursor", "next_cursor"),
        "listSales": ("cursor", "next_cursor"),
    },
    fields={
        # Stripe's.
        "client_secret": Noise.TOKEN,
        "created_at": Noise.MOMENT,
        "expires_at": Noise.MOMENT,
        # The monolith places an order in the transaction that opens it; the service asks the catalog in between.
        "updated_at": Noise.WHENEVER,
        # Of an event in the outbox.
        "occurred_at": Noise.TOKEN,
        "detail": Noise.WORDS,
        "message": Noise.WORDS,
        "next_step": Noise.WORDS,
    },
    columns={
        "purchase.created_at": Noise.MOMENT,
        "purchase.updated_at": Noise.WHENEVER,
        "purchase.due_at": Noise.WHENEVER,
        "payment.intent": Same("intent"),
        "payment.expires_at": Noise.MOMENT,
        "payment.due_at": Noise.MOMENT,
        "payment.created_at": Noise.MOMENT,
        "payment.updated_at": Noise.MOMENT,
        "refund.reference": Same("refund at Stripe"),
        "refund.due_at": Noise.MOMENT,
        "refund.created_at": Noise.MOMENT,
        "refund.updated_at": Noise.MOMENT,
        "stripe_event.id": Same("event at Stripe"),
        "stripe_event.received_at": Noise.MOMENT,
        "outbox.created_at": Noise.MOMENT,
    },
    order={"stripe_event": "received_at"},
    outside=(
        st.builds(lambda order, card: act("pay", order=order, card=card), st.integers(0, 2), _cards),
        st.builds(
            lambda event, how: act("hear", event=event, how=how),
            st.integers(-4, 8),
            st.sampled_from(["signed", "signed", "signed", "forged", "late", "garbled"]),
        ),
        st.builds(
            lambda product, how: act("change product", product=product, how=how),
            st.sampled_from([1, 1, 2, 4]),
            st.sampled_from(["renamed", "dearer", "hidden", "sold out"]),
        ),
        st.builds(lambda over: act("pass time", over=over), st.booleans()),
    ),
)
