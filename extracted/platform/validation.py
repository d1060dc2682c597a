"""Reading bodies and query strings strictly: nothing is converted, nothing unknown is let through, and
everything that is wrong is named at once."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)
from werkzeug.datastructures import MultiDict

from extracted.platform.problems import FieldError, InvalidFields, Malformed

LARGEST_ID = 10**18 - 1
PATH_ID = "[1-9][0-9]{0,17}"
PATH_KEY = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_AMOUNT = r"(0|[1-9][0-9]{0,7})(\.[0-9]{1,2})?"


def cents_of(amount: object) -> int:
    """12.34, 12.3 and 12 as cents, exactly."""
    whole, _, fraction = _text_like(amount, _AMOUNT, 'an amount such as "12.34"').partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _text_like(value: object, pattern: str, what: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(f"must be {what}")
    return value


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain U+0000")
    return text


def _key(value: object) -> UUID:
    return UUID(_text_like(value, PATH_KEY, "a UUID"))


def _id_in_query(value: object) -> int:
    return int(_text_like(value, PATH_ID, "an id"))


def _limit_in_query(value: object) -> int:
    return int(_text_like(value, "[1-9][0-9]?|100", "a number from 1 to 100"))


Text = Annotated[str, AfterValidator(_storable)]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Key = Annotated[UUID, PlainValidator(_key)]
Cents = Annotated[int, PlainValidator(cents_of)]
QueryId = Annotated[int, PlainValidator(_id_in_query)]
QueryLimit = Annotated[int, PlainValidator(_limit_in_query)]

ABSENT: Any = None
"""The default of a field that may be absent; null itself is refused."""


class Input(BaseModel):
    """A form; its fields are declared with the types above."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Form = TypeVar("Form", bound=Input)


def read_json(form: type[Form], body: bytes) -> Form:
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        if wrong[0]["type"] == "json_invalid":
            raise Malformed("The body is not valid JSON.") from None
        raise _invalid(wrong) from None


def read_query(form: type[Form], parameters: MultiDict[str, str]) -> Form:
    """Each parameter may come once."""
    repeated = [name for name, values in parameters.lists() if len(values) > 1]
    if repeated:
        raise InvalidFields([FieldError(name, "is given more than once") for name in repeated])
    try:
        return form.model_validate(parameters.to_dict())
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False, include_context=False)) from None


def _invalid(wrong: list[Any]) -> InvalidFields:
    return InvalidFields(
        [
            FieldError(".".join(str(part) for part in one["loc"]) or "body", one["msg"].removeprefix("Value error, "))
            for one in wrong
        ]
    )
