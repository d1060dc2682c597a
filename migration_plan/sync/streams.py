"""The streams of a domain's plan, as values: what `cdc` is told of each direction."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import psycopg

from cdc.projection import Direction
from cdc.spec import StreamSpec
from migration_plan.errors import FigError
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts

_DIRECTION = {Side.SERVICE: Direction.TO_SERVICE, Side.MONOLITH: Direction.TO_MONOLITH}


def spec(parts: Parts, target: Side) -> StreamSpec:
    """The stream that brings a domain's rows to `target`."""
    plan, name = parts.plan, parts.stream_to(target)
    return StreamSpec(
        name=name,
        domain=plan.domain,
        source_dsn=plan.sides[target.other].dsn,
        target_dsn=plan.sides[target].dsn,
        slot=f"fig_{name}",
        publication=f"fig_{plan.domain}",
        origin=f"fig_{name}",
        projections=plan.lens.projections(_DIRECTION[target]),
        guard=partial(_guard, plan.domain),
        copy_guard=partial(_copy_guard, plan.domain),
        kafka=replace(parts.kafka, prefix=f"{parts.kafka.prefix}.{name}") if parts.kafka else None,
    )


def _guard(domain: str, connection: psycopg.Connection[Any]) -> str:
    """The statement that refuses rows on an owner or after an epoch has passed; read afresh for each session."""
    found = connection.execute("select epoch from fig.domain where domain = %s", [domain]).fetchone()
    if found is None:
        raise FigError(f'domain "{domain}" is not enrolled on this side', f"fig advance {domain}")
    return f"select fig.guard_apply('{domain}', {int(found[0])})"


def _copy_guard(domain: str, connection: psycopg.Connection[Any]) -> str:
    """As `_guard`, and besides the epoch is one at which this side stands by: the other one owns then, or is about to
    give back to this one. What is read there before this side's epoch has passed lacks nothing. A copy that was asked
    for when rows flowed the other way reads from a side that has not caught up; in it this side is fenced or released.
    """
    found = connection.execute(
        "select case when state = 'standby' then epoch else 0 end from fig.domain where domain = %s", [domain]
    ).fetchone()
    if found is None:
        raise FigError(f'domain "{domain}" is not enrolled on this side', f"fig advance {domain}")
    return f"select fig.guard_apply('{domain}', {int(found[0])})"
