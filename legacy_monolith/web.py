"""The small things that all JSON routes share: ids in paths, moments and prices in answers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from werkzeug.routing import BaseConverter

CENT = Decimal("0.01")


class IdConverter(BaseConverter):
    """A positive id that fits into a bigint; anything else is an address that does not exist."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)


def moment(value: datetime) -> str:
    """RFC 3339, UTC, always with microseconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def euros(cents: int) -> str:
    return amount(Decimal(cents) / 100)


def amount(value: Decimal) -> str:
    return str(value.quantize(CENT))
