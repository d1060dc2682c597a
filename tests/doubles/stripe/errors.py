"""Everything Stripe refuses, with the status, type and code by which the client library tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

from tests.doubles.stripe.objects import Charge, Intent, PaymentMethod


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that is no success. `executed` says whether an idempotency key remembers it."""

    message: str
    code: str = ""
    param: str = ""
    intent: Intent | None = None

    status = 400
    type = "invalid_request_error"
    executed = False


class WrongApiKey(Refusal):
    status = 401


class NotFound(Refusal):
    status = 404


class InvalidParameter(Refusal):
    """Missing, unknown, or of the wrong form."""


class KeyReused(Refusal):
    """The idempotency key belongs to another request."""

    type = "idempotency_error"


class KeyInUse(Refusal):
    """The first request with this idempotency key is still being worked on."""

    status = 409
    type = "idempotency_error"


class UnexpectedState(Refusal):
    """The PaymentIntent is not where the request needs it to be."""

    executed = True


class NotRefundable(Refusal):
    """Nothing was paid, or it was given back already, or less is left than asked for."""

    executed = True


@dataclass(eq=False)
class CardError(Refusal):
    """The bank said no, or wants its customer to be asked although nobody can be."""

    decline_code: str = ""
    charge: Charge | None = None
    method: PaymentMethod | None = None

    status = 402
    type = "card_error"
    executed = True
