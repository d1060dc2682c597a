"""How a copy is cut: units of the source's key, each small enough for one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc.catalogue import Catalogue
from cdc.comparing.view import Key, Range, View
from cdc.copying.image import Filling
from cdc.projection import Table

UNIT_BYTES = 32 * 1024 * 1024
"""Of the source's table, indexes and large values aside."""
SAMPLED_PAGES = 20
"""Of each unit, to find its bounds."""
MOST_UNSORTED = 8
"""Units of a key that no index finds by range, because it sorts by collation: each reads the whole table."""

_SIZE = """
    select coalesce(sum(pg_catalog.pg_relation_size(oid)), 0)::bigint from pg_catalog.pg_class
    where oid = %(oid)s and relkind = 'r'
       or oid in (select relid from pg_catalog.pg_partition_tree(%(oid)s) where isleaf)
"""
_PAGE = 8192
_ROW_BYTES = 100
"""Taken for the size of a row where nothing was ever analyzed."""


@dataclass(frozen=True)
class Pair:
    """A filling and how both sides see its rows."""

    number: int
    filling: Filling
    source: View
    target: View


@dataclass(frozen=True)
class Unit:
    """A range of one filling's rows."""

    pair: Pair
    number: int
    within: Range
    rows: int
    """An estimate."""


def pairs(
    fillings: Sequence[Filling], source: psycopg.Connection[Any], target: psycopg.Connection[Any]
) -> tuple[Pair, ...]:
    """Each filling as its two tables are now."""
    sides = Catalogue(source), Catalogue(target)
    return tuple(
        Pair(number, filling, *filling.views(sides[0].get(filling.primary.source), sides[1].get(filling.target)))
        for number, filling in enumerate(fillings)
    )


def units(
    pair: Pair, source: psycopg.Connection[Any], unit_bytes: int = UNIT_BYTES, within: Range | None = None
) -> list[Unit]:
    """The whole range, by default the filling's whole key space, cut into units."""
    cuts, rows = ranges(pair.source, source, unit_bytes, within or Range())
    return [Unit(pair, number, cut, max(1, rows // len(cuts))) for number, cut in enumerate(cuts)]


def ranges(view: View, source: psycopg.Connection[Any], unit_bytes: int, whole: Range) -> tuple[list[Range], int]:
    """(ranges that cover `whole` without gap or overlap, whatever the sample was like; about how many rows)"""
    size, rows = _measure(source, view.table)
    if not view.key:
        return [whole], rows
    count = max(1, round(size / unit_bytes))
    found = _sample(source, view, size, count, whole) if count > 1 else []
    if whole != Range():
        of_a_unit = SAMPLED_PAGES * max(1.0, rows * _PAGE / max(size, 1))
        rows, count = min(rows, round(rows * len(found) / (of_a_unit * count))), max(1, round(len(found) / of_a_unit))
    if view.sorts_by_collation:
        count = min(count, MOST_UNSORTED)
    return list(_ranges(_bounds(found, count), whole)), rows


def _measure(source: psycopg.Connection[Any], table: Table) -> tuple[int, int]:
    """(bytes, rows; the latter as of the last ANALYZE)"""
    catalogue = Catalogue(source)
    row = source.execute(_SIZE, {"oid": catalogue.get(table).oid}).fetchone()
    size = int(row[0]) if row else 0
    return size, catalogue.estimate(table) or size // _ROW_BYTES


def _sample(source: psycopg.Connection[Any], view: View, size: int, count: int, within: Range) -> list[Key]:
    """Some of the keys, in order."""
    percent = min(100.0, 100.0 * count * SAMPLED_PAGES * _PAGE / size)
    query = view.sample(percent, within)
    return [tuple(row) for row in source.execute(query.encode(), within.parameters, prepare=False).fetchall()]


def _bounds(found: Sequence[Key], count: int) -> list[Key]:
    """At most `count` - 1 different keys, in order, that cut the range into parts of about the same size."""
    chosen = [found[len(found) * i // count] for i in range(1, count)] if found else []
    return list(dict.fromkeys(chosen))


def _ranges(bounds: Sequence[Key], whole: Range) -> Iterator[Range]:
    after = whole.after
    for bound in bounds:
        if bound != whole.upto:
            yield Range(after, bound)
            after = bound
    yield Range(after, whole.upto)
