"""Who owns each domain, as both sides' rows, the proxies and the journal say now. Pure: rows in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migration_plan.lifecycle import Row, Side, Stage


@dataclass(frozen=True)
class Glance:
    """One domain at one moment."""

    domain: str
    rows: Mapping[Side, Row | None]
    """None: not enrolled there, or not readable."""
    readable: Mapping[Side, bool]
    proxies: Mapping[str, int | None]
    """Each proxy's epoch of the domain; None: it does not answer, or does not know the domain."""
    stage: Stage | None
    """None: the journal does not answer."""

    @property
    def is_enrolled(self) -> bool:
        """Whether there is a row; both sides get one together, so that one side that is read tells it of both."""
        return any(self.rows.values()) or not any(self.readable.values())

    @property
    def owners(self) -> tuple[Side, ...]:
        return tuple(side for side, row in self.rows.items() if row is not None and row.state == "owner")

    @property
    def is_ownerless(self) -> bool:
        """No side is seen to own: what is written now is refused, or waits."""
        return self.is_enrolled and self.stage is not Stage.MONOLITH and not self.owners

    @property
    def epoch(self) -> int:
        return max((row.epoch for row in self.rows.values() if row is not None), default=0)

    @property
    def behind(self) -> tuple[str, ...]:
        """Proxies that do not answer or do not know yet who owns; nothing to compare with while nobody owns."""
        owner = next((row for row in self.rows.values() if row is not None and row.state == "owner"), None)
        least = 0 if owner is None else owner.epoch
        return tuple(name for name, epoch in self.proxies.items() if epoch is None or epoch < least)


@dataclass
class Ownerless:
    """For how long nobody has been seen to own each domain. Seconds, by the caller's clock."""

    since: dict[str, float]

    def look(self, glances: Sequence[Glance], now: float) -> None:
        for glance in glances:
            if glance.is_ownerless:
                self.since.setdefault(glance.domain, now)
            else:
                self.since.pop(glance.domain, None)

    def seconds(self, domain: str, now: float) -> float:
        return now - self.since[domain] if domain in self.since else 0.0
