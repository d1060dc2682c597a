"""Stage `shadow`: what begins with it, what ends with it, and what has to be known before it is left.

The comparer (`fig shadow run`) looks at the journal itself, so the stage there is all that tells it what to do.
"""

from __future__ import annotations

from contextlib import closing

from migration_plan.configuration.shadow_rules import ShadowRules
from migration_plan.errors import FigError, Refusal
from migration_plan.exit_codes import Exit
from migration_plan.gate import Gate
from migration_plan.lifecycle import Stage
from migration_plan.parts import Parts, StageWork
from migration_plan.shadow.evidence import Seen, Verdict, verdict
from migration_plan.shadow.store import ShadowStore
from proxy.errors import ProxyError


class NotCompared(FigError):
    """The plan does not say what to compare."""

    code = "not-compared"
    exit_code = Exit.NOT_MEANT


def rules_of(parts: Parts) -> ShadowRules:
    """The plan's section; a plan with the stage has one. NotCompared: this plan has none."""
    rules = parts.plan.shadow
    if rules is None:
        raise NotCompared(
            f'the plan of "{parts.domain}" has no section `shadow`',
            "name the reads that change nothing: shadow: {routes: [...]}",
        )
    return rules


def begin(parts: Parts) -> None:
    """Evidence of an earlier stay in this stage counts no more: the service may be another one."""
    with closing(ShadowStore(parts.journal.dsn)) as store:
        store.begin(parts.domain)


def end(parts: Parts) -> None:
    """No samples from now on; a proxy that does not hear it stops by itself within seconds."""
    for proxy in parts.proxies:
        try:
            proxy.sample(parts.domain, 0.0, 1.0)
        except ProxyError:
            continue


def verdicts(parts: Parts) -> list[Verdict]:
    """Of every route that the plan declares, asked for or not."""
    rules = rules_of(parts)
    with closing(ShadowStore(parts.journal.dsn)) as store:
        seen = store.seen(parts.domain)
    return [verdict(route, seen.get(route, Seen()), rules) for route in rules.routes]


def gates(parts: Parts) -> tuple[Gate, ...]:
    """One gate; each route that is not good is a reason."""
    rules, found = rules_of(parts), verdicts(parts)
    bad = [one for one in found if not one.is_good]
    worst = max(found, key=lambda one: one.upper)
    figure = (
        f"up to {worst.upper:.2%} may differ on {worst.route} ({worst.seen.compared} compared)"
        if not bad
        else f"{len(bad)} of {len(found)} route(s) not good"
    )
    follow = f"fig shadow report {parts.domain}"
    return (
        Gate(
            "shadow", not bad, figure,
            f"{rules.comparisons} comparisons of each route, and under {rules.mismatches:.2%} of them differ (95 %)",
            follow, True, tuple(Refusal("shadow", f"{one.route}: {one.why}", follow) for one in bad), worst.upper,
        ),
    )  # fmt: skip


WORK = StageWork(
    Stage.SHADOW,
    "the comparer asks both sides again what a sample of users has read; evidence of an earlier stay counts no more",
    "no samples any more; what was found stays: fig shadow report",
    begin,
    end,
    gates,
)
