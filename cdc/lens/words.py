"""The words of a plan's lens: names of columns and plain values. No IO."""

from __future__ import annotations

import re

_UNUSABLE = re.compile(r"[{}.\[\]!:]")


class Wrong(Exception):
    """One problem with one column; the parser notes it and goes on."""


def column_name(name: object) -> str:
    """A name that can stand in an expression's placeholder."""
    if not isinstance(name, str) or not name:
        raise Wrong(f"{name!r} is not a column name")
    if _UNUSABLE.search(name):
        raise Wrong(f'a lens cannot name the column "{name}": none of {{}}.[]!: can be in it')
    return name


def plain_text(value: object) -> str:
    """A constant as PostgreSQL writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | str):
        return str(value)
    raise Wrong(f"{value!r} is no plain value: write it in quotes")
