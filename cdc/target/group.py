"""Whole source transactions on their way into one target transaction."""

from __future__ import annotations

from dataclasses import dataclass

from cdc.target.transaction import Transaction


@dataclass
class Group:
    """Whole source transactions that go into one target transaction."""

    lsn: int = 0
    """End of the last one."""
    time: int = 0
    first: Transaction | None = None
    last: Transaction | None = None
    last_lsn: int = 0
    """Of the newest transaction's commit record."""
    ordinal: int = 0
    """Of the newest change in it."""
    transactions: int = 0
    rows: int = 0
    is_news: bool = False
    """Rows or messages of ours: worth a transaction of its own."""
    probe: str | None = None
    marker: str | None = None

    def take(self, transaction: Transaction, time: int) -> None:
        """One more complete transaction that is not an applier's."""
        if time > self.time:
            self.time = time
        self.transactions += 1
        if transaction.heartbeat or transaction.probe or transaction.marker:
            self.is_news = True
            self.probe = transaction.probe or self.probe
            self.marker = transaction.marker or self.marker

    @property
    def place(self) -> str:
        if self.last is None:
            return ""
        return str(self.last) if self.first is self.last else f"one of {self.first} to {self.last}"
