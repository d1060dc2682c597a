"""The objects as Stripe's API shows them. No network."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.doubles.stripe.errors import CardError, Refusal
from tests.doubles.stripe.objects import Charge, Intent, LastError, PaymentMethod, Refund, Status

Shape = dict[str, Any]

# What the API always shows and this double never has anything to say about.
_UNSET_INTENT = (
    "application", "application_fee_amount", "on_behalf_of", "payment_record", "processing", "review",
    "setup_future_usage", "shipping", "source", "statement_descriptor", "statement_descriptor_suffix", "transfer_data",
    "transfer_group",
)  # fmt: skip
_UNSET_CHARGE = (
    "application", "application_fee", "balance_transaction", "failure_balance_transaction", "on_behalf_of", "review",
    "source", "source_transfer", "transfer",
)  # fmt: skip
_UNSET_REFUND = (
    "balance_transaction", "failure_balance_transaction", "pending_reason", "receipt_number",
    "source_transfer_reversal", "transfer_reversal",
)  # fmt: skip
_NO_DETAILS = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}


def intent(one: Intent, public_url: str, expand: Collection[str] = ()) -> Shape:
    latest = one.latest_charge
    expanded = latest is not None and "latest_charge" in expand
    redirects = "always" if one.accepts_redirects else "never"
    automatic = {"enabled": True, "allow_redirects": redirects} if one.automatic_methods else None
    return {
        "id": one.id,
        "object": "payment_intent",
        "amount": one.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": one.amount if one.status is Status.SUCCEEDED else 0,
        "automatic_payment_methods": automatic,
        "canceled_at": one.canceled_at,
        "cancellation_reason": one.cancellation_reason,
        "capture_method": "automatic_async",
        "client_secret": f"{one.id}_secret_{one.secret}",
        "confirmation_method": "automatic",
        "created": one.created,
        "currency": one.currency,
        "customer": one.customer,
        "description": one.description,
        "last_payment_error": last_error(one.last_error) if one.last_error else None,
        "latest_charge": charge(latest) if latest and expanded else latest.id if latest else None,
        "livemode": False,
        "metadata": dict(one.metadata),
        "next_action": _next_action(one, public_url) if one.status is Status.NEEDS_ACTION else None,
        "payment_method": one.method.id if one.method else None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "receipt_email": one.receipt_email,
        "status": one.status.value,
        **dict.fromkeys(_UNSET_INTENT),
    }


def _next_action(one: Intent, public_url: str) -> Shape:
    """The page where the owner of the card is asked: by redirection, or for stripe.js to open."""
    page = f"{public_url}/3ds/{one.id}"
    if one.return_url:
        return {"type": "redirect_to_url", "redirect_to_url": {"url": page, "return_url": one.return_url}}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}}


def payment_method(one: PaymentMethod) -> Shape:
    card = {
        "brand": one.card.brand,
        "country": "US",
        "exp_month": 12,
        "exp_year": 2040,
        "funding": "credit",
        "last4": one.card.last4,
    }
    return {
        "id": one.id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": dict(_NO_DETAILS),
        "card": card,
        "created": one.created,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def charge(one: Charge) -> Shape:
    card = one.method.card
    outcome = {
        "network_status": "approved_by_network" if one.paid else "declined_by_network",
        "reason": None if one.paid else card.decline_code,
        "risk_level": "normal",
        "seller_message": "Payment complete." if one.paid else "The bank did not return any further details.",
        "type": "authorized" if one.paid else "issuer_declined",
    }
    return {
        "id": one.id,
        "object": "charge",
        "amount": one.amount,
        "amount_captured": one.amount if one.paid else 0,
        "amount_refunded": one.amount_refunded,
        "billing_details": dict(_NO_DETAILS),
        "captured": one.paid,
        "created": one.created,
        "currency": one.intent.currency,
        "customer": one.intent.customer,
        "description": one.intent.description,
        "disputed": False,
        "failure_code": None if one.paid else card.code,
        "livemode": False,
        "metadata": dict(one.intent.metadata),
        "outcome": outcome,
        "paid": one.paid,
        "payment_intent": one.intent.id,
        "payment_method": one.method.id,
        "refunded": one.paid and one.amount_left == 0,
        "status": "succeeded" if one.paid else "failed",
        **dict.fromkeys(_UNSET_CHARGE),
    }


def refund(one: Refund) -> Shape:
    return {
        "id": one.id,
        "object": "refund",
        "amount": one.amount,
        "charge": one.charge.id,
        "created": one.created,
        "currency": one.charge.intent.currency,
        "customer": one.charge.intent.customer,
        "metadata": dict(one.metadata),
        "payment_intent": one.charge.intent.id,
        "payment_method": one.charge.method.id,
        "reason": one.reason,
        "status": "succeeded",
        **dict.fromkeys(_UNSET_REFUND),
    }


def last_error(one: LastError) -> Shape:
    shape: Shape = {"type": "card_error", "code": one.code, "message": one.message}
    if one.decline_code:
        shape["decline_code"] = one.decline_code
    if one.charge:
        shape["charge"] = one.charge.id
    return {**shape, "payment_method": payment_method(one.method)}


def refusal(one: Refusal, public_url: str) -> Shape:
    error: Shape = {"type": one.type, "message": one.message}
    if one.code:
        error["code"] = one.code
        error["doc_url"] = f"https://stripe.com/docs/error-codes/{one.code.replace('_', '-')}"
    if one.param:
        error["param"] = one.param
    if isinstance(one, CardError):
        if one.decline_code:
            error["decline_code"] = one.decline_code
        if one.charge:
            error["charge"] = one.charge.id
        if one.method:
            error["payment_method"] = payment_method(one.method)
    if one.intent:
        error["payment_intent"] = intent(one.intent, public_url)
    return {"error": error}


def page(url: str, data: list[Shape], has_more: bool) -> Shape:
    return {"object": "list", "url": url, "data": data, "has_more": has_more}
