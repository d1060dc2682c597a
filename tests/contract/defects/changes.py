"""Ways to spoil an answer that defects of several services share."""

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
