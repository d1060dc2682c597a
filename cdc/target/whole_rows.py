"""A source relation under REPLICA IDENTITY FULL whose rows are found by all that they have. Pure.

Because there is no key: where the source has a row several times, one of them is meant, as on the source; which one
makes no difference. Or because keys are exchanged: for a while, two rows of a parked table have the same one.
"""

from __future__ import annotations

from collections.abc import Iterable

from cdc.message_errors import SchemaChanged
from cdc.messages import Delete, Insert, OldRow, Relation, Row, Update
from cdc.projection import Projection, Role
from cdc.target.binding import ColumnTypes, Gone, cell_of, filled, pick
from cdc.target.runs import Change
from cdc.target.statements import Op, Shape


class WholeRows:
    """One relation and one projection, the only one of its target."""

    def __init__(self, relation: Relation, projection: Projection, types: ColumnTypes) -> None:
        self._relation = f"{relation.schema}.{relation.name}"
        self._require(relation, projection)
        index = {column.name: i for i, column in enumerate(relation.columns)}
        cells = tuple(cell_of(projection.target, column, types) for column in projection.columns)
        found_by = tuple(cell for cell in cells if cell.column.sources)
        self._values = pick([index[name] for cell in cells for name in cell.column.sources])
        self._insert = Shape(Op.INSERT, projection.target, cells, ())
        near = tuple(target for _source, target in projection.key)
        self._update = Shape(Op.UPDATE, projection.target, found_by, found_by, whole=True, near=near)
        self._delete = Shape(Op.DELETE, projection.target, (), found_by, whole=True, near=near)

    def insert(self, message: Insert, gone: Gone) -> Iterable[Change]:
        return ((self._insert, self._values(message.new), None, None),)

    def update(self, message: Update, gone: Gone) -> Iterable[Change]:
        old, new = self._old(message.old_is, message.old), self._values(filled(message))
        return ((self._update, new + old, old, new),)

    def delete(self, message: Delete, gone: Gone) -> Iterable[Change]:
        old = self._old(message.old_is, message.old)
        return ((self._delete, old, old, None),)

    def _old(self, old_is: OldRow, old: Row) -> tuple[object, ...]:
        if old_is is not OldRow.FULL:
            raise SchemaChanged(self._relation, ["the replica identity is not FULL any more"])
        return self._values(old)

    def _require(self, relation: Relation, projection: Projection) -> None:
        names = {column.name for column in relation.columns}
        read = {name for column in projection.columns for name in column.sources}
        problems = [f"column {name} is gone" for name in sorted(read - names)]
        if relation.identity != "f":
            problems.append("the replica identity of a table without key is not FULL")
        if not is_simple(projection):
            problems.append("a table without key can only be copied row by row")
        if problems:
            raise SchemaChanged(self._relation, problems)


def is_simple(projection: Projection) -> bool:
    """A target row for each source row, and nothing else about it."""
    is_more = projection.role is Role.PART or projection.only or projection.pinned or projection.only_with
    return not is_more
