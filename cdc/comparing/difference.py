"""One thing that is not the same on both sides. No IO."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from cdc.masking import HIDDEN, masked
from cdc.projection import Table

SHOWN_CHARACTERS = 80


class Kind(StrEnum):
    MISSING = "missing"
    """The source has the row, the target has not."""
    SURPLUS = "surplus"
    """The target has a row that the source has not."""
    DIFFERS = "differs"
    """Both have it, and this column differs."""


@dataclass(frozen=True)
class Difference:
    """Named in the service's image, whichever way rows flow; long values are cut."""

    table: Table
    key: tuple[tuple[str, str], ...]
    """(column, value) of the primary key."""
    column: str | None
    kind: Kind
    source: str | None = None
    target: str | None = None

    def __str__(self) -> str:
        row = f"{self.table} ({', '.join(f'{name} {value}' for name, value in self.key)})"
        if self.kind is not Kind.DIFFERS:
            return f"{row}: {self.kind}"
        return f"{row}, {self.column}: source {_written(self.source)}, target {_written(self.target)}"

    @property
    def place(self) -> tuple[Table, tuple[tuple[str, str], ...], str | None, Kind]:
        """Which difference it is, whatever the values are now."""
        return self.table, self.key, self.column, self.kind

    def as_json(self) -> dict[str, object]:
        return {
            "table": str(self.table),
            "key": dict(self.key),
            "column": self.column,
            "kind": str(self.kind),
            "source": self.source,
            "target": self.target,
        }


def without_values(found: Difference, personal: Collection[str] = ()) -> Difference:
    """Where it is, and not what is there: values are hidden, and keys that are personal themselves.

    `personal`: columns as schema.table.column of the service. That a side has NULL says nothing of anybody.
    """
    key = tuple(
        (name, HIDDEN if f"{found.table}.{name}" in personal else value) for name, value in found.key
    )  # fmt: skip
    return replace(found, key=key, source=masked(found.source), target=masked(found.target))


def cut(one: str | None, other: str | None) -> tuple[str | None, str | None]:
    """Both values short enough to show, from where they begin to differ when that is later."""
    if one is None or other is None:
        return one and _window(one, 0), other and _window(other, 0)
    first = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = 0 if first < SHOWN_CHARACTERS // 2 else first - SHOWN_CHARACTERS // 4
    return _window(one, start), _window(other, start)


def _window(text: str, start: int) -> str:
    """At most SHOWN_CHARACTERS of it, with an ellipsis at each end that is cut."""
    head = "…" if start else ""
    room = SHOWN_CHARACTERS - len(head)
    rest = text[start:]
    return head + (rest if len(rest) <= room else rest[: room - 1] + "…")


def _written(value: str | None) -> str:
    return "NULL" if value is None else f'"{value}"'
