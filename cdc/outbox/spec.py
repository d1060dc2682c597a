"""What a publisher is told of its outbox, and the names that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from cdc.projection import Table


@dataclass(frozen=True)
class OutboxSpec:
    """The outbox of one domain on one side. Its columns: id uuid, type text, payload jsonb (the whole event)."""

    name: str
    domain: str
    dsn: str
    table: Table
    broker_url: str

    @property
    def slot(self) -> str:
        return f"fig_{self.name}"

    @property
    def publication(self) -> str:
        return f"fig_{self.domain}-outbox"

    @property
    def exchange(self) -> str:
        """As Nameko names it."""
        return f"{self.domain}.events"
