"""What payments refuses, and the one table that says which HTTP status each refusal is."""

from __future__ import annotations

from collections.abc import Mapping

from extracted.platform.problems import FieldError, InvalidFields, NotFound, Refusal, Unavailable


class OrderNotFound(NotFound):
    def __init__(self, order_id: int) -> None:
        super().__init__(f"There is no order {order_id}.")


class ProductNotFound(NotFound):
    def __init__(self, product_id: int) -> None:
        super().__init__(f"There is no product {product_id}.")


class NothingSold(NotFound):
    def __init__(self, order_id: int) -> None:
        super().__init__(f"There is no order {order_id} with anything of yours.")


class SignatureInvalid(Refusal):
    code = "signature-invalid"
    title = "The signature is not good."
    next_step = "Sign with the endpoint's secret, and send it at once."


class OutOfStock(Refusal):
    code = "out-of-stock"
    title = "There are not enough units in stock."
    next_step = "Ask for less, or wait for the seller."


class NotAvailable(Refusal):
    code = "not-available"
    title = "The product is not for sale."
    next_step = "Choose another product."


class RequestKeyReused(Refusal):
    code = "request-key-reused"
    title = "This key was used for another request."
    next_step = "Use a new key."


class ReservationReleased(Refusal):
    code = "reservation-released"
    title = "This reservation has been released."
    next_step = "Reserve under a new key."


class CartEmpty(Refusal):
    code = "cart-empty"
    title = "The cart is empty."
    next_step = "Put something into the cart."


class CartFull(Refusal):
    code = "cart-full"
    title = "The cart holds no more different products."
    next_step = "Take something out, or check out first."


class CheckoutInProgress(Refusal):
    code = "checkout-in-progress"
    title = "This checkout is still being worked on."
    next_step = "Repeat the request with the same Idempotency-Key."
    retry_after = 2


class CheckoutExpired(Refusal):
    code = "checkout-expired"
    title = "The checkout could not be finished in time."
    next_step = "Check out again under a new Idempotency-Key; the cart is as it was."


class AmountNotPayable(Refusal):
    code = "amount-not-payable"
    title = "No card can be charged with this amount."
    next_step = "Order more, or in several orders; the cart is as it was."


class OrderFailed(Refusal):
    code = "order-failed"
    title = "This order was never placed."
    next_step = "Check out again."


class OrderNotPaid(Refusal):
    code = "order-not-paid"
    title = "There is no money to give back."
    next_step = "Look at the order's payment."


class RefundTooLarge(Refusal):
    code = "refund-too-large"
    title = "This is more than can be given back."
    next_step = "Give back at most what is `left`."


class PaymentsNotConfigured(Refusal):
    code = "payments-not-configured"
    title = "This shop takes no payments."
    next_step = "Its operator sets STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET."


class CatalogInDoubt(Unavailable):
    """Whether it happened is not known. Only the same call under the same key may follow, or a release."""

    next_step = "Repeat the request with the same Idempotency-Key."


class PaymentInDoubt(Unavailable):
    """Whether it happened is not known. The same call under the same key finds out."""

    next_step = "Repeat the request with the same Idempotency-Key."


class ReservationLost(Exception):
    """A placed purchase's reservation is released: nobody but the purchase itself may do that."""

    def __init__(self, key: object) -> None:
        super().__init__(
            f"purchase {key} is placed but its reservation is released; compare it with the catalog's movements of its"
            " key, then place or cancel it by hand"
        )


def invalid(field: str, message: str) -> InvalidFields:
    return InvalidFields([FieldError(field, message)])


REFUSALS: Mapping[type[Refusal], int] = {
    SignatureInvalid: 400,
    OrderNotFound: 404,
    ProductNotFound: 404,
    NothingSold: 404,
    OutOfStock: 409,
    NotAvailable: 409,
    RequestKeyReused: 409,
    ReservationReleased: 409,
    CartEmpty: 409,
    CartFull: 409,
    CheckoutInProgress: 409,
    CheckoutExpired: 409,
    AmountNotPayable: 409,
    OrderFailed: 409,
    OrderNotPaid: 409,
    RefundTooLarge: 409,
    PaymentsNotConfigured: 503,
    CatalogInDoubt: 503,
    PaymentInDoubt: 503,
}
