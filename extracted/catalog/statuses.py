"""A product's status is made of two switches: hidden (turned on and off) and withdrawn (for good).

| | shown | hidden |
|---|---|---|
| offered | active | hidden |
| withdrawn | withdrawn | archived |
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, cast

_SHOWN_AND_HIDDEN = (("active", "hidden"), ("withdrawn", "archived"))


def hidden_or_shown(status: ColumnElement[Any], hidden: bool) -> ColumnElement[Any]:
    """The status after the switch `hidden` was set."""
    return _replaced(status, {pair[not hidden]: pair[hidden] for pair in _SHOWN_AND_HIDDEN})


def withdrawn(status: ColumnElement[Any]) -> ColumnElement[Any]:
    """The status after the product was withdrawn."""
    offered, gone = _SHOWN_AND_HIDDEN
    return _replaced(status, dict(zip(offered, gone, strict=True)))


def _replaced(status: ColumnElement[Any], changes: dict[str, str]) -> ColumnElement[Any]:
    return case(*((status == old, cast(new, status.type)) for old, new in changes.items()), else_=status)
