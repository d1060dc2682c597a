"""Keeps a domain's canary: a step on while all is well, back within seconds of a breach; a thread of `fig controller`.

Any number may run: what one of them decides is a compare-and-set in the journal's database, and the proxies take no
older decision after a later one. Back is told to the proxies first, so that neither a journal that is away nor a death
in the middle keeps users with a bad service: proxies that are further than the journal are believed.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

import psycopg

from migration_plan.canary.judge import FEW, Event, Verdict, judge
from migration_plan.canary.proxies import CanaryProxies, Look
from migration_plan.canary.store import CanaryStore, State, revision_after
from migration_plan.canary.tally import Count, total
from migration_plan.configuration.canary_rules import said
from migration_plan.errors import FigError, JournalUnreachable
from migration_plan.lifecycle import Side, Stage
from migration_plan.parts import Parts, no_checkpoint
from proxy.errors import ProxyError

EVERY = 0.5
"""Seconds between two looks."""
RECENT = 10.0
"""Seconds over which a breach is looked for."""
_log = logging.getLogger("fig.canary")


class Keeper:
    """One domain's. What it remembers between two looks is only how much had been counted some seconds ago."""

    def __init__(self, parts: Parts, checkpoint: Callable[[str], None] = no_checkpoint) -> None:
        self._parts, self._rules, self._checkpoint = parts, parts.plan.canary, checkpoint
        self._store = CanaryStore(parts.journal.dsn)
        self._proxies = CanaryProxies(parts.domain, parts.proxies)
        self._before: Mapping[str, Count] = {}
        self._recent: deque[tuple[float, Count]] = deque()
        self._known: State | None = None
        self._ahead = 0

    def close(self) -> None:
        self._store.close()

    def look(self) -> Verdict | None:
        """One look, and what follows from it; None where there is no canary."""
        state = self._state()
        look = self._proxies.look()
        if state is None:
            self._forget()
            if any(route.share for route in look.routes.values()):
                # A proxy that was away when the canary ended.
                self._proxies.bring(look, 0, revision_after(_furthest(look)))
            return None
        if _furthest(look) > state.revision:
            # At the second look: somebody may just be between telling the proxies and writing it down.
            if self._ahead == _furthest(look):
                self._believe(state, look)
            self._ahead = _furthest(look)
            return None
        self._proxies.bring(look, state.share, state.revision)
        verdict = judge(self._rules, look.seen(state, self._since(state, look)))
        if verdict.event is not None:
            self._follow(state, verdict, look)
        return verdict

    def _state(self) -> State | None:
        """Without a journal the last known one goes on: it can only be taken back."""
        try:
            is_canary = self._parts.journal.stage(self._parts.domain) is Stage.CANARY
            found = self._store.read(self._parts.domain) if is_canary else None
        except JournalUnreachable:
            if self._known is None:
                raise
            return self._known
        if self._known is not None and (found is None or found.share != self._known.share):
            self._forget()
        self._known = found
        return found

    def _since(self, state: State, look: Look) -> list[Count]:
        """What came between each two of the last looks."""
        now = time.monotonic()
        # A proxy that was never asked had counted what it had at the beginning of the step.
        self._recent.append((now, total(look.counts, {**state.counted, **self._before})))
        self._before = {**self._before, **look.counts}
        while self._recent[0][0] < now - RECENT:
            self._recent.popleft()
        return [count for _, count in self._recent]

    def _forget(self) -> None:
        """Another share has other figures."""
        self._before = {}
        self._recent.clear()

    def _follow(self, state: State, verdict: Verdict, look: Look) -> None:
        assert verdict.event is not None  # noqa: S101 - asked before.
        after = state.after(verdict.event, verdict.share, verdict.reason, look.counts)
        if verdict.event is Event.SET:
            monolith = look.seen(state).step[Side.MONOLITH]
            after = replace(after, reference=monolith if monolith.requests >= FEW else state.reference)
        else:
            self._alarm(verdict)
        if after.share < state.share:
            self._proxies.bring(look, after.share, after.revision)
            self._checkpoint("canary-back-told")
        if self._store.change(state, after):
            self._checkpoint("canary-decided")
            self._record(verdict.event, state, after, verdict)
            self._proxies.bring(look, after.share, after.revision)

    def _believe(self, state: State, look: Look) -> None:
        """Somebody took the canary back and could not write it down."""
        revision = revision_after(_furthest(look))
        if all(route.share == state.share for route in look.routes.values()):
            # Two took it back at once; the one whose number is higher came second to the journal.
            self._store.change(state, replace(state, revision=revision))
            return
        reason = "it was brought back while the journal was away"
        after = replace(state.after(Event.BREACH_BACK, 0, reason, look.counts), revision=revision)
        if self._store.change(state, after):
            self._record(Event.BREACH_BACK, state, after, None)
            self._proxies.bring(look, 0, after.revision)

    def _record(self, event: Event, before: State, after: State, verdict: Verdict | None) -> None:
        checks = [check.as_json() for check in verdict.checks] if verdict else []
        self._parts.journal.record(
            self._parts.domain, "canary", event=event, was=said(before.share), share=said(after.share),
            mode=after.mode, reason=after.reason, checks=checks,
        )  # fmt: skip
        _log.info("%s: canary: %s, %s -> %s", self._parts.domain, event, said(before.share), said(after.share))

    def _alarm(self, verdict: Verdict) -> None:
        words = {"alarm": "canary", "domain": self._parts.domain, "event": verdict.event, "reason": verdict.reason}
        _log.error("%s", json.dumps(words))


def _furthest(look: Look) -> int:
    return max((route.revision for route in look.routes.values()), default=0)


class KeeperThread(threading.Thread):
    """Looks until told to stop. One domain's trouble keeps no other from being looked at: each has a thread."""

    def __init__(self, keeper: Keeper, domain: str, stop: threading.Event) -> None:
        super().__init__(name=f"canary-{domain}", daemon=True)
        self._keeper, self._domain, self._halt = keeper, domain, stop

    def run(self) -> None:
        alarmed = ""
        while not self._halt.wait(EVERY):
            try:
                self._keeper.look()
                alarmed = ""
            except (FigError, ProxyError, psycopg.Error) as error:
                if alarmed != str(error):
                    alarmed = str(error)
                    words = {"alarm": "canary", "domain": self._domain, "message": alarmed}
                    _log.error("%s", json.dumps(words))
        self._keeper.close()
