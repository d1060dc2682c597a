"""What the catalog's routes accept."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from legacy_monolith.validation import (
    LARGEST_STOCK,
    Category,
    Id,
    Input,
    Key,
    KeyIfGiven,
    Price,
    Quantity,
    QueryId,
    QueryIds,
    QueryLimit,
    Text,
)

Title = Annotated[Text, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Description = Annotated[Text, StringConstraints(max_length=10_000)]
Sort = Literal["newest", "price", "-price", "title"]


class ProductQuery(Input):
    q: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = None
    category: Category | None = None
    seller_id: QueryId | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    in_stock: Literal["true", "false"] | None = None
    sort: Sort = "newest"
    limit: QueryLimit = 20
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None


class NewProduct(Input):
    title: Title
    description: Description
    category: Category
    price: Price
    stock: Annotated[int, Field(ge=0, le=LARGEST_STOCK)]
    request_key: KeyIfGiven = None


class ProductEdit(Input):
    title: Title = Field(default=None)  # type: ignore[assignment]
    description: Description = Field(default=None)  # type: ignore[assignment]
    category: Category = Field(default=None)  # type: ignore[assignment]
    price: Price = Field(default=None)  # type: ignore[assignment]
    hidden: bool = Field(default=None)  # type: ignore[assignment]

    @model_validator(mode="after")
    def changes_something(self) -> ProductEdit:
        if not self.model_fields_set:
            raise ValueError("must have at least one field")
        return self

    def changes(self) -> dict[str, str | bool | Decimal]:
        """Columns and their new values."""
        given = self.model_dump(exclude_unset=True)
        if "hidden" in given:
            given["is_hidden"] = given.pop("hidden")
        return given


class StockAdjustment(Input):
    delta: Annotated[int, Field(ge=-LARGEST_STOCK, le=LARGEST_STOCK)]
    request_key: Key

    @field_validator("delta")
    @classmethod
    def moves_something(cls, delta: int) -> int:
        if delta == 0:
            raise ValueError("must not be 0")
        return delta


class ProductLookUp(Input):
    ids: QueryIds


class Line(Input):
    product_id: Id
    quantity: Quantity


class NewReservation(Input):
    lines: Annotated[list[Line], Field(min_length=1, max_length=100)]

    @field_validator("lines")
    @classmethod
    def names_each_product_once(cls, lines: list[Line]) -> list[Line]:
        if len({line.product_id for line in lines}) < len(lines):
            raise ValueError("name a product more than once")
        return lines
