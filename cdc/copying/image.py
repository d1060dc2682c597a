"""A target table's rows as their source has them, whole: primary row and parts joined in one SELECT. No IO.

Both tables of a join are on the same server, so a row comes out complete and is written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cdc.catalogue import LiveTable
from cdc.comparing.view import ROW, View, key_columns, safe
from cdc.projection import Labels, Projection, Role, Table, labelled, quoted


@dataclass(frozen=True)
class Filling:
    """What makes rows of one target table exist, and everything that completes them."""

    primary: Projection
    parts: tuple[Projection, ...]

    @property
    def target(self) -> Table:
        return self.primary.target

    @property
    def pinned(self) -> Labels:
        return self.primary.pinned

    @property
    def columns(self) -> tuple[str, ...]:
        """The target columns that are written, in the order of the views' outputs."""
        return tuple(self._cells())

    def views(self, source: LiveTable, target: LiveTable) -> tuple[View, View]:
        """The source's rows as the target should have them, and the target's as they are."""
        image = tuple(safe(f"({cell})::text") for cell in self._cells().values())
        outputs = tuple(safe(cell) for cell in self._cells().values())
        plain = tuple(safe(f"{ROW}.{quoted(name)}::text") for name in self.columns)
        nullable = (True,) * len(image)
        primary = self.primary
        return (
            View(
                primary.source,
                key_columns(source, [source for source, _ in primary.key]),
                image,
                nullable,
                safe(primary.condition(f"{ROW}.")),
                safe("".join(self._join(number) for number in range(len(self.parts)))),
                outputs,
            ),
            View(
                primary.target,
                key_columns(target, [target for _, target in primary.key]),
                plain,
                nullable,
                safe(labelled(primary.pinned, f"{ROW}.")),
            ),
        )

    def orphans(self, number: int) -> str:
        """How many rows of a part have no primary row."""
        part = self.parts[number]
        condition = labelled(part.only, "p.")
        primary = " AND ".join(f"{ROW}.{quoted(self._source_key(t))} = p.{quoted(s)}" for s, t in part.key)
        return (
            f"SELECT count(*) FROM {part.source.quoted} p"  # noqa: S608  Names are quoted, labels literals.
            f" WHERE {condition + ' AND ' if condition else ''}"
            f"NOT EXISTS (SELECT FROM {self.primary.source.quoted} {ROW} WHERE {primary})"
        )

    def _cells(self) -> Mapping[str, str]:
        """Target column → its value."""
        cells = {column.target: column.sql(_of(ROW, column.sources)) for column in self.primary.columns}
        cells |= dict(self.primary.reset)
        for number, part in enumerate(self.parts):
            keys = {target for _, target in part.key}
            present = f"p{number}.{quoted(part.key[0][0])} IS NOT NULL"
            for column in part.columns:
                if column.target not in keys:
                    absent = cells.get(column.target, "NULL")
                    value = column.sql(_of(f"p{number}", column.sources))
                    cells[column.target] = f"CASE WHEN {present} THEN ({value})::text ELSE ({absent})::text END"
        return cells

    def _join(self, number: int) -> str:
        part, alias = self.parts[number], f"p{number}"
        found = [f"{alias}.{quoted(s)} = {ROW}.{quoted(self._source_key(t))}" for s, t in part.key]
        conditions = [*found, *filter(None, [labelled(part.only, f"{alias}.")])]
        return f" LEFT JOIN {part.source.quoted} {alias} ON {' AND '.join(conditions)}"

    def _source_key(self, target: str) -> str:
        """The primary source column that a target key column comes from."""
        return next(source for source, named in self.primary.key if named == target)


def fillings(projections: Iterable[Projection]) -> tuple[Filling, ...]:
    """One for each primary projection, with the parts of its target."""
    known = tuple(projections)
    parts: dict[Table, list[Projection]] = {}
    for projection in known:
        if projection.role is Role.PART:
            parts.setdefault(projection.target, []).append(projection)
    return tuple(Filling(p, tuple(parts.get(p.target, ()))) for p in known if p.role is Role.PRIMARY)


def strays(target: Table, filled: Iterable[Filling]) -> str:
    """The target's rows that belong to no filling, because they have other labels; empty if there can be none."""
    labels = [filling.pinned for filling in filled if filling.target == target]
    if not all(labels):
        return ""
    known = " OR ".join(f"({labelled(pinned)})" for pinned in labels)
    return f"DELETE FROM {target.quoted} WHERE ({known}) IS NOT TRUE"  # noqa: S608


def lens_of(projections: Iterable[Projection]) -> dict[str, dict[str, str]]:
    """What each target column is made of; two of these tell which columns' lens has changed."""
    made: dict[str, dict[str, str]] = {}
    for projection in projections:
        labels = "".join(f" [{name}={label}]" for name, label in (*projection.only, *projection.pinned))
        for column in projection.columns:
            place = made.setdefault(str(projection.target), {})
            place[f"{column.target}{labels}"] = f"{projection.source}: {column.sql(_of('', column.sources))}"
    return made


def _of(alias: str, columns: Iterable[str]) -> dict[str, str]:
    return {name: f"{alias}.{quoted(name)}" if alias else quoted(name) for name in columns}
