"""Carries rows through a projection, in the two ways in which it is used.

`by_copy` as a snapshot does (expressions run on the source, over columns), `by_values` as an applier does
(expressions run on the target, over untyped parameters). Only inserts, row by row where that is simpler.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, DataError, pq

from cdc.catalogue import Catalogue
from cdc.projection import Projection, Role, labelled, quoted


def by_copy(source: Connection[Any], target: Connection[Any], projection: Projection) -> None:
    rows = _text(source, projection.select())
    values = {name: f"${i}" for i, name in enumerate((column.target for column in projection.columns), 1)}
    for row in rows:
        _write(target, projection, _cast(target, projection, values), row)


def by_values(source: Connection[Any], target: Connection[Any], projection: Projection) -> None:
    names = list(dict.fromkeys(name for column in projection.columns for name in column.sources))
    only_with = names.index(projection.only_with) if projection.only_with else None
    references = {name: f"${i}" for i, name in enumerate(names, 1)}
    values = _cast(target, projection, {column.target: column.sql(references) for column in projection.columns})
    columns = ", ".join(quoted(name) for name in names)
    where = f" WHERE {labelled(projection.only)}" if projection.only else ""
    for row in _text(source, f"SELECT {columns} FROM {projection.source.quoted}{where}"):
        if only_with is not None and row[only_with] is None:
            continue
        _write(target, projection, values, row)


def _cast(target: Connection[Any], projection: Projection, values: dict[str, str]) -> dict[str, str]:
    """As `cdc.projection` asks: to the column's type without its modifier."""
    live = Catalogue(target).get(projection.target).columns
    return {name: f"CAST({value} AS {live[name].cast_type})" for name, value in values.items()}


def _write(target: Connection[Any], projection: Projection, values: dict[str, str], row: list[bytes | None]) -> None:
    keys = {name for _, name in projection.key}
    if projection.role is Role.PART:
        sets = ", ".join(f"{quoted(name)} = {value}" for name, value in values.items() if name not in keys)
        found = " AND ".join(f"{quoted(name)} = {value}" for name, value in values.items() if name in keys)
        query = f"UPDATE {projection.target.quoted} SET {sets} WHERE {found}"
    else:
        columns = ", ".join(quoted(name) for name in (*values, *(name for name, _ in projection.reset)))
        outputs = ", ".join((*values.values(), *(literal for _, literal in projection.reset)))
        query = f"INSERT INTO {projection.target.quoted} ({columns}) VALUES ({outputs})"
    result = target.pgconn.exec_params(query.encode(), row)
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise DataError(result.get_error_message())
    assert result.command_tuples == 1


def _text(connection: Connection[Any], query: str) -> list[list[bytes | None]]:
    """Values as the server writes them, which is also what a stream of changes carries."""
    result = connection.pgconn.exec_(query.encode())
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise DataError(result.get_error_message())
    return [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
