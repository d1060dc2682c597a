"""Things that a service's methods find on `self`, made once for each process when the service starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nameko.extensions import DependencyProvider


class Provided(DependencyProvider):  # type: ignore[misc,unused-ignore]
    """`messages = Provided(make)`: what `make()` returns; what it raises stops the start. Closed at the end."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def setup(self) -> None:
        self._made = self._make()

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self._made

    def stop(self) -> None:
        if close := getattr(self._made, "close", None):
            close()
