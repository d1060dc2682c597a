"""What lies in both sides' databases against what this fig and the plans know. Reads only.

The versions come first and by connections of their own: any other one of ours would bring an earlier one on, and
refuse a later one. The journal's is met by every command before it begins, by this one too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg

from migration_plan import versions
from migration_plan.doctor.facts import Version
from migration_plan.lifecycle import Side, Stage
from migration_plan.parts import Parts
from migration_plan.preflight import ask_lens
from migration_plan.preflight.read import look


def read_versions(domains: Sequence[Parts]) -> Iterator[Version]:
    """Of fences and streams on each side; nothing of a database that has none, or does not answer."""
    asked: set[str] = set()
    for parts in domains:
        for side in Side:
            dsn = parts.plan.sides[side].dsn
            if dsn not in asked:
                asked.add(dsn)
                yield from _version(dsn, f"the {side} side's database of {parts.domain}")


def _version(dsn: str, where: str) -> Iterator[Version]:
    try:
        with look(dsn) as connection:
            if connection.execute("select to_regclass('fig.domain') is not null").fetchone() == (True,):
                yield Version(where, versions.found(connection, "side"), versions.VERSIONS["side"])
    except psycopg.OperationalError:
        return  # `side-away` says it.


def lens_problems(parts: Parts, stage: Stage | None) -> tuple[str, ...]:
    """What the two schemas have that the plan's lens does not say, or the other way round; while there are streams."""
    if stage in (None, Stage.MONOLITH, Stage.RETIRED):
        return ()
    sides = parts.plan.sides
    try:
        with look(sides[Side.MONOLITH].dsn) as monolith, look(sides[Side.SERVICE].dsn) as service:
            return ask_lens(parts.plan, monolith, service)
    except psycopg.OperationalError:
        return ()  # `side-away` says it.
