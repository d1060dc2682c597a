"""Ways to spoil something that defects of several services share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Response


def answering(change: Callable[[Response], None]) -> Callable[[Any], Any]:
    """An entrypoint whose right answer is changed on its way out."""

    def make(right: Any) -> Any:
        def wrong(*args: Any, **values: Any) -> Response:
            response: Response = right(*args, **values)
            change(response)
            return response

        return wrong

    return make


def told(change: Callable[[dict[str, Any]], None]) -> Callable[[Any], Any]:
    """A document in which something is told otherwise."""

    def make(right: Any) -> Any:
        def wrong(*args: Any) -> dict[str, Any]:
            document: dict[str, Any] = right(*args)
            change(document)
            return document

        return wrong

    return make


def nothing(right: Any) -> Any:
    """It is not done."""
    return lambda *args, **values: None


def twice(right: Any) -> Any:
    def wrong(*args: Any) -> Any:
        right(*args)
        return right(*args)

    return wrong


def without_csrf_check(right: Any) -> Any:
    """Who asks is checked as if nothing were to be changed."""
    return lambda identity, method, *role: right(identity, "GET", *role)
