"""What is known after Stripe raised: a refusal, a doubt, or that the key will never bring anything else."""

from __future__ import annotations

from typing import NoReturn

import pytest
import stripe

from legacy_monolith.payments import collecting, ledger
from legacy_monolith.payments.gateway import KeySpent, PaymentInDoubt
from legacy_monolith.payments.stripe_gateway import RETRIES, _asked, _surely


def refused(status: int) -> stripe.InvalidRequestError:
    return stripe.InvalidRequestError("no", "amount", code="some_code", http_status=status)


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (stripe.APIConnectionError("gone"), PaymentInDoubt),
        (stripe.APIError("oh", http_status=500), PaymentInDoubt),
        (stripe.APIError("oh", http_status=500, headers={"Idempotent-Replayed": "true"}), KeySpent),
        (stripe.RateLimitError("slow", http_status=429), PaymentInDoubt),
        (stripe.AuthenticationError("who", http_status=401), PaymentInDoubt),
        (stripe.IdempotencyError("other parameters", http_status=400), KeySpent),
        (stripe.IdempotencyError("in use", http_status=409, code="idempotency_key_in_use"), PaymentInDoubt),
        (refused(409), PaymentInDoubt),
        (refused(400), stripe.InvalidRequestError),
    ],
)
def test_each_error_says_what_may_be_done_next(error: stripe.StripeError, known: type[Exception]) -> None:
    def ask() -> NoReturn:
        raise error

    with pytest.raises(known):
        _asked("create", ask)


def test_whoever_waits_for_a_row_and_then_for_stripe_is_answered_within_ten_seconds() -> None:
    # The library sleeps before each retry, at most so long, even if no time is left for it.
    pauses = sum(0.5 * 2**retry for retry in range(RETRIES))
    assert float(ledger.LOCK_PATIENCE.removesuffix("s")) + collecting.PATIENCE_SECONDS + pauses < 10


def test_a_refusal_where_there_is_nothing_to_refuse_is_a_doubt() -> None:
    def ask() -> NoReturn:
        raise refused(404)

    with pytest.raises(PaymentInDoubt):
        _surely("get", ask)
