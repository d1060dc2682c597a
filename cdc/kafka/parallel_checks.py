"""Whether a stream's tables may be applied in parallel: nothing may depend on the order of rows with different keys."""

from __future__ import annotations

from typing import Any

import psycopg

from cdc.kafka.errors import ParallelUnsafe
from cdc.projection import Role, Table
from cdc.spec import StreamSpec

_FOREIGN_KEYS = """
    select conname, conrelid::regclass::text from pg_catalog.pg_constraint
    where contype = 'f' and (conrelid = any(%(tables)s::regclass[]) or confrelid = any(%(tables)s::regclass[]))
    order by 1
"""

_UNIQUE = """
    select indexrelid::regclass::text, indrelid::regclass::text from pg_catalog.pg_index
    where indrelid = any(%(tables)s::regclass[]) and (indisunique or indisexclusion) and not indisprimary order by 1
"""


def require(spec: StreamSpec, target: psycopg.Connection[Any]) -> None:
    """ParallelUnsafe with every reason."""
    reasons = [*of_lens(spec), *of_target(target, spec.target_tables)]
    if reasons:
        raise ParallelUnsafe(spec.name, reasons)


def of_lens(spec: StreamSpec) -> list[str]:
    """What the lens itself needs in order."""
    reasons = []
    for target in spec.target_tables:
        sources = sorted({str(p.source) for p in spec.projections if p.target == target})
        if len(sources) > 1:
            reasons.append(f"{target} is filled by {', '.join(sources)}, in the order of their transactions")
    for projection in spec.projections:
        if projection.only or projection.pinned:
            reasons.append(f"{projection.source} is pivoted into {projection.target}")
        elif projection.only_with or projection.role is Role.PART:
            reasons.append(f"{projection.target} has only a part of {projection.source}")
    return list(dict.fromkeys(reasons))


def of_target(target: psycopg.Connection[Any], tables: tuple[Table, ...]) -> list[str]:
    """What the target's constraints need in order."""
    names = {"tables": [table.quoted for table in tables]}
    keys = target.execute(_FOREIGN_KEYS, names).fetchall()
    uniques = target.execute(_UNIQUE, names).fetchall()
    return [
        *(f"foreign key {name} of {table}" for name, table in keys),
        *(f"unique index {name} of {table}" for name, table in uniques),
    ]
