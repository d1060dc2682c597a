"""What the shop refuses, and why. Every refusal is a problem document (RFC 9457) with a stable type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID


class ShopError(Exception):
    """Something an operator has to see to."""

    code = "shop-error"
    next_step = ""


class SettingsMissing(ShopError):
    code = "settings-missing"
    next_step = "Set them in the environment; 'fig up' writes them to env.json in its state folder."

    def __init__(self, variables: Sequence[str]) -> None:
        super().__init__(f"these settings are missing: {', '.join(variables)}")


class AlreadySeeded(ShopError):
    code = "already-seeded"
    next_step = "Nothing to do; for other sizes start with an empty database."

    def __init__(self, users: int, products: int, orders: int) -> None:
        super().__init__(f"already seeded: {users} users, {products} products, {orders} orders")


class SeedImpossible(ShopError):
    code = "seed-impossible"
    next_step = "Choose other numbers; see --help."


class ReservationLost(ShopError):
    """A placed order's reservation is released: nobody but the order itself may do that."""

    code = "reservation-lost"
    next_step = "Compare the order with stock_movements of its key, then place or cancel it by hand."

    def __init__(self, key: UUID) -> None:
        super().__init__(f"order {key} is placed but its reservation is released")


class Problem(Exception):
    """A refused request. `facts` become members of the problem document."""

    status = 500
    code = "internal-error"
    title = "Something went wrong here."
    next_step = "Try again later."
    retry_after: int | None = None

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class MalformedRequest(Problem):
    status, code, title = 400, "malformed-request", "The request cannot be read."
    next_step = "Correct the request's syntax."


class SignatureInvalid(Problem):
    status, code, title = 400, "signature-invalid", "The signature is not good."
    next_step = "Sign with the endpoint's secret, and send it at once."


class NotAuthenticated(Problem):
    status, code, title = 401, "not-authenticated", "You are not logged in."
    next_step = "Log in with POST /api/users/login."


class WrongCredentials(Problem):
    status, code, title = 401, "wrong-credentials", "E-mail address and password do not match."
    next_step = "Check both and try again."


class WrongPassword(Problem):
    status, code, title = 403, "wrong-password", "This is not your password."
    next_step = "Check it and try again."


class WrongCode(Problem):
    status, code, title = 403, "wrong-code", "This is not the code that was sent."
    next_step = "Look at the newest message and try again."


class CsrfTokenInvalid(Problem):
    status, code, title = 403, "csrf-token-invalid", "The CSRF token is missing or wrong."
    next_step = "Fetch one from GET /api/users/csrf and send it as X-CSRF-Token."


class RoleRequired(Problem):
    status, code, title = 403, "role-required", "Your role does not allow this."
    next_step = "Log in as a user with that role."


class NotOwner(Problem):
    status, code, title = 403, "not-owner", "This belongs to somebody else."
    next_step = "Choose one of your own."


class NotFound(Problem):
    status, code, title = 404, "not-found", "There is no such thing."
    next_step = "Check the address."


class MethodNotAllowed(Problem):
    status, code, title = 405, "method-not-allowed", "This address does not know that method."
    next_step = "Use one of the methods in the Allow header."


class EmailTaken(Problem):
    status, code, title = 409, "email-taken", "There is an account with this e-mail address."
    next_step = "Log in, or choose another address."


class NoCode(Problem):
    status, code, title = 409, "no-code", "There is no code to check against."
    next_step = "Ask for one with POST /api/users/phone."


class CodeUsed(Problem):
    status, code, title = 409, "code-used", "This code was used before."
    next_step = "Nothing to do if it was you; for another number ask for a new code."


class CodeExpired(Problem):
    status, code, title = 409, "code-expired", "The code is too old."
    next_step = "Ask for a new one with POST /api/users/phone."


class CodeExhausted(Problem):
    status, code, title = 409, "code-exhausted", "The code was tried too often."
    next_step = "Ask for a new one with POST /api/users/phone."


class PhoneNotVerified(Problem):
    status, code, title = 409, "phone-not-verified", "There is no verified phone number."
    next_step = "Verify one with POST /api/users/phone and POST /api/users/phone/verify."


class OutOfStock(Problem):
    status, code, title = 409, "out-of-stock", "There are not enough units in stock."
    next_step = "Ask for less, or wait for the seller."


class NotAvailable(Problem):
    status, code, title = 409, "not-available", "The product is not for sale."
    next_step = "Choose another product."


class RequestKeyReused(Problem):
    status, code, title = 409, "request-key-reused", "This key was used for another request."
    next_step = "Use a new key."


class ReservationReleased(Problem):
    status, code, title = 409, "reservation-released", "This reservation has been released."
    next_step = "Reserve under a new key."


class CartEmpty(Problem):
    status, code, title = 409, "cart-empty", "The cart is empty."
    next_step = "Put something into the cart."


class CartFull(Problem):
    status, code, title = 409, "cart-full", "The cart holds no more different products."
    next_step = "Take something out, or check out first."


class CheckoutInProgress(Problem):
    status, code, title = 409, "checkout-in-progress", "This checkout is still being worked on."
    next_step = "Repeat the request with the same Idempotency-Key."
    retry_after = 2


class CheckoutExpired(Problem):
    status, code, title = 409, "checkout-expired", "The checkout could not be finished in time."
    next_step = "Check out again under a new Idempotency-Key; the cart is as it was."


class AmountNotPayable(Problem):
    status, code, title = 409, "amount-not-payable", "No card can be charged with this amount."
    next_step = "Order more, or in several orders; the cart is as it was."


class OrderNotPaid(Problem):
    status, code, title = 409, "order-not-paid", "There is no money to give back."
    next_step = "Look at the order's payment."


class RefundTooLarge(Problem):
    status, code, title = 409, "refund-too-large", "This is more than can be given back."
    next_step = "Give back at most what is `left`."


class OrderFailed(Problem):
    status, code, title = 409, "order-failed", "This order was never placed."
    next_step = "Check out again."


class VersionMismatch(Problem):
    status, code, title = 412, "version-mismatch", "The product was edited meanwhile."
    next_step = "Read it again and repeat the edit."


class BodyTooLarge(Problem):
    status, code, title = 413, "body-too-large", "The body is too large."
    next_step = "Send less."


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported-media-type", "The body is not JSON."
    next_step = "Send Content-Type: application/json."


class InvalidFields(Problem):
    status, code, title = 422, "invalid-fields", "Some fields are missing or wrong."
    next_step = "Correct the fields in `errors`."

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)


class TooManyRequests(Problem):
    status, code, title = 429, "too-many-requests", "Too many attempts."
    next_step = "Wait as long as Retry-After says, and try again."

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class MessagesNotConfigured(Problem):
    status, code, title = 503, "messages-not-configured", "This shop cannot send text messages."
    next_step = "Its operator sets TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM."


class MessagesUnavailable(Problem):
    status, code, title = 503, "messages-unavailable", "Text messages cannot be sent right now."
    next_step = "Ask for another code later."
    retry_after = 60


class PaymentsNotConfigured(Problem):
    status, code, title = 503, "payments-not-configured", "This shop takes no payments."
    next_step = "Its operator sets STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET."


class TemporarilyUnavailable(Problem):
    status, code, title = 503, "temporarily-unavailable", "This is not possible right now."
    next_step = "Repeat the same request, with the same key if it has one."
    retry_after = 2
