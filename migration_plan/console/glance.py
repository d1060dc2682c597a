"""Looks at servers that may not answer: each in a thread of its own, so that whoever asks waits only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Glance(Generic[T]):
    """What `look` has seen last. Whoever asks at the same time shares one look; a look that hangs is waited for again
    by the next who asks, and no second one is begun beside it."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._changed = threading.Condition()
        self._is_looking = False
        self._seen: T | None = None
        self._error: Exception | None = None
        self._at = self._void = float("-inf")

    def begin(self, most: float) -> None:
        """Look again if what was seen is older than so many seconds."""
        with self._changed:
            if self._is_looking or (self._at > self._void and time.monotonic() - self._at <= most):
                return
            self._is_looking = True
        threading.Thread(target=self._run, name="glance", daemon=True).start()

    def now(self, most: float, patience: float) -> tuple[T | None, float]:
        """What was seen, and how many seconds ago; None: nothing ever. Raises what the look has raised.

        Older than `most` only if the look has not ended within `patience`.
        """
        self.begin(most)
        with self._changed:
            is_over = self._changed.wait_for(lambda: not self._is_looking, patience)
            if is_over and self._error is not None:
                raise self._error
            return self._seen, time.monotonic() - self._at

    def forget(self) -> None:
        """Whatever was seen, or is being looked at, is over."""
        with self._changed:
            self._void = time.monotonic()

    def _run(self) -> None:
        seen, error, began = None, None, time.monotonic()
        try:
            seen = self._look()
        except Exception as raised:  # noqa: BLE001 - whoever asks is told.
            error = raised
        with self._changed:
            self._error = error
            if error is None:
                self._seen = seen
            self._at, self._is_looking = began, False
            self._changed.notify_all()
