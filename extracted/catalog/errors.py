"""What the catalog refuses, and the one table that says which HTTP status each refusal is."""

from __future__ import annotations

from collections.abc import Mapping

from extracted.platform.problems import NotFound, Refusal


class ProductNotFound(NotFound):
    def __init__(self, product_id: int) -> None:
        super().__init__(f"There is no product {product_id}.")


class ReservationNotFound(NotFound):
    def __init__(self, key: object) -> None:
        super().__init__(f"There is no reservation {key}.")


class NotOwner(Refusal):
    code = "not-owner"
    title = "This belongs to somebody else."
    next_step = "Choose one of your own."

    def __init__(self, product_id: int) -> None:
        super().__init__(f"Product {product_id} belongs to another seller.")


class VersionMismatch(Refusal):
    code = "version-mismatch"
    title = "The product was edited meanwhile."
    next_step = "Read it again and repeat the edit."

    def __init__(self, product_id: int, version: int) -> None:
        super().__init__(f"Product {product_id} has version {version}.", version=version)


class OutOfStock(Refusal):
    code = "out-of-stock"
    title = "There are not enough units in stock."
    next_step = "Ask for less, or wait for the seller."

    def __init__(self, product_id: int, stock: int) -> None:
        super().__init__(f"Product {product_id} has {stock} in stock.", product_id=product_id, stock=stock)


class NotAvailable(Refusal):
    code = "not-available"
    title = "The product is not for sale."
    next_step = "Choose another product."

    def __init__(self, product_id: int) -> None:
        super().__init__(f"Product {product_id} is not for sale.", product_id=product_id)


class RequestKeyReused(Refusal):
    code = "request-key-reused"
    title = "This key was used for another request."
    next_step = "Use a new key."

    def __init__(self, key: object) -> None:
        super().__init__(f"The key {key} was used for a request with other content.")


class ReservationReleased(Refusal):
    code = "reservation-released"
    title = "This reservation has been released."
    next_step = "Reserve under a new key."

    def __init__(self, key: object) -> None:
        super().__init__(f"Reservation {key} was released and its stock given back.")


REFUSALS: Mapping[type[Refusal], int] = {
    NotOwner: 403,
    ProductNotFound: 404,
    ReservationNotFound: 404,
    NotAvailable: 409,
    OutOfStock: 409,
    RequestKeyReused: 409,
    ReservationReleased: 409,
    VersionMismatch: 412,
}
