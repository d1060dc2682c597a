"""Columns that were added while a stream runs: which of them flow, and what else has changed. Pure.

The lens allows an added column when exactly one target table of that source table has a column of the same name that
nothing writes; then it flows as it is, on whichever side it was added first. Until the target has it, the stream
stands in front of the first row that does, and nothing is lost. Whatever else changes needs a lens that fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cdc.messages import Relation
from cdc.projection import Column, Projection, Role, Table
from cdc.target.binding import ColumnTypes, SetUpColumns


def differences(relation: Relation, expected: SetUpColumns) -> list[str]:
    """What has changed in a source table since the stream was set up; order of columns does not matter."""
    now = {column.name: (column.type_oid, column.modifier) for column in relation.columns}
    was = {name: (type_oid, modifier) for name, type_oid, modifier in expected}
    return [
        *(f"column {name} is new" for name in now if name not in was),
        *(f"column {name} is gone" for name in was if name not in now),
        *(f"column {name} has another type" for name in now if name in was and now[name] != was[name]),
    ]


def fitting(
    relation: Relation,
    expected: SetUpColumns,
    projections: Sequence[Projection],
    targets: Mapping[Table, ColumnTypes],
) -> tuple[tuple[Projection, ...], list[str]]:
    """The projections of this relation with the added columns that flow, and the changes that they do not allow."""
    source = Table(relation.schema, relation.name)
    readers = [p for p in projections if p.source == source]
    read = {name for p in readers for column in p.columns for name in column.sources}
    problems = differences(relation, expected)
    for column in relation.columns:
        if column.name in read:
            allowed = True
        else:
            takers = [i for i, p in enumerate(readers) if _takes(p, column.name, projections, targets)]
            allowed = len(takers) == 1
            if allowed:
                (i,) = takers
                added = Column(column.name, (column.name,), "{" + column.name + "}")
                readers[i] = replace(readers[i], columns=(*readers[i].columns, added))
        said = f"column {column.name} is new"
        if allowed and said in problems:
            problems.remove(said)
    return tuple(readers), problems


def _takes(
    projection: Projection, name: str, projections: Sequence[Projection], targets: Mapping[Table, ColumnTypes]
) -> bool:
    """Whether the target table has this column to itself, and a row for each of the source's."""
    target = projection.target
    if projection.role is Role.PART or projection.pinned or projection.only_with or name not in targets[target]:
        return False
    written = {column.target for p in projections if p.target == target for column in p.columns}
    reset = {column for p in projections if p.target == target for column, _literal in p.reset}
    return name not in written | reset
