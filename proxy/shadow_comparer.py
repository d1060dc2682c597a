"""The shadow comparer: asks both sides what some client has just asked, and says what differs.

    Comparer(targets, proxies, sockets, record, active).run(stopped)

It stands beside the clients' path, never in it. Per sample: the monolith, the service, the monolith again. Where the
service differs, it may only be behind: then once more in an order that leaves no doubt: the monolith; wait until the
service has applied everything up to that moment; the service; the monolith again. What the monolith says alike before
and after, a service that has all of it must say, too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from proxy.client import ProxyClient
from proxy.errors import ProxyError
from proxy.routes import Side
from proxy.shadow_ask import Asker, NotFenced, TooLarge, WroteInRead
from proxy.shadow_compare import Answer, Comparison, compare
from proxy.shadow_intake import Intake, Rate, Work
from proxy.shadow_sample import Patterns, Sample

log = logging.getLogger("fig.shadow")

WORKERS = 2
ROUND = 1.0
"""Seconds between two looks at what is wanted."""
ASKED_FOR = 5.0
"""Seconds for which a proxy shows samples after it was asked to; then a dead comparer costs nothing any more."""
PROBED_EVERY = 10.0
_LAG_LOOK = 0.05


class Kind(StrEnum):
    """What became of a sample."""

    COMPARED = "compared"
    HEALED = "healed"  # It differed, until the service had what the monolith had: only lag. Counts as equal.
    LAGGING = "lagging"  # The service did not catch up in time: nothing is known.
    VOID = "void"  # The monolith failed, or does not know the user any more: there is nothing to compare with.
    TOO_LARGE = "too-large"
    IMPURE = "impure"  # A side wanted to write: the plan is wrong to call the route pure.


@dataclass(frozen=True)
class Outcome:
    """What one sample showed. `comparison` only for COMPARED and HEALED."""

    domain: str
    route: str
    request_id: str
    kind: Kind
    comparison: Comparison | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Target:
    """What of one domain is compared."""

    domain: str
    routes: tuple[str, ...]
    servers: Mapping[Side, Sequence[str]]
    headers: tuple[str, ...] = ("content-type", "location")  # Lower case.
    share: float = 0.05  # Of the domain's reads.
    rate: float = 5.0  # At most so many comparisons a second.
    timeout: float = 5.0  # Seconds, for each answer.
    lag: float = 3.0  # Seconds to wait for the service to catch up before a difference is believed.


class Comparer:
    """One process, for all domains whose plans want it. `active()` names those that are compared at this moment."""

    def __init__(
        self,
        targets: Sequence[Target],
        proxies: Sequence[ProxyClient],
        sockets: Sequence[Path],
        record: Callable[[Outcome], None],
        active: Callable[[], Collection[str]],
    ) -> None:
        self._targets = {target.domain: target for target in targets}
        self._askers = {target.domain: Asker(target.servers, target.timeout) for target in targets}
        self.intake = Intake(
            {t.domain: Patterns(t.routes) for t in targets},
            {t.domain: Rate(t.rate, len(t.routes)) for t in targets},
        )
        self._proxies, self._sockets, self._record, self._active = proxies, sockets, record, active
        self._probed: dict[str, float] = {}
        self.unfenced: dict[str, Side] = {}
        """Domains that are not compared because this side does not fence shadow requests."""
        self._impure: set[tuple[str, str]] = set()
        self._open: frozenset[str] = frozenset()
        self._silent: set[str] = set()

    def run(self, stopped: threading.Event) -> None:
        """Until told to stop. An error in a part of it ends all of it, for the supervisor to start it again."""
        failures: list[BaseException] = []

        def guarded(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)
                stopped.set()
                raise

        jobs = [partial(self.intake.listen, path, stopped.is_set) for path in self._sockets]
        jobs += [partial(self._work, stopped)] * WORKERS
        threads = [threading.Thread(target=guarded, args=[job], daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        while not stopped.is_set():
            self.look()
            stopped.wait(ROUND)
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def look(self) -> None:
        """Which domains are open now, and tell the proxies to go on showing their reads."""
        wanted = [domain for domain in self._active() if domain in self._targets]
        self._open = frozenset(domain for domain in wanted if self._is_fenced(domain))
        for domain in self._open:
            for proxy in self._proxies:
                try:
                    proxy.sample(domain, self._targets[domain].share, ASKED_FOR)
                    self._silent.discard(proxy.name)
                except ProxyError as error:
                    if proxy.name not in self._silent:
                        log.warning("no samples: %s", error)
                    self._silent.add(proxy.name)

    def _is_fenced(self, domain: str) -> bool:
        """Whether both sides may be asked; looked at now and then, as processes are exchanged."""
        now = time.monotonic()
        if domain not in self.unfenced and now - self._probed.get(domain, -PROBED_EVERY) < PROBED_EVERY:
            return True
        bare = [side for side in Side if not self._askers[domain].is_fenced(side)]
        if bare and self.unfenced.get(domain) is not bare[0]:
            log.error("%s is not compared: its %s side does not fence shadow requests", domain, bare[0])
        self._probed[domain] = now
        if bare:
            self.unfenced[domain] = bare[0]
        else:
            self.unfenced.pop(domain, None)
        return not bare

    def _work(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            work = self.intake.take(ROUND / 2)
            if work is None:
                continue
            domain = work.sample.domain
            if domain not in self._open or (domain, work.route) in self._impure:
                self.intake.drop(domain, "impure" if domain in self._open else "closed")
                continue
            self._record(self.judge(work))

    def judge(self, work: Work) -> Outcome:
        """What this sample shows; asks both sides up to six times in all."""
        kind, comparison = Kind.VOID, None
        try:
            kind, comparison = self._judged(self._targets[work.sample.domain], work.sample)
        except TooLarge:
            kind = Kind.TOO_LARGE
        except WroteInRead as error:
            log.error("%s is not pure: %s", work.route, error)
            self._impure.add((work.sample.domain, work.route))
            kind = Kind.IMPURE
        except NotFenced:
            # Somebody exchanged the process: nothing is asked until a probe says that it is fenced again.
            self._open -= {work.sample.domain}
            self._probed.pop(work.sample.domain, None)
        return Outcome(work.sample.domain, work.route, work.sample.id, kind, comparison)

    def _judged(self, target: Target, sample: Sample) -> tuple[Kind, Comparison | None]:
        asker = self._askers[target.domain]
        first, service, second = (asker.ask(side, sample) for side in (Side.MONOLITH, Side.SERVICE, Side.MONOLITH))
        if _says_nothing(sample, first) or _says_nothing(sample, second):
            return Kind.VOID, None
        comparison = compare(first, service, second, target.headers)
        if comparison.matches:
            return Kind.COMPARED, comparison
        first = asker.ask(Side.MONOLITH, sample)
        if not self._caught_up(target, time.time() * 1000):
            return Kind.LAGGING, None
        service, second = asker.ask(Side.SERVICE, sample), asker.ask(Side.MONOLITH, sample)
        if _says_nothing(sample, first) or _says_nothing(sample, second):
            return Kind.VOID, None
        comparison = compare(first, service, second, target.headers)
        return (Kind.HEALED if comparison.matches else Kind.COMPARED), comparison

    def _caught_up(self, target: Target, moment: float) -> bool:
        """Wait until the service's copy is whole up to this moment (unix ms); False if it takes too long."""
        deadline = time.monotonic() + target.lag
        while not any(self._through(proxy, target.domain) >= moment for proxy in self._proxies):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LAG_LOOK)
        return True

    def _through(self, proxy: ProxyClient, domain: str) -> int:
        try:
            return proxy.routes()[domain].applied.get(Side.SERVICE, 0)
        except (ProxyError, KeyError):
            return 0


def _says_nothing(sample: Sample, answer: Answer) -> bool:
    """It failed; or the login that the sample came with has ended since: who then believes cookies says 401, and who
    believes the statement that the proxy made of them goes on until that ends."""
    return answer.status == 0 or answer.status >= 500 or (answer.status == 401 and "X-Identity" in sample.headers)
