"""What becomes of a canary: a pure function of what was counted. The keeper measures, asks here, and acts.

A breach is a bad check of the last seconds, and certain: the confidence interval's near end is past the limit, and it
was seen at several looks, for requests that one hiccup of a machine hits are one case and not many. The next step wants
every check good over the whole step: not only a low figure but enough of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from operator import attrgetter

from migration_plan.canary.tally import Count, Tally
from migration_plan.configuration.canary_rules import CanaryLimits, CanaryRules, said
from migration_plan.lifecycle import Side

SURE = 2.576
"""Standard deviations of the interval that a breach has to be past (99 %): it is looked at again and again."""
ENOUGH = 1.96
"""Of the interval that the next step has to be within (95 %)."""
FEW = 20
"""Reads of a side below which no latency is concluded from."""
ALONE = 2
"""Cases that could still be one accident."""
LASTING = 3
"""Looks at which cases have to be seen."""
LONG = 30.0
"""Seconds after which the whole step tells what few reads a second hide from the last ones."""


class Mode(StrEnum):
    """Who decides the share. Persisted with it."""

    RUNNING = "running"  # The keeper: a step on while all is well, back at a breach.
    FROZEN = "frozen"  # A person, or a breach where the plan says `freeze`: no step on.
    BACK = "back"  # A breach has brought the share to 0; a person lets it begin again.


class Event(StrEnum):
    """What may happen to a canary."""

    BREACH_BACK = "breach-back"
    BREACH_FREEZE = "breach-freeze"
    FREEZE = "freeze"
    THAW = "thaw"
    SET = "set"


MODES: dict[tuple[Mode, Event], Mode] = {
    (Mode.RUNNING, Event.BREACH_BACK): Mode.BACK,
    (Mode.FROZEN, Event.BREACH_BACK): Mode.BACK,
    (Mode.RUNNING, Event.BREACH_FREEZE): Mode.FROZEN,
    (Mode.RUNNING, Event.FREEZE): Mode.FROZEN,
    (Mode.FROZEN, Event.FREEZE): Mode.FROZEN,
    (Mode.BACK, Event.FREEZE): Mode.FROZEN,
    (Mode.RUNNING, Event.THAW): Mode.RUNNING,
    (Mode.FROZEN, Event.THAW): Mode.RUNNING,
    (Mode.BACK, Event.THAW): Mode.RUNNING,
    (Mode.RUNNING, Event.SET): Mode.RUNNING,
    (Mode.FROZEN, Event.SET): Mode.FROZEN,
    (Mode.BACK, Event.SET): Mode.RUNNING,
}


class Finding(StrEnum):
    GOOD = "good"
    UNSURE = "unsure"
    BAD = "bad"


@dataclass(frozen=True)
class Check:
    """One figure against its limit, as texts for people."""

    name: str
    finding: Finding
    figure: str
    limit: str

    def __str__(self) -> str:
        return f"{self.name} {self.figure}, limit {self.limit}"

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "finding": self.finding, "figure": self.figure, "limit": self.limit}


@dataclass(frozen=True)
class Seen:
    """All that a decision rests on. `applied_age` in seconds, of the proxy that knows the least; None: nobody knows."""

    share: int
    mode: Mode
    step_seconds: float
    recent: Sequence[Count]
    """What came to it between two looks each, in the last seconds."""
    step: Count
    reference: Tally | None = None
    """The monolith's reads of an earlier step, for when it has hardly any left."""
    applied_age: float | None = None
    silent: Sequence[str] = ()
    """Proxies that did not answer."""


@dataclass(frozen=True)
class Verdict:
    """What to do: an event and the share after it, or no event, and why."""

    event: Event | None
    share: int
    reason: str
    checks: tuple[Check, ...]
    is_passed: bool = False
    """This step has all the evidence that the next one, or the switch, asks for."""


def judge(rules: CanaryRules, seen: Seen) -> Verdict:
    """One look."""
    whole, recent = checks(rules, seen, [seen.step]), checks(rules, seen, seen.recent, LASTING)
    looked_at = (*whole, *recent) if seen.step_seconds > LONG else recent
    bad = {check.name: check for check in looked_at if check.finding is Finding.BAD}
    if seen.share and bad:
        return _breach(rules, seen, list(bad.values()), tuple(bad.get(check.name, check) for check in recent))
    if not seen.share:
        why = "a breach brought it back" if seen.mode is Mode.BACK else "nobody's reads go to the service"
        return Verdict(None, 0, why, whole)
    missing = _missing(rules, seen, whole)
    if missing or seen.mode is not Mode.RUNNING:
        return Verdict(None, seen.share, missing or "all is well, and it is frozen", whole, not missing)
    following = rules.step_after(seen.share)
    if following is None:
        return Verdict(None, seen.share, "the last step has all its evidence", whole, True)
    if seen.silent:
        return Verdict(None, seen.share, f"proxy {', '.join(seen.silent)} does not answer", whole, True)
    return Verdict(Event.SET, following, f"{said(seen.share)} has all its evidence", whole, True)


def _breach(rules: CanaryRules, seen: Seen, bad: list[Check], found: tuple[Check, ...]) -> Verdict:
    why = "; ".join(map(str, bad))
    if rules.on_breach == "back":
        return Verdict(Event.BREACH_BACK, 0, why, found)
    event = Event.BREACH_FREEZE if seen.mode is Mode.RUNNING else None
    return Verdict(event, seen.share, why, found)


def _missing(rules: CanaryRules, seen: Seen, whole: tuple[Check, ...]) -> str:
    """What the step still wants; empty: nothing."""
    answered = seen.step[Side.SERVICE].requests
    if seen.step_seconds < rules.each:
        return f"{said(seen.share)} for {seen.step_seconds:.0f} s of {rules.each:g} s"
    if answered < rules.requests:
        return f"{answered} of {rules.requests} reads answered by the service"
    return "; ".join(f"{check} ({check.finding})" for check in whole if check.finding is not Finding.GOOD)


def checks(rules: CanaryRules, seen: Seen, looks: Sequence[Count], lasting: int = 1) -> tuple[Check, ...]:
    """Every figure of one stretch of time against its limit; bad only if cases were seen at `lasting` of its looks."""
    service = [look[Side.SERVICE] for look in looks]
    monolith = _reference(seen, sum((look[Side.MONOLITH] for look in looks), Tally()))
    limits = rules.limits
    return (
        _rate("errors", attrgetter("failed"), service, monolith, limits.errors, lasting),
        _rate("refused", attrgetter("refused"), service, monolith, limits.refused, lasting),
        _latency("p95", 0.95, service, monolith, limits, lasting),
        _latency("p99", 0.99, service, monolith, limits, lasting),
        _lag(seen.applied_age, min(limits.lag, limits.applied_age)),
    )


def _reference(seen: Seen, now: Tally) -> Tally:
    """The monolith's reads of the same time; where those are few, of the whole step, or of an earlier one."""
    found = (now, seen.step[Side.MONOLITH], seen.reference or Tally())
    return next((one for one in found if one.requests >= FEW), max(found, key=lambda one: one.requests))


def _rate(
    name: str, cases_of: Callable[[Tally], int], service: Sequence[Tally], monolith: Tally, limit: float, lasting: int
) -> Check:
    looks, base, base_of = [cases_of(one) for one in service], cases_of(monolith), monolith.requests
    cases, of = sum(looks), sum(one.requests for one in service)
    low, high = interval(cases, of, SURE)
    usual = base / base_of if base_of else 0.0
    usual_high = interval(base, base_of, SURE)[1] if base_of else 0.0
    if cases > ALONE and _over(looks, service, limit) >= lasting and low > usual_high + limit:
        finding = Finding.BAD
    elif interval(cases, of, ENOUGH)[1] <= usual + limit:
        finding = Finding.GOOD
    else:
        finding = Finding.UNSURE
    figure = f"{cases} of {of} ({cases / of:.2%}; {low:.2%} to {high:.2%})" if of else "no reads"
    return Check(name, finding, figure, f"the monolith's {usual:.2%} + {limit:.2%}")


def _latency(name: str, q: float, looks: Sequence[Tally], monolith: Tally, limits: CanaryLimits, lasting: int) -> Check:
    service, ratio, slack = sum(looks, Tally()), limits.latency, limits.slack
    usual, ours = monolith.quantile(q), service.quantile(q)
    if usual is None or ours is None or min(service.requests, monolith.requests) < FEW:
        return Check(name, Finding.UNSURE, "too few reads", f"{ratio:g} times the monolith's + {slack * 1000:g} ms")
    limit = ratio * usual + slack
    each = [one.slower_than(limit) for one in looks]
    slower = sum(each)
    if slower > ALONE and _over(each, looks, 1 - q) >= lasting and interval(slower, service.requests, SURE)[0] > 1 - q:
        finding = Finding.BAD
    else:
        finding = Finding.GOOD if slower <= (1 - q) * service.requests else Finding.UNSURE
    figure = f"{ours * 1000:.1f} ms ({slower} of {service.requests} slower than the limit)"
    return Check(name, finding, figure, f"{ratio:g} times the monolith's {usual * 1000:.1f} ms + {slack * 1000:g} ms")


def _over(cases: Sequence[int], looks: Sequence[Tally], limit: float) -> int:
    """At how many looks the rate was past the limit."""
    return sum(number > limit * look.requests for number, look in zip(cases, looks, strict=True))


def _lag(age: float | None, limit: float) -> Check:
    if age is None:
        return Check("lag", Finding.UNSURE, "not known", f"{limit:g} s")
    return Check("lag", Finding.GOOD if age <= limit else Finding.BAD, f"{age:.1f} s", f"{limit:g} s")


def interval(cases: int, of: int, deviations: float) -> tuple[float, float]:
    """Both ends of Wilson's confidence interval of a rate; (0, 1) where nothing was tried."""
    if not of:
        return 0.0, 1.0
    p, z = min(cases, of) / of, deviations * deviations
    middle = (p + z / (2 * of)) / (1 + z / of)
    half = deviations * sqrt(p * (1 - p) / of + z / (4 * of * of)) / (1 + z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def oldest(applied_ms: Mapping[str, int | None], now_ms: float) -> float | None:
    """Seconds that the service's copy is behind, by the proxy that knows the least; None: one knows nothing."""
    if not applied_ms or any(ms is None for ms in applied_ms.values()):
        return None
    return max(0.0, (now_ms - min(ms for ms in applied_ms.values() if ms is not None)) / 1000)
