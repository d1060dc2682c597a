"""Payments over Stripe: deadlines, two retries, and keys from our rows.

Keys, parameters and metadata are those of the monolith: whichever side repeats a request, it is the same request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import requests
import stripe

from extracted.payments.errors import PaymentInDoubt
from extracted.payments.gateway import Given, Intent, KeySpent, RefundRefused, seconds_left

log = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 1.0, 5.0
RETRIES = 2
# Of a request that was understood.
REFUSALS = frozenset({400, 402, 404})
CURRENCY = "eur"

_Answer = TypeVar("_Answer")


class PunctualSession(requests.Session):
    """Waits no longer than whoever asks has time; the library itself only knows a timeout for each attempt."""

    def request(self, method: str | bytes, url: str | bytes, *arguments: Any, **options: Any) -> requests.Response:
        left = seconds_left()
        if left <= 0:
            raise requests.Timeout("no time is left")
        options["timeout"] = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
        return super().request(method, url, *arguments, **options)


class StripeGateway:
    """One for each process; its connections are kept and shared."""

    def __init__(self, api_key: str, base_url: str = "") -> None:
        self._session = PunctualSession()
        if base_url:
            # What stands in for Stripe is near: no proxy of the environment is asked.
            self._session.trust_env = False
        addresses: Any = {"api": base_url} if base_url else {}
        self._client = stripe.StripeClient(
            api_key,
            base_addresses=addresses,
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(session=self._session),
        )

    def create(self, purchase_id: int, attempt: int, amount: int) -> Intent:
        params: Any = {
            "amount": amount,
            "currency": CURRENCY,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"order": str(purchase_id), "attempt": str(attempt)},
        }
        options: Any = {"idempotency_key": f"order-{purchase_id}-{attempt}"}
        return _intent(_surely("create", lambda: self._client.v1.payment_intents.create(params, options)))

    def get(self, intent_id: str) -> Intent:
        return _intent(_surely("get", lambda: self._client.v1.payment_intents.retrieve(intent_id)))

    def cancel(self, intent_id: str) -> Intent:
        try:
            return _intent(_asked("cancel", lambda: self._client.v1.payment_intents.cancel(intent_id)))
        except stripe.InvalidRequestError as error:
            if error.code != "payment_intent_unexpected_state":
                raise PaymentInDoubt("The payment could not be cancelled.") from None
        return self.get(intent_id)

    def refund(self, intent_id: str, refund_id: int, attempt: int, amount: int) -> Given:
        params: Any = {"payment_intent": intent_id, "amount": amount, "metadata": {"refund": str(refund_id)}}
        options: Any = {"idempotency_key": f"refund-{refund_id}-{attempt}"}
        try:
            return _given(_asked("refund", lambda: self._client.v1.refunds.create(params, options)))
        except stripe.InvalidRequestError as error:
            raise RefundRefused(error.code or "invalid-request") from None

    def given(self, intent_id: str) -> list[Given]:
        params: Any = {"payment_intent": intent_id, "limit": 100}
        pages = _surely("refunds", lambda: list(self._client.v1.refunds.list(params).auto_paging_iter()))
        return [_given(one) for one in pages]

    def close(self) -> None:
        self._session.close()


def _asked(call: str, ask: Callable[[], _Answer]) -> _Answer:
    """The answer; or InvalidRequestError, KeySpent, or doubt. What Stripe says in words stays out of the logs."""
    try:
        return ask()
    except stripe.StripeError as error:
        # 409: the first request under this key is still being worked on.
        if isinstance(error, stripe.IdempotencyError) and error.http_status != 409:
            log.error("Stripe knows the key with other parameters", extra={"call": call})
            raise KeySpent from None
        if isinstance(error, stripe.InvalidRequestError) and error.http_status in REFUSALS:
            log.warning("Stripe refuses", extra={"call": call, "code": error.code, "status": error.http_status})
            raise
        level = logging.ERROR if isinstance(error, stripe.AuthenticationError) else logging.WARNING
        facts = {"call": call, "reason": type(error).__name__, "status": error.http_status}
        log.log(level, "Stripe's answer is in doubt", extra=facts)
        if _is_replayed(error):
            raise KeySpent from None
        raise PaymentInDoubt("The payment service did not answer in time.") from None


def _surely(call: str, ask: Callable[[], _Answer]) -> _Answer:
    """For what Stripe has no reason to refuse: if it does, somebody has to look, and until then nothing is known."""
    try:
        return _asked(call, ask)
    except stripe.InvalidRequestError:
        raise PaymentInDoubt("The payment service does not take this request.") from None


def _is_replayed(error: stripe.StripeError) -> bool:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return (error.http_status or 0) >= 500 and headers.get("idempotent-replayed") == "true"


def _noted(one: stripe.PaymentIntent | stripe.Refund, name: str) -> int | None:
    """The id that our metadata say, if they are ours."""
    text = one.metadata.to_dict().get(name) if one.metadata is not None else None
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 18 else None


def _intent(one: stripe.PaymentIntent) -> Intent:
    return Intent(one.id, one.status, one.amount, _noted(one, "order"), one.client_secret)


def _given(one: stripe.Refund) -> Given:
    return Given(one.id, one.amount, one.status not in ("failed", "canceled"), _noted(one, "refund"))
