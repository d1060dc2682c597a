"""Reading bodies and query strings strictly: everything that is wrong is named at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from uuid import UUID

from flask import current_app, request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
)

from legacy_monolith.errors import BodyTooLarge, InvalidFields, MalformedRequest, UnsupportedMediaType

LARGEST_STOCK = 1_000_000_000
LARGEST_QUANTITY = 1_000_000


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PRICE = re.compile(r"(0|[1-9][0-9]{0,7})(\.[0-9]{1,2})?")
_ID = re.compile(r"[1-9][0-9]{0,17}")
_IDS = re.compile(r"[1-9][0-9]{0,17}(,[1-9][0-9]{0,17}){0,199}")
_LIMIT = re.compile(r"[1-9][0-9]?|100")


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain U+0000")
    return text


def _matching(pattern: re.Pattern[str], convert: Callable[[str], Any], rule: str) -> PlainValidator:
    """Text of exactly one form, as the value that it stands for."""

    def read(given: object) -> Any:
        if not isinstance(given, str) or not pattern.fullmatch(given):
            raise ValueError(rule)
        return convert(given)

    return PlainValidator(read)


Text = Annotated[str, AfterValidator(_storable)]
Id = Annotated[int, Field(ge=1, le=999_999_999_999_999_999)]
Key = Annotated[UUID, _matching(_UUID, UUID, "must be a UUID with hyphens")]
# May be left out; null is refused, as everywhere.
KeyIfGiven = Annotated[UUID | None, _matching(_UUID, UUID, "must be a UUID with hyphens")]
Price = Annotated[Decimal, _matching(_PRICE, Decimal, "must be a decimal string like 12.34, below 100000000")]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
Quantity = Annotated[int, Field(ge=1, le=LARGEST_QUANTITY)]

# The same as they stand in a query string.
QueryId = Annotated[int, _matching(_ID, int, "must be an id")]
QueryIds = Annotated[
    list[int],
    _matching(_IDS, lambda ids: [int(one) for one in ids.split(",")], "must be ids with commas between, at most 200"),
]
QueryLimit = Annotated[int, _matching(_LIMIT, int, "must be from 1 to 100")]


class Input(BaseModel):
    """Fields as declared, nothing converted, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Form = TypeVar("Form", bound=Input)


def body(form: type[Form]) -> Form:
    """The JSON body as `form`."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("The body has to be application/json.")
    content = request.get_data(cache=False)
    # A body of unannounced length is cut at the limit.
    if request.content_length is None and len(content) >= current_app.config["MAX_CONTENT_LENGTH"]:
        raise BodyTooLarge("A body is at most 262,144 bytes.")
    try:
        return form.model_validate_json(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        if problems[0]["type"] == "json_invalid":
            raise MalformedRequest("The body is not valid JSON.") from None
        raise InvalidFields(_fields(problems)) from None


def query(form: type[Form]) -> Form:
    """The query string as `form`; each parameter at most once."""
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    if repeated:
        raise InvalidFields([{"field": name, "message": "is given more than once"} for name in repeated])
    try:
        return form.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise InvalidFields(_fields(error.errors(include_url=False, include_context=False))) from None


def header_key(name: str) -> UUID:
    """A required header that carries a UUID."""
    given = request.headers.get(name, "")
    if not _UUID.fullmatch(given):
        raise InvalidFields([{"field": name, "message": "must be a UUID with hyphens"}])
    return UUID(given)


def _fields(problems: list[Any]) -> list[dict[str, str]]:
    return [
        {
            "field": ".".join(str(part) for part in problem["loc"]) or "body",
            "message": problem["msg"].removeprefix("Value error, "),
        }
        for problem in problems
    ]
