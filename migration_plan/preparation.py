"""What happens before and after a domain has two sides: preflight of a switch, beginning and end of `sync`."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

from migration_plan.errors import PreflightRefused
from migration_plan.lifecycle import Act, Row, Side
from migration_plan.preflight import SwitchFacts, preflight
from migration_plan.switch import Parts
from proxy.errors import ProxyUnreachable

PROBE_SECONDS = 5.0
Say = Callable[[str], None]


def check_switch(parts: Parts, owner: Row, say: Say) -> None:
    """Refuse the switch here, all reasons at once, before anyone waits."""
    say("preflight")
    refusals = preflight(parts.plan, Act.SWITCH, switch_facts(parts, owner.side))
    if refusals:
        raise PreflightRefused(parts.domain, refusals)


def switch_facts(parts: Parts, giver: Side) -> SwitchFacts:
    """Measure what a switch depends on: both streams by a probe, the verification's age, every proxy."""
    verification = parts.journal.last_verification(parts.domain)
    took = probe_streams(parts)
    silent: dict[str, str] = {}
    for proxy in parts.proxies:
        try:
            proxy.routes()
            silent[proxy.name] = ""
        except ProxyUnreachable as error:
            silent[proxy.name] = str(error)
    return SwitchFacts(
        giver=giver,
        lag=took[giver.other],
        verification_age=None if verification is None else verification.age,
        differences=0 if verification is None else verification.differences,
        probes={parts.stream_to(side): seconds is not None for side, seconds in took.items()},
        proxies=silent,
    )


def probe_streams(parts: Parts, within: float = PROBE_SECONDS) -> dict[Side, float | None]:
    """Send a probe through the stream to each side; seconds until it was applied there, None if it was not."""
    name, began = str(uuid4()), time.monotonic()
    for side in Side:
        parts.sides[side.other].probe(parts.domain, name)
    took: dict[Side, float | None] = dict.fromkeys(Side)
    while None in took.values() and time.monotonic() - began < within:
        for side in Side:
            if took[side] is None and parts.sides[side].probe_seen(parts.stream_to(side), name):
                took[side] = time.monotonic() - began
        time.sleep(0.005)
    return took
