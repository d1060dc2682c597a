"""How a copy is cut: units of the source's key, each small enough for one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc.catalogue import Catalogue
from cdc.image import Filling
from cdc.projection import Table
from cdc.verify_view import Key, Range, View

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


def units(pair: Pair, source: psycopg.Connection[Any], unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """The filling's whole key space, without gap or overlap, whatever the sample was like."""
    size, rows = _measure(source, pair.filling.primary.source)
    count = max(1, round(size / unit_bytes))
    if pair.source.sorts_by_collation:
        count = min(count, MOST_UNSORTED)
    bounds = _bounds(source, pair.source, size, count) if count > 1 else []
    ranges = list(_ranges(bounds))
    return [Unit(pair, number, within, max(1, rows // len(ranges))) for number, within in enumerate(ranges)]


def _measure(source: psycopg.Connection[Any], table: Table) -> tuple[int, int]:
    """(bytes, rows; the latter as of the last ANALYZE)"""
    catalogue = Catalogue(source)
    row = source.execute(_SIZE, {"oid": catalogue.get(table).oid}).fetchone()
    size = int(row[0]) if row else 0
    return size, catalogue.estimate(table) or size // _ROW_BYTES


def _bounds(source: psycopg.Connection[Any], view: View, size: int, count: int) -> list[Key]:
    """At most `count` - 1 different keys, in order, that cut the table into parts of about the same size."""
    percent = min(100.0, 100.0 * count * SAMPLED_PAGES * _PAGE / size)
    found = [tuple(row) for row in source.execute(view.sample(percent).replace("%%", "%").encode()).fetchall()]
    chosen = [found[len(found) * i // count] for i in range(1, count)] if found else []
    return list(dict.fromkeys(chosen))


def _ranges(bounds: Sequence[Key]) -> Iterator[Range]:
    after: Key | None = None
    for bound in bounds:
        yield Range(after, bound)
        after = bound
    yield Range(after, None)
