"""Stripe's events. Only what is signed is read; an event and its effect are one transaction.

`succeeded` and `canceled` are final at Stripe, so they say the truth however late they come. Whatever does not stand
for itself (an intent whose name is not known here yet, refunds) is looked up at Stripe instead of believed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app

from legacy_monolith.database import db
from legacy_monolith.errors import MalformedRequest, PaymentsNotConfigured, SignatureInvalid
from legacy_monolith.payments import collecting, ledger, refunding, states
from legacy_monolith.payments.gateway import Given, within

log = logging.getLogger(__name__)

TOLERANCE_SECONDS = 300


@dataclass(frozen=True)
class Told:
    """What an event says that matters here."""

    id: str
    type: str
    intent: str | None
    status: str
    tells_refunds: bool

    @property
    def matters(self) -> bool:
        """Whether the shop acts on it. Most of what Stripe tells (created, tried, charged) it does not."""
        return self.tells_refunds or self.status in states.FINAL


def take(payload: bytes, signature: str) -> None:
    if not collecting.takes_payments():
        raise PaymentsNotConfigured("This shop takes no payments.")
    # A large library: only who takes payments waits for it.
    import stripe

    try:
        stripe.Webhook.construct_event(
            payload, signature, current_app.config["STRIPE_WEBHOOK_SECRET"], tolerance=TOLERANCE_SECONDS
        )
        told = read(json.loads(payload))
    except stripe.SignatureVerificationError:
        # Not even what it says it is about: it may be anybody's.
        log.warning("a webhook is not signed as it has to be")
        raise SignatureInvalid("The signature is missing, wrong or too old.") from None
    except (ValueError, AttributeError):
        # The library expects an object, and says it in its own way.
        raise MalformedRequest("This is no event.") from None
    if not told.matters or ledger.knows_event(told.id):
        return
    with within(collecting.PATIENCE_SECONDS):
        order_id, status = _whose(told)
        given = _given(told) if order_id else []
    payment = ledger.lock(order_id) if order_id else None
    if not ledger.keep_event(told.id, payment.order_id if payment else None, told.type):
        db.session.rollback()
        return
    if payment:
        if fact := states.FINAL.get(status):
            collecting.apply(payment, fact)
        if given:
            refunding.settle(payment.order_id, given)
    db.session.commit()
    log.info("event taken", extra={"event": told.id, "type": told.type, "order": order_id})


def read(event: Mapping[str, Any]) -> Told:
    """ValueError if it is no event of Stripe's."""
    try:
        kind, about = event["type"], event["data"]["object"]
        of_intent = about["object"] == "payment_intent"
        intent = about["id"] if of_intent else about.get("payment_intent")
        status = about["status"] if of_intent else ""
        tells_refunds = about["object"] == "refund" or kind == "charge.refunded"
        return Told(event["id"], kind, intent, status, tells_refunds)
    except (KeyError, TypeError) as error:
        raise ValueError("not an event") from error


def _whose(told: Told) -> tuple[int | None, str]:
    """The order that it is about, and the status of its intent as far as it can be trusted."""
    if told.intent is None:
        return None, ""
    order_id = ledger.order_of_intent(told.intent)
    db.session.rollback()
    if order_id is not None:
        # What gives money back may overtake the word that there was any.
        return order_id, collecting.gateway().get(told.intent).status if told.tells_refunds else told.status
    # It may have overtaken the answer that names it.
    intent = collecting.gateway().get(told.intent)
    payment = ledger.find(intent.order_id) if intent.order_id else None
    if payment is None or payment.intent is not None or payment.amount != intent.amount:
        db.session.rollback()
        return None, ""
    ledger.know_intent(payment, intent.id)
    db.session.commit()
    return payment.order_id, intent.status


def _given(told: Told) -> list[Given]:
    return collecting.gateway().given(told.intent) if told.tells_refunds and told.intent else []
