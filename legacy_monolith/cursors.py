"""Opaque positions in a sorted list, exact also where sort values are equal."""

from __future__ import annotations

import base64
import binascii
import json

from legacy_monolith.errors import InvalidFields


def encode(sort: str, value: str, row_id: int) -> str:
    text = json.dumps([sort, value, row_id], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(cursor: str, sort: str) -> tuple[str, int]:
    """The position (value, id) that `cursor` names in the order `sort`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, RecursionError):
        raise invalid() from None
    if not (isinstance(parts, list) and len(parts) == 3):
        raise invalid()
    given, value, row_id = parts
    if given != sort or not isinstance(value, str) or type(row_id) is not int or not 0 < row_id < 10**18:
        raise invalid()
    return value, row_id


def invalid() -> InvalidFields:
    return InvalidFields([{"field": "cursor", "message": "is not a cursor of this list in this order"}])
