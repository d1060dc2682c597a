"""Stripe's bracketed forms (`metadata[order]=7`, `expand[]=…`) and the checks it makes on parameters. No network."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from tests.doubles.stripe.errors import InvalidParameter

_PARTS = re.compile(r"\[([^\]]*)\]")


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The form as nested mappings; what is numbered or empty in brackets becomes a list."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        keys = [name.split("[", 1)[0], *_PARTS.findall(name)]
        place = tree
        for key in keys[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise InvalidParameter(f"Invalid object: {name}", param=name)
        last = keys[-1] or str(len(place))
        place[last] = value
    return {key: _with_lists(value) for key, value in tree.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _with_lists(one) for key, one in value.items()}
    if inner and all(key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


class Parameters:
    """A request's parameters, read one by one with Stripe's own complaints."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def only(self, known: Collection[str]) -> None:
        """Stripe refuses what it does not know; so does this double with what it does not play."""
        for name in self._values:
            if name not in known:
                raise InvalidParameter(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)

    def text(self, name: str) -> str | None:
        """The text; None when it is missing or empty (Stripe's way of unsetting)."""
        value = self._values.get(name)
        if isinstance(value, dict | list):
            raise InvalidParameter("Invalid string", param=name)
        return value or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise InvalidParameter(f"Missing required param: {name}.", code="parameter_missing", param=name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?\d{1,15}", value):
            raise InvalidParameter(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        return int(value)

    def flag(self, name: str) -> bool:
        value = self.text(name)
        if value not in (None, "true", "false"):
            raise InvalidParameter(f"Invalid boolean: {value}", param=name)
        return value == "true"

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._values.get(name) or {}
        if not isinstance(value, dict):
            raise InvalidParameter("Invalid object", param=name)
        return value

    def texts(self, name: str) -> list[str]:
        value = self._values.get(name) or []
        if not isinstance(value, list):
            raise InvalidParameter("Invalid array", param=name)
        return [str(one) for one in value]

    def has(self, name: str) -> bool:
        return name in self._values
