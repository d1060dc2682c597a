"""One column on one side, and whether it holds the labels that a lens speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdc.catalogue import LiveColumn
from cdc.lens.evidence import Evidence
from cdc.projection import Table


@dataclass(frozen=True)
class Spot:
    """One column on one side."""

    catalogue: Evidence
    table: Table
    live: LiveColumn

    def refuses(self, values: tuple[str, ...]) -> Iterator[str]:
        """Why this column does not hold exactly these labels."""
        if self.live.labels:
            missing = [label for label in self.live.labels if label not in values]
            unknown = [value for value in values if value not in self.live.labels]
            yield from (f'not total: label "{label}" of {self.live.name} has no counterpart' for label in missing)
            yield from (f'{self.live.name} knows no label "{value}"' for value in unknown)
            return
        if self.live.cast_type not in ("text", "character varying", "bpchar"):
            yield f"{self.live.name} is {self.live.type}, neither an enum nor text"
            return
        if not self.catalogue.confines(self.table, self.live.name, values):
            yield f"not total: {self.live.name} may hold other values; a CHECK must confine it to {', '.join(values)}"
        for value in values:
            if not self.catalogue.admits(self.table, self.live.name, value):
                yield f'not invertible: a CHECK forbids "{value}" in {self.live.name}'
