"""Idempotency keys as Stripe keeps them: the first answer that came of real work is everyone's answer.

Requests that failed validation are not remembered, so the key may be used again with what was meant.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from tests.doubles.stripe.errors import KeyInUse, KeyReused


@dataclass(frozen=True)
class Answer:
    """A response, as it went out; `executed` when work was begun for it."""

    status: int
    body: str
    request_id: str
    executed: bool = True


@dataclass
class _Use:
    fingerprint: object
    answer: Answer | None = None


class Keys:
    """Which request a key belongs to, and what was answered; kept as long as the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: dict[str, _Use] = {}

    def begin(self, key: str, fingerprint: object) -> Answer | None:
        """The saved answer, or None: then the caller works, and says `finish` or `forget`."""
        with self._lock:
            use = self._uses.get(key)
            if use is None:
                self._uses[key] = _Use(fingerprint)
                return None
        if use.fingerprint != fingerprint:
            raise KeyReused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
        if use.answer is None:
            raise KeyInUse(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                f"submitted twice, and the other request is still going through): {key}.",
                code="idempotency_key_in_use",
            )
        return use.answer

    def finish(self, key: str, answer: Answer) -> None:
        with self._lock:
            self._uses[key].answer = answer

    def forget(self, key: str) -> None:
        """Nothing was done under this key."""
        with self._lock:
            del self._uses[key]

    def in_use(self) -> list[str]:
        """The keys whose first request is still being worked on."""
        with self._lock:
            return [key for key, use in self._uses.items() if use.answer is None]
