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

from extracted.payments import collecting, ledger, refunding, states
from extracted.payments.errors import PaymentsNotConfigured, SignatureInvalid
from extracted.payments.gateway import Gateway, Given, within
from extracted.payments.till import Till
from extracted.platform.database import Database
from extracted.platform.problems import Malformed

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


class Webhooks:
    def __init__(self, database: Database, till: Till | None) -> None:
        self._database = database
        self._till = till

    def take(self, payload: bytes, signature: str) -> None:
        if self._till is None:
            raise PaymentsNotConfigured("This shop takes no payments.")
        told = _verified(payload, signature, self._till.webhook_secret)
        if not told.matters:
            return
        with self._database.read() as connection:
            if ledger.knows_event(connection, told.id):
                return
        gateway = self._till.gateway
        with within(collecting.PATIENCE_SECONDS):
            purchase_id, status = self._whose(told, gateway)
            given = _given(told, gateway) if purchase_id else []
        self._keep(told, purchase_id, status, given)

    def _keep(self, told: Told, purchase_id: int | None, status: str, given: list[Given]) -> None:
        with self._database.write() as connection:
            payment = ledger.lock(connection, purchase_id) if purchase_id else None
            if not ledger.keep_event(connection, told.id, payment.purchase_id if payment else None, told.type):
                return
            if payment:
                if fact := states.FINAL.get(status):
                    collecting.apply(connection, payment, fact)
                if given:
                    refunding.settle(connection, payment.purchase_id, given)
        log.info("event taken", extra={"event": told.id, "type": told.type, "purchase": purchase_id})

    def _whose(self, told: Told, gateway: Gateway) -> tuple[int | None, str]:
        """The purchase that it is about, and the status of its intent as far as it can be trusted."""
        if told.intent is None:
            return None, ""
        with self._database.read() as connection:
            purchase_id = ledger.purchase_of_intent(connection, told.intent)
        if purchase_id is not None:
            # What gives money back may overtake the word that there was any.
            return purchase_id, gateway.get(told.intent).status if told.tells_refunds else told.status
        # It may have overtaken the answer that names it.
        intent = gateway.get(told.intent)
        with self._database.write() as connection:
            payment = ledger.find(connection, intent.purchase_id) if intent.purchase_id else None
            if payment is None or payment.intent is not None or payment.amount != intent.amount:
                return None, ""
            ledger.know_intent(connection, payment, intent.id)
        return payment.purchase_id, intent.status


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


def _verified(payload: bytes, signature: str, secret: str) -> Told:
    # A large library: only who takes payments waits for it.
    import stripe

    try:
        stripe.Webhook.construct_event(payload, signature, secret, tolerance=TOLERANCE_SECONDS)
        return read(json.loads(payload))
    except stripe.SignatureVerificationError:
        # Not even what it says it is about: it may be anybody's.
        log.warning("a webhook is not signed as it has to be")
        raise SignatureInvalid("The signature is missing, wrong or too old.") from None
    except (ValueError, AttributeError):
        # The library expects an object, and says it in its own way.
        raise Malformed("This is no event.") from None


def _given(told: Told, gateway: Gateway) -> list[Given]:
    return gateway.given(told.intent) if told.tells_refunds and told.intent else []
