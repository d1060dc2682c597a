"""The shapes of the payments API: bodies, queries and keys in, documents out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from extracted.payments.carts import Item
from extracted.payments.errors import invalid
from extracted.payments.purchases import LARGEST_QUANTITY
from extracted.payments.reading import Told
from extracted.payments.states import State
from extracted.payments.storage import Line, Payment, Refund, Sale
from extracted.payments.till import Till
from extracted.platform.validation import ABSENT, PATH_KEY, Cents, Input, QueryLimit, Text, money

CURRENCY = "EUR"
# What other people's programs know: the names of the monolith's time.
PURCHASE_STATES = {"opened": "pending", "undoing": "cancelling"}
PAYMENT_STATES = {State.VOID: "cancelled"}


class CartItemForm(Input):
    quantity: Annotated[int, Field(ge=1, le=LARGEST_QUANTITY)]


class PageForm(Input):
    limit: QueryLimit = 20
    cursor: Annotated[Text, StringConstraints(min_length=1, max_length=2048)] = ABSENT


class RefundForm(Input):
    amount: Cents

    def cents(self) -> int:
        if not self.amount:
            raise invalid("amount", "must be more than nothing")
        return self.amount


def key_of(header: str | None) -> UUID:
    """The Idempotency-Key."""
    if not re.fullmatch(PATH_KEY, header or ""):
        raise invalid("Idempotency-Key", "must be a UUID with hyphens")
    return UUID(header)


def config_document(till: Till | None) -> dict[str, Any]:
    """For everybody: a publishable key is no secret."""
    key = till.publishable_key if till else ""
    return {"publishable_key": key or None, "script": till.script_url if till and key else None}


def cart_document(items: Sequence[Item]) -> dict[str, Any]:
    return {
        "items": [
            {
                "product_id": item.product_id,
                "title": item.product.title,
                "quantity": item.quantity,
                "unit_price": money(item.product.price),
                "available": item.is_available,
            }
            for item in items
        ],
        "total": money(sum(item.product.price * item.quantity for item in items)),
        "currency": CURRENCY,
    }


def order_document(told: Told, client_secret: str | None = None) -> dict[str, Any]:
    purchase = told.purchase
    return {
        "id": purchase.id,
        "key": str(purchase.key),
        "state": PURCHASE_STATES.get(purchase.state, purchase.state),
        "total": money(purchase.total),
        "currency": CURRENCY,
        "lines": [_line(line, told.titles) for line in told.lines],
        "payment": _payment(told.payment, told.refunds, client_secret) if told.payment else None,
        "created_at": moment(purchase.created_at),
        "updated_at": moment(purchase.updated_at),
    }


def orders_document(page: Sequence[Told], next_cursor: str | None) -> dict[str, Any]:
    return {"items": [order_document(told) for told in page], "next_cursor": next_cursor}


def refund_document(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "amount": money(refund.amount),
        "state": refund.state,
        "reason": refund.reason,
        "created_at": moment(refund.created_at),
    }


def sales_document(page: Sequence[Sale], next_cursor: str | None) -> dict[str, Any]:
    items = [
        {
            "order_id": sale.purchase_id,
            "product_id": sale.product_id,
            "title": sale.title,
            "quantity": sale.quantity,
            "unit_price": money(sale.unit_price),
            "total": money(sale.unit_price * sale.quantity),
            "currency": CURRENCY,
            "order_state": PURCHASE_STATES.get(sale.purchase_state, sale.purchase_state),
            "payment_state": _payment_state(sale.payment_state) if sale.payment_state else None,
            "created_at": moment(sale.created_at),
        }
        for sale in page
    ]
    return {"items": items, "next_cursor": next_cursor}


def moment(value: datetime) -> str:
    """RFC 3339, UTC, always with microseconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _line(line: Line, titles: dict[int, str]) -> dict[str, Any]:
    return {
        "product_id": line.product_id,
        "title": line.title,
        "current_title": titles.get(line.product_id, line.title),
        "quantity": line.quantity,
        "unit_price": money(line.unit_price),
    }


def _payment(payment: Payment, refunds: Sequence[Refund], client_secret: str | None) -> dict[str, Any]:
    """Without the intent's secret, unless this answer is for the browser that is to pay."""
    document = {
        "state": _payment_state(payment.state),
        "amount": money(payment.amount),
        "refunded": money(payment.refunded),
        "expires_at": moment(payment.expires_at),
        "refunds": [refund_document(refund) for refund in refunds],
    }
    return {**document, "client_secret": client_secret} if client_secret else document


def _payment_state(state: State) -> str:
    return PAYMENT_STATES.get(state, state.value)
