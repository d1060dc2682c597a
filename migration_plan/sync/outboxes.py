"""The outboxes of the plans: which publishers there are, and when their slots come and go.

A row must never be written before its publisher has a slot. In the monolith, any domain may begin to tell by its
outbox as soon as any other one owns elsewhere, whatever its own stage; so the first domain that gets a second side
brings slots for the monolith's outboxes of all plans, and the last one that gives it up takes them away. The
service's outbox belongs to its own domain's sync. Whatever is in a table when its slot is made is published too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from cdc import servers
from cdc.outbox import install as outbox_install
from cdc.outbox.spec import OutboxSpec
from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Side, Stage
from migration_plan.parts import Parts, publisher_of


def of(parts: Parts) -> Mapping[Side, OutboxSpec]:
    """The domain's own publishers; none without an outbox."""
    return _of_plan(parts.plan, parts.broker_url)


def _of_plan(plan: Plan, broker_url: str) -> dict[Side, OutboxSpec]:
    if plan.outbox is None:
        return {}
    return {
        side: OutboxSpec(
            publisher_of(plan.domain, side), plan.domain, plan.sides[side].dsn, plan.outbox[side], broker_url
        )
        for side in Side
    }


def _in_the_monolith(parts: Parts) -> list[OutboxSpec]:
    """What is retired tells nothing there any more."""
    return [
        spec
        for plan in parts.plans
        for side, spec in _of_plan(plan, parts.broker_url).items()
        if side is Side.MONOLITH and parts.journal.stage(plan.domain) is not Stage.RETIRED
    ]


def _coming(parts: Parts) -> list[OutboxSpec]:
    """All that has to have a slot before the domain gets its second side."""
    own = of(parts).get(Side.SERVICE)
    return _in_the_monolith(parts) + ([] if own is None else [own])


def _going(parts: Parts) -> list[OutboxSpec]:
    """All that needs no slot any more once the domain has given its second side up."""
    own = of(parts).get(Side.SERVICE)
    others = [plan.domain for plan in parts.plans if plan.domain != parts.domain]
    is_last = all(parts.journal.stage(domain) is Stage.MONOLITH for domain in others)
    return ([] if own is None else [own]) + (_in_the_monolith(parts) if is_last else [])


def coming(parts: Parts) -> tuple[str, ...]:
    return tuple(spec.name for spec in _coming(parts))


def going(parts: Parts) -> tuple[str, ...]:
    return tuple(spec.name for spec in _going(parts))


def coming_slots(parts: Parts) -> dict[Side, list[str]]:
    """The slots that come with the domain's second side, for preflight to count."""
    own = of(parts).get(Side.SERVICE)
    return {
        Side.MONOLITH: [spec.slot for spec in _in_the_monolith(parts)],
        Side.SERVICE: [] if own is None else [own.slot],
    }


def prepare(parts: Parts) -> None:
    """Before a domain gets its second side; may be repeated."""
    for spec in _coming(parts):
        outbox_install.prepare(spec)


def prepare_own(parts: Parts, again: bool) -> list[str]:
    """What the domain tells on the sides that it has; `again` starts over where a slot was lost."""
    stage = parts.journal.stage(parts.domain)
    gone = {Stage.MONOLITH: Side.SERVICE, Stage.RETIRED: Side.MONOLITH}.get(stage)
    own = [spec for side, spec in of(parts).items() if side is not gone]
    for spec in own:
        outbox_install.prepare(spec, again)
    return [spec.name for spec in own]


def remove(parts: Parts) -> None:
    """When a domain gives up its second side; OutboxBusy while events are on their way."""
    for spec in _going(parts):
        outbox_install.remove(spec)


def retire(parts: Parts) -> None:
    """When the monolith's side is given up for good; OutboxBusy while events are on their way."""
    own = of(parts).get(Side.MONOLITH)
    if own is not None:
        outbox_install.remove(own)


def skip(parts: Parts, event: UUID) -> list[str]:
    """Leave an event out that cannot be published; which publishers will."""
    prepared = [spec for spec in of(parts).values() if outbox_install.is_prepared(spec)]
    for spec in prepared:
        outbox_install.skip(spec, str(event))
    parts.journal.record(parts.domain, "event-skipped", event=str(event))
    return [spec.name for spec in prepared]


def behind(parts: Parts, within: float) -> dict[str, str]:
    """Each publisher that a switch of the domain depends on, and why it would have to wait; empty where it would not.

    Its own have to be at the end of their logs. The others in the monolith only need a slot: from the switch on they
    may have something to tell.
    """
    reasons = {}
    own = list(of(parts).values())
    others = [spec for spec in _in_the_monolith(parts) if spec not in own]
    for spec in own + others:
        with _connected(parts, spec) as connection:
            if not outbox_install.knows(connection, spec):
                reasons[spec.name] = f"it has no slot; run: fig outbox prepare {spec.domain}"
            elif spec in own and not outbox_install.has_passed(connection, spec, None, within):
                reasons[spec.name] = f"it has not published everything within {within:g} s"
            else:
                reasons[spec.name] = ""
    return reasons


@contextmanager
def _connected(parts: Parts, spec: OutboxSpec) -> Iterator[psycopg.Connection[Any]]:
    """The session that the domain has there anyway: a new one costs its server more than what is asked."""
    for side, database in parts.sides.items():
        if parts.plan.sides[side].dsn == spec.dsn:
            with database.connection() as connection:
                yield connection
            return
    with servers.connect(spec.dsn, "source", f"fig-outbox {spec.name}") as connection:
        yield connection
