"""Whoever takes cards: a small port, and what can be known after asking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All calls inside, with their retries, take no longer together: somebody waits for the answer."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float:
    deadline = _deadline.get()
    return deadline - time.monotonic() if deadline is not None else float("inf")


class KeySpent(Exception):
    """The key's answer is, for good, that something went wrong: only another key can bring anything else."""


class RefundRefused(Exception):
    """For good: nothing is given back by this refund. Its argument is the gateway's code."""


@dataclass(frozen=True)
class Intent:
    id: str
    status: str
    amount: int
    purchase_id: int | None
    client_secret: str | None = None

    def __repr__(self) -> str:
        # Not the secret.
        return f"Intent({self.id}, {self.status})"


@dataclass(frozen=True)
class Given:
    """Money that went back, or did not; `refund_id` is ours if the refund is."""

    id: str
    amount: int
    counts: bool
    refund_id: int | None


class Gateway(Protocol):
    """Amounts are cents. Anything may raise PaymentInDoubt; calls that make something take a key."""

    def create(self, purchase_id: int, attempt: int, amount: int) -> Intent: ...

    def get(self, intent_id: str) -> Intent: ...

    def cancel(self, intent_id: str) -> Intent:
        """The intent as it is afterwards, which need not be cancelled."""

    def refund(self, intent_id: str, refund_id: int, attempt: int, amount: int) -> Given: ...

    def given(self, intent_id: str) -> list[Given]:
        """All refunds of an intent, whoever made them."""

    def close(self) -> None: ...
