"""A source relation bound to the projections that read it: rows of pgoutput to changes of target rows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from cdc.message_errors import SchemaChanged, UnsentValue
from cdc.messages import UNCHANGED, Delete, Insert, OldRow, Relation, Row, Update
from cdc.projection import Column, Projection, Role, Table
from cdc.target.row_identity import identity_key
from cdc.target.runs import Change, RowKey
from cdc.target.statements import Cell, Op, Shape

Gone = set[tuple[str, RowKey]]
"""(table, key) of target rows whose primary source row went, or got another key, earlier in the same transaction."""

SetUpColumns = Sequence[tuple[str, int, int]]
"""(name, type oid, modifier) of a source table's columns when the stream was set up."""

ColumnTypes = Mapping[str, str]
"""Of a target table: its columns, and their types as SQL names them without modifiers."""

Pick = Callable[[Row], tuple[Any, ...]]
"""Takes the values that a statement needs out of a source row."""

FIXED_WIDTH = frozenset((16, 18, 19, 20, 21, 23, 26, 700, 701, 790, 829, 1082, 1083, 1114, 1184, 1186, 1266, 2950))
"""Built-in types whose values are always sent: bool, numbers of fixed width, dates and times, uuid and the like."""

_ELSEWHERE = "it goes to another row"

Made = tuple[Shape, Pick]
"""A shape, and what it takes out of the new row: all of it, but for a key that is the old row's."""


class Binding:
    """One relation and one projection. Keeps the shapes it has made."""

    def __init__(
        self, relation: Relation, projection: Projection, types: ColumnTypes, fixed: Collection[str] = ()
    ) -> None:
        """`fixed`: target columns that no UPDATE may set."""
        self._relation = f"{relation.schema}.{relation.name}"
        self._projection = projection
        self._target = projection.target.quoted
        self._types = types
        self._index = {column.name: i for i, column in enumerate(relation.columns)}
        self._large = [i for i, column in enumerate(relation.columns) if column.type_oid not in FIXED_WIDTH]
        self._require_columns(relation)
        key = identity_key(relation, projection)
        self._row_key: Callable[[Row], RowKey] = row_key([self._index[source] for source, _target in key])
        found_by = [target for _source, target in key] + [target for target, _label in projection.pinned]
        columns = {column.target: column for column in projection.columns}
        self._key_cells = tuple(self._cell(columns[name]) for name in found_by)
        self._key_values = self._pick(self._key_cells)
        self._all_cells = tuple(self._cell(column) for column in projection.columns)
        self._is_part = projection.role is Role.PART
        # A constant was written with the row; only a part, which comes to a row that is there, writes it again.
        self._other_cells = tuple(
            cell
            for cell in self._all_cells
            if cell.column.target not in found_by and (cell.column.sources or self._is_part)
        )
        self._set_keys = self._key_cells
        kept = tuple(cell for cell in self._other_cells if cell.column.target in fixed)
        if len(kept) < len(self._other_cells):
            # Not set, but compared: one that has changed after all makes the statement find no row.
            self._other_cells = tuple(cell for cell in self._other_cells if cell not in kept)
            self._set_keys += kept
        reset = tuple(self._cell(Column(name, (), literal)) for name, literal in projection.reset)
        self._insert = Shape(Op.INSERT, projection.target, (*self._all_cells, *reset), (), projection.pinned)
        self._insert_values = self._pick(self._all_cells)
        self._delete = Shape(Op.DELETE, projection.target, (), self._key_cells, projection.pinned)
        self._reset = self._update_shape(reset, self._key_cells)
        self._only_with = self._index[projection.only_with] if projection.only_with else None
        self._put = Shape(Op.PUT, projection.target, self._all_cells, self._key_cells)
        self._discard = Shape(Op.DISCARD, projection.target, (), self._key_cells)
        self._updates: dict[tuple[int, ...], Made | None] = {}
        self._moves: dict[tuple[int, ...], Made | None] = {}

    def insert(self, message: Insert, gone: Gone) -> Iterable[Change]:
        """PRIMARY: a new row. PART: its columns of a row that is there."""
        new = message.new
        if self._is_part:
            return self._set(new, ())
        if self._only_with is not None and new[self._only_with] is None:
            return ()
        if gone:
            gone.discard((self._target, self._row_key(new)))
        return ((self._insert, self._insert_values(new), None, None),)

    def put(self, new: Row) -> Iterable[Change]:
        """The row as it is, whether it was there or not."""
        return ((self._put, self._insert_values(new), self._row_key(new), None),)

    def update(self, message: Update, gone: Gone) -> Iterable[Change]:
        """Columns whose value was not sent stay as they are."""
        new = filled(message) if message.old_is is OldRow.FULL else message.new
        unsent: tuple[int, ...] = ()
        for large in self._large:
            if new[large] is UNCHANGED:
                unsent = tuple(i for i in self._large if new[i] is UNCHANGED)
                self._require_sent(self._key_cells, unsent, "it is part of the key")
                break
        if self._only_with is not None:
            return self._update_optional(message, new, unsent)
        if message.old_is is OldRow.ABSENT:
            return self._set(new, unsent)
        old, target = message.old, self._target
        old_key, new_key = self._row_key(old), self._row_key(new)
        if old_key == new_key:
            return self._set(new, unsent)
        if not self._is_part:
            gone.add((target, old_key))
            gone.discard((target, new_key))
            return self._move(old, new, unsent)
        if (target, old_key) in gone:
            return self._set(new, unsent)
        self._require_sent(self._other_cells, unsent, _ELSEWHERE)
        return ((self._reset, self._key_values(old), old_key, None), *self._set(new, unsent))

    def delete(self, message: Delete, gone: Gone) -> Iterable[Change]:
        """PRIMARY: the row goes. PART: its columns are reset, unless the row has gone before."""
        key = self._row_key(message.old)
        if self._only_with is not None:
            return ((self._discard, self._key_values(message.old), key, None),)
        if not self._is_part:
            gone.add((self._target, key))
            return ((self._delete, self._key_values(message.old), key, None),)
        if (self._target, key) in gone or not self._reset.cells:
            return ()
        return ((self._reset, self._key_values(message.old), key, None),)

    def require_whole(self, new: Row) -> None:
        """Of a row that is written as a whole, though it came as an update."""
        self._require_sent(self._all_cells, tuple(i for i, value in enumerate(new) if value is UNCHANGED), _ELSEWHERE)

    def _update_optional(self, message: Update, new: Row, unsent: tuple[int, ...]) -> Iterable[Change]:
        """The old row has no more than its key, so it is not known whether the target's row is there."""
        changes: list[Change] = []
        key = self._row_key(new)
        if message.old_is is not OldRow.ABSENT and (old_key := self._row_key(message.old)) != key:
            self._require_sent(self._all_cells, unsent, _ELSEWHERE)
            changes.append((self._discard, self._key_values(message.old), old_key, None))
        needed = {name for cell in self._all_cells for name in cell.column.sources}
        if any(name in needed and i in unsent for name, i in self._index.items()):
            # What was not sent has not changed and is not NULL, and neither are those that are NULL together with it.
            return self._set(new, unsent)
        if new[self._only_with or 0] is None:
            return (*changes, (self._discard, self._key_values(new), key, None))
        return (*changes, (self._put, self._insert_values(new), key, None))

    def _set(self, new: Row, unsent: tuple[int, ...]) -> Iterable[Change]:
        if unsent not in self._updates:
            self._updates[unsent] = self._without(unsent, self._other_cells, self._set_keys, self._set_keys)
        made = self._updates[unsent]
        if made is None:
            return ()
        shape, values = made
        return ((shape, values(new), self._row_key(new), None),)

    def _move(self, old: Row, new: Row, unsent: tuple[int, ...]) -> Iterable[Change]:
        if unsent not in self._moves:
            self._moves[unsent] = self._without(unsent, self._all_cells, self._key_cells, ())
        made = self._moves[unsent]
        if made is None:
            return ()
        shape, values = made
        return ((shape, values(new) + self._key_values(old), self._row_key(old), self._row_key(new)),)

    def _without(
        self, unsent: tuple[int, ...], cells: tuple[Cell, ...], keys: tuple[Cell, ...], taken: tuple[Cell, ...]
    ) -> Made | None:
        """The update of those cells whose sources were all sent; None if there is none."""
        missing = {name for name, i in self._index.items() if i in unsent}
        kept = []
        for cell in cells:
            absent = missing.intersection(cell.column.sources)
            if not absent:
                kept.append(cell)
            elif not missing.issuperset(cell.column.sources):
                why = f"{cell.column.target} is made of several columns"
                raise UnsentValue(self._relation, min(absent), why)
        if not kept:
            return None
        return self._update_shape(tuple(kept), keys), self._pick((*kept, *taken))

    def _update_shape(self, cells: tuple[Cell, ...], keys: tuple[Cell, ...]) -> Shape:
        compares = len(keys) > len(self._key_cells)
        return Shape(Op.UPDATE, self._projection.target, cells, keys, self._projection.pinned, compares=compares)

    def _cell(self, column: Column) -> Cell:
        return cell_of(self._projection.target, column, self._types)

    def _pick(self, cells: tuple[Cell, ...]) -> Pick:
        return pick([self._index[name] for cell in cells for name in cell.column.sources])

    def _require_sent(self, cells: tuple[Cell, ...], unsent: tuple[int, ...], why: str) -> None:
        """No value that was not sent may get into a statement."""
        needed = {name for cell in cells for name in cell.column.sources}
        missing = [name for name, i in self._index.items() if i in unsent and name in needed]
        if missing:
            raise UnsentValue(self._relation, missing[0], why)

    def _require_columns(self, relation: Relation) -> None:
        """Everything the projection reads, and a replica identity that names the row by its key."""
        read = {name for column in self._projection.columns for name in column.sources}
        keys = {name for name, _other in (*self._projection.key, *self._projection.only)}
        problems = [f"column {name} is gone" for name in sorted((read | keys) - self._index.keys())]
        keys = {name for name, _other in (*identity_key(relation, self._projection), *self._projection.only)}
        identity = {column.name for column in relation.columns if column.is_identity}
        if not problems and not keys <= identity:
            problems.append(f"the replica identity does not hold {', '.join(sorted(keys - identity))}")
        if problems:
            raise SchemaChanged(self._relation, problems)


def cell_of(target: Table, column: Column, types: ColumnTypes) -> Cell:
    """The column with the type it has in the target table."""
    type_name = types.get(column.target)
    if type_name is None:
        raise SchemaChanged(str(target), [f"target column {column.target} does not exist"])
    return Cell(column, type_name)


def pick(indexes: Sequence[int]) -> Pick:
    """`itemgetter` runs in C; with one index it gives no tuple, with none it cannot be made."""
    if len(indexes) == 1:
        only = indexes[0]
        return lambda row: (row[only],)
    return itemgetter(*indexes) if indexes else lambda row: ()


def row_key(indexes: Sequence[int]) -> Callable[[Row], RowKey]:
    """Of a row; a single value is its own key, because bytes remember their hash."""
    return itemgetter(*indexes) if indexes else lambda row: ()


def filled(message: Update) -> Row:
    """The new row; under REPLICA IDENTITY FULL the old one has what was not sent."""
    if message.old_is is OldRow.FULL and UNCHANGED in message.new:
        return [old if new is UNCHANGED else new for old, new in zip(message.old, message.new, strict=True)]
    return message.new
