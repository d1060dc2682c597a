"""Stage `canary`: what begins with it, what ends with it, and what has to be known before it is left forwards."""

from __future__ import annotations

from migration_plan.canary.acts import opened, status
from migration_plan.canary.judge import Finding, Mode
from migration_plan.canary.proxies import CanaryProxies
from migration_plan.canary.store import State, revision_after
from migration_plan.configuration.canary_rules import said
from migration_plan.errors import Refusal
from migration_plan.gate import Gate
from migration_plan.lifecycle import Stage
from migration_plan.parts import Parts, StageWork


def begin(parts: Parts) -> None:
    """At the first step; a canary that is there already goes on. A proxy that is away is told when it comes back."""
    proxies = CanaryProxies(parts.domain, parts.proxies)
    look = proxies.look()
    first = parts.plan.canary.steps[0]
    with opened(parts) as store:
        state = State(
            parts.domain, first, Mode.RUNNING, revision_after(0), counted=look.counts, reason="the first step"
        )
        if store.begin(state):
            parts.journal.record(parts.domain, "canary", event="begun", share=said(first), mode=state.mode)
            proxies.bring(look, first, state.revision)


def end(parts: Parts) -> None:
    """All reads to the owner. A proxy that is away is told by the controller when it comes back."""
    with opened(parts) as store:
        was = store.read(parts.domain)
        if store.end(parts.domain):
            parts.journal.record(parts.domain, "canary", event="ended", share=said(0))
    proxies = CanaryProxies(parts.domain, parts.proxies)
    look = proxies.look()
    furthest = max((route.revision for route in look.routes.values()), default=0)
    proxies.bring(look, 0, revision_after(max(furthest, was.revision if was else 0)))


def gates(parts: Parts) -> tuple[Gate, ...]:
    """One gate: the last step with all its evidence."""
    report = status(parts)
    last, follow = report.steps[-1], f"fig canary {parts.domain} status"
    is_met = report.verdict.is_passed and report.state.share >= last
    reasons = [
        Refusal("canary", str(check), follow) for check in report.verdict.checks if check.finding is not Finding.GOOD
    ]
    figure = f"{said(report.state.share)}, {report.state.mode}: {report.verdict.reason}"
    limit = f"{said(last)} of the users' reads, with all its evidence"
    if not is_met:
        reasons.insert(0, Refusal("canary", f"the canary is at {figure}; the plan wants {limit}", follow))
    return (Gate("canary", is_met, figure, limit, follow, True, tuple(reasons) if not is_met else ()),)


WORK = StageWork(
    Stage.CANARY,
    "every proxy gives the first step's share of the users' reads to the service; the controller goes on from there",
    "every proxy gives all reads to the owner",
    begin,
    end,
    gates,
)
