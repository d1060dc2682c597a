"""What may be kept of a value that differs: its shape, not itself. Pure.

Most faults between two programs are faults of form (digits after the point, `Z` or `+00:00`, null or missing), and a
shape shows them: letters become a or A, digits 9, the rest of ASCII stays. A plan may name fields to be kept as they
are.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from proxy.shadow_compare import LENGTH, MISSING, ORDER, STATUS

LONGEST = 80


def kept(path: str, value: object, shown: Collection[str] = ()) -> str:
    """The value of this field as it may be stored and shown; `shown`: paths whose values are harmless."""
    if value is MISSING:
        return "in another order" if path.endswith(ORDER) else "missing"
    plain = value is None or isinstance(value, bool) or path.endswith(LENGTH) or path == STATUS
    if isinstance(value, dict | list):
        return f"{'object' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return _cut(text if plain or path in shown else shape(text))


def shape(text: str) -> str:
    """`"alice@example.org"` -> `"aaaaa@aaaaaaa.aaa"`."""
    return "".join(map(_shape, text))


def _shape(sign: str) -> str:
    if sign.isdigit() or sign.isnumeric():
        return "9"
    if sign.isalpha():
        return "A" if sign.isupper() else "a"
    return sign if sign.isascii() and sign.isprintable() else "?"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} signs)"
