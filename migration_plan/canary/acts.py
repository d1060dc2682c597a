"""What a person does with a canary: set its share, freeze it, let it go on, look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migration_plan.canary.judge import Event, Mode, Verdict, judge
from migration_plan.canary.proxies import CanaryProxies
from migration_plan.canary.store import CanaryStore, State
from migration_plan.configuration.canary_rules import said
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.journal.access import Role
from migration_plan.lifecycle import Stage
from migration_plan.parts import Parts


class NoCanary(FigError):
    """The domain is not in stage `canary`."""

    code = "no-canary"
    exit_code = Exit.STAGE_REFUSED


class CanaryBusy(FigError):
    """Somebody else changed it at the same moment; nothing was done."""

    code = "canary-busy"
    exit_code = Exit.MOVED_MEANWHILE


@dataclass(frozen=True)
class Report:
    """A canary now. `silent`: proxies that did not take the share; they are told again twice a second."""

    state: State
    verdict: Verdict
    steps: tuple[int, ...]
    silent: tuple[str, ...] = ()

    @property
    def next_steps(self) -> list[str]:
        domain, verdict = self.state.domain, self.verdict
        if self.state.mode is Mode.BACK or (self.state.mode is Mode.FROZEN and not verdict.is_passed):
            return [f"fig history {domain}", f"fig canary {domain} thaw"]
        if self.state.mode is Mode.FROZEN:
            return [f"fig canary {domain} thaw"]
        if verdict.is_passed and self.state.share >= self.steps[-1]:
            return [f"fig advance {domain}"]
        return [f"fig canary {domain} status"]

    def as_json(self) -> dict[str, object]:
        return {
            "domain": self.state.domain, "share": self.state.share / 100, "mode": self.state.mode,
            "since_seconds": round(self.state.seconds, 1), "reason": self.state.reason,
            "now": self.verdict.reason, "passed": self.verdict.is_passed,
            "checks": [check.as_json() for check in self.verdict.checks],
            "steps": [step / 100 for step in self.steps], "silent_proxies": list(self.silent),
            "next_steps": self.next_steps,
        }  # fmt: skip


def status(parts: Parts) -> Report:
    """The state, and what its present share has shown so far."""
    with opened(parts) as store:
        state = _present(parts, store)
    look = CanaryProxies(parts.domain, parts.proxies).look()
    verdict = judge(parts.plan.canary, look.seen(state))
    return Report(state, verdict, parts.plan.canary.steps, look.silent)


def set_share(parts: Parts, share: int) -> Report:
    """To this share now, by hand; the keeper goes on from there. A share of 0 ends nothing: it is kept at 0, frozen."""
    event = Event.SET if share else Event.FREEZE
    return _change(parts, event, share, f"set to {said(share)} by {parts.journal.actor}")


def freeze(parts: Parts) -> Report:
    """No step on; the limits are watched as before."""
    return _change(parts, Event.FREEZE, None, f"frozen by {parts.journal.actor}")


def thaw(parts: Parts) -> Report:
    """Let the keeper go on; after a breach from the first step, and with new evidence."""
    return _change(parts, Event.THAW, None, f"let go on by {parts.journal.actor}")


def _change(parts: Parts, event: Event, share: int | None, why: str) -> Report:
    parts.journal.demand(Role.OPERATOR, "to steer a canary")
    rules = parts.plan.canary
    proxies = CanaryProxies(parts.domain, parts.proxies)
    with opened(parts) as store:
        before, look = _present(parts, store), proxies.look()
        wanted = before.share if share is None else share
        if event is Event.THAW and not wanted:
            wanted = rules.steps[0]
        after = before.after(event, wanted, why, look.counts)
        if not store.change(before, after):
            raise CanaryBusy("somebody else changed the canary just now", f"fig canary {parts.domain} status")
        parts.journal.record(
            parts.domain, "canary", event=event, was=said(before.share), share=said(after.share), mode=after.mode,
            reason=after.reason,
        )  # fmt: skip
        silent = proxies.bring(look, after.share, after.revision)
    verdict = judge(rules, look.seen(after))
    return Report(after, verdict, rules.steps, tuple(silent))


def _present(parts: Parts, store: CanaryStore) -> State:
    stage = parts.journal.stage(parts.domain)
    state = store.read(parts.domain) if stage is Stage.CANARY else None
    if state is None:
        raise NoCanary(
            f'domain "{parts.domain}" is in stage {stage}: there is no canary', f"fig advance {parts.domain} --dry-run"
        )
    return state


@contextmanager
def opened(parts: Parts) -> Iterator[CanaryStore]:
    """The store for a short while."""
    store = CanaryStore(parts.journal.dsn)
    try:
        yield store
    finally:
        store.close()
