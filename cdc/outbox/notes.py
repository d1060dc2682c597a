"""Writes down every now and then what has been published, so that a publisher without slot repeats little."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from cdc import servers
from cdc.outbox import install as outbox_install
from cdc.outbox.spec import OutboxSpec

EVERY = 5.0
"""Seconds between two notes: about as much is published again when a slot was given up."""


class PublishedNotes:
    """A note is taken first and becomes true later: when the publisher has passed the place where it was taken."""

    def __init__(self, spec: OutboxSpec) -> None:
        self._spec = spec
        self._connection: psycopg.Connection[Any] | None = None
        self._open: tuple[str, int] | None = None
        self._noted_at = 0.0
        self._noted = 0
        self._is_settled = True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def waits_for(self) -> int | None:
        """The place that the publisher has to pass for the open note to be true."""
        return self._open[1] if self._open else None

    def note(self, confirmed: int, published: int) -> None:
        """Everything before `confirmed` is with the broker; nothing is written while nothing is published."""
        if self._open is not None and confirmed >= self._open[1]:
            outbox_install.remember_published(self._connected(), self._spec, self._open[0])
            self._open = None
        is_news = published > self._noted or not self._is_settled
        if self._open is None and is_news and time.monotonic() - self._noted_at > EVERY:
            # A commit is in the log, and published, a moment before a snapshot sees it: the next note has it.
            self._is_settled = published == self._noted
            self._open = outbox_install.mark(self._connected())
            self._noted, self._noted_at = published, time.monotonic()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = servers.connect(self._spec.dsn, "source", f"fig-outbox {self._spec.name}")
        return self._connection
