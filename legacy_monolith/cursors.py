"""Opaque positions in a sorted list, exact also where sort values are equal."""

from __future__ import annotations

import base64
import binascii
import json
import re
from uuid import UUID

from legacy_monolith.errors import InvalidFields

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def encode(sort: str, value: str, row_id: int) -> str:
    return _encode([sort, value, row_id])


def encode_unique(sort: str, value: str, row_id: UUID) -> str:
    """Of a list whose rows have UUIDs."""
    return _encode([sort, value, str(row_id)])


def decode(cursor: str, sort: str) -> tuple[str, int]:
    """The position (value, id) that `cursor` names in the order `sort`."""
    value, row_id = _decode(cursor, sort)
    if type(row_id) is not int or not 0 < row_id < 10**18:
        raise invalid()
    return value, row_id


def decode_unique(cursor: str, sort: str) -> tuple[str, UUID]:
    value, row_id = _decode(cursor, sort)
    if not (isinstance(row_id, str) and _UUID.fullmatch(row_id)):
        raise invalid()
    return value, UUID(row_id)


def invalid() -> InvalidFields:
    return InvalidFields([{"field": "cursor", "message": "is not a cursor of this list in this order"}])


def _encode(parts: list[str | int]) -> str:
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode(cursor: str, sort: str) -> tuple[str, object]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, RecursionError):
        raise invalid() from None
    if not (isinstance(parts, list) and len(parts) == 3):
        raise invalid()
    given, value, row_id = parts
    if given != sort or not isinstance(value, str):
        raise invalid()
    return value, row_id
