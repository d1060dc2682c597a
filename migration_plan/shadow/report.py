"""What the comparer has found, by route and field, for people and as JSON. Values are shown by their shapes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from migration_plan.configuration.shadow_rules import ShadowRules
from migration_plan.lifecycle import Stage
from migration_plan.parts import Parts
from migration_plan.shadow.evidence import Seen, Verdict, counted, verdict
from migration_plan.shadow.store import ShadowStore, Shown
from migration_plan.shadow.work import rules_of


@dataclass(frozen=True)
class Line:
    """One field of one route that differs, and is held against the service."""

    route: str
    path: str
    count: int
    share: float
    first_at: datetime
    last_at: datetime
    example: Shown | None

    def as_json(self) -> dict[str, object]:
        shown = self.example
        return {
            "route": self.route, "path": self.path, "count": self.count, "share": round(self.share, 6),
            "first_at": self.first_at.isoformat(), "last_at": self.last_at.isoformat(),
            "monolith": shown and shown.monolith, "service": shown and shown.service,
            "request_id": shown and shown.request_id,
        }  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Everything that is known, and what to do next."""

    domain: str
    stage: Stage
    verdicts: tuple[Verdict, ...]
    lines: tuple[Line, ...]
    noise: tuple[tuple[str, str, int, int], ...]
    """Route, field path, how often the service differed, how often the monolith from itself."""
    dropped: dict[str, int]

    @property
    def is_good(self) -> bool:
        return all(one.is_good for one in self.verdicts)

    @property
    def differs(self) -> bool:
        """More than the plan allows, however much more is compared."""
        return any(one.more is None or one.seen.impure for one in self.verdicts)

    @property
    def next_steps(self) -> list[str]:
        if self.stage is Stage.SHADOW and self.is_good:
            return [f"fig advance {self.domain}"]
        if self.lines:
            return [f"correct the service, or name the field in the plan's shadow.ignore; then fig shadow reset"
                    f" {self.domain} --reason WHY"]  # fmt: skip
        if self.stage is not Stage.SHADOW:
            return [f"fig advance {self.domain} --to shadow"]
        return [f"fig shadow report {self.domain}   (later: more comparisons are needed)"]

    def as_json(self) -> dict[str, object]:
        return {
            "domain": self.domain, "stage": str(self.stage), "is_good": self.is_good,
            "routes": [_route_as_json(one) for one in self.verdicts],
            "differences": [line.as_json() for line in self.lines],
            "noise": [{"route": r, "path": p, "raw": raw, "noise": noise} for r, p, raw, noise in self.noise],
            "not_compared": self.dropped, "next_steps": self.next_steps,
        }  # fmt: skip


def report(parts: Parts) -> Report:
    """Read the evidence and judge it by the plan as it is now."""
    rules, stage = rules_of(parts), parts.journal.stage(parts.domain)
    with closing(ShadowStore(parts.journal.dsn)) as store:
        seen, dropped = store.seen(parts.domain), store.dropped(parts.domain)
        examples = {(one.route, one.path): one for one in store.examples(parts.domain)}
    found = tuple(verdict(route, seen.get(route, Seen()), rules) for route in rules.routes)
    noise = tuple(
        (one.route, path, field.raw, field.noise)
        for one in found
        for path, field in sorted(one.seen.fields.items())
        if field.is_noise
    )
    lines = tuple(line for one in found for line in _lines(one, rules, examples))
    return Report(parts.domain, stage, found, lines, noise, dropped)


def _lines(one: Verdict, rules: ShadowRules, examples: dict[tuple[str, str], Shown]) -> list[Line]:
    groups = {group: counted(group.paths, one.seen, rules) for group in one.seen.groups}
    paths = sorted({path for held in groups.values() for path in held})
    lines = []
    for path in paths:
        of_path = [group for group, held in groups.items() if path in held]
        count = sum(group.count for group in of_path)
        first, last = min(g.first_at for g in of_path), max(g.last_at for g in of_path)
        share = count / max(1, one.seen.compared)
        lines.append(Line(one.route, path, count, share, first, last, examples.get((one.route, path))))
    return sorted(lines, key=lambda line: -line.count)


def _route_as_json(one: Verdict) -> dict[str, object]:
    seen = one.seen
    return {
        "route": one.route, "is_good": one.is_good, "why": one.why, "compared": seen.compared,
        "mismatches": one.mismatches, "upper": round(one.upper, 6), "more": one.more, "healed": seen.healed,
        "lagging": seen.lagging, "void": seen.void, "too_large": seen.too_large, "impure": seen.impure,
    }  # fmt: skip
