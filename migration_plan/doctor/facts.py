"""What `fig doctor` knows when it judges: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Side
from migration_plan.monitoring.ownership import Glance
from migration_plan.recovering.recovery import Decision
from migration_plan.sync.status import DomainStatus


@dataclass(frozen=True)
class DomainFacts:
    """One domain. None, wherever it stands: could not be asked."""

    plan: Plan
    glance: Glance
    owners_at: Mapping[str, Side | None]
    """Whom each proxy takes for the owner."""
    decision: Decision
    is_leased: bool
    """A controller is at work: what is unsettled is being settled."""
    status: DomainStatus
    letters: int | None
    breaches: tuple[str, ...]
    """Tables whose fence is not as the row says."""
    half_done: tuple[tuple[str, str], ...] = ()
    """Commands that died half-way: when they began, and what to type."""
    lens_problems: tuple[str, ...] = ()
    """What the schemas have against the plan's lens."""

    @property
    def domain(self) -> str:
        return self.plan.domain


@dataclass(frozen=True)
class Clock:
    """How far a clock is from the journal's, and how exactly that could be told. Seconds."""

    whose: str
    ahead: float
    within: float


@dataclass(frozen=True)
class Version:
    """What of ours lies in a database, and what this fig needs there."""

    where: str
    found: int
    needed: int


@dataclass(frozen=True)
class Validity:
    """Of one certificate."""

    subject: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class CertificateFile:
    """A file of one or several certificates that a proxy reads."""

    proxy: str
    what: str
    path: str
    certificates: tuple[Validity, ...]
    fits: bool | None = None
    """Whether the key is that of the first one; None: it has none here, or one that we may not read."""
    trouble: str = ""
    """Why it, or its key, cannot be used."""


@dataclass(frozen=True)
class Facts:
    """All that was seen."""

    domains: tuple[DomainFacts, ...]
    journal: str
    """Why it does not answer; empty: it does."""
    clocks: tuple[Clock, ...] = ()
    drifted: tuple[str, ...] = ()
    """Proxies on this machine whose installed configuration is another one."""
    rehearsal: str = ""
    """The folder that a rehearsal has left which was killed; empty: none."""
    silent: tuple[tuple[str, str], ...] = ()
    """Processes that should show figures and do not: code and address."""
    versions: tuple[Version, ...] = ()
    files: tuple[CertificateFile, ...] = ()
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def misfits(self) -> tuple[Version, ...]:
        """Where another fig was last. While there are any, nothing else is asked: asking would change them."""
        return tuple(one for one in self.versions if one.found != one.needed)
