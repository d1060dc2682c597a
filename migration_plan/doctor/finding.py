"""What `fig doctor` finds: a code, how bad it is, what is the case, and what to type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    CRITICAL = "critical"  # Users or rows are in danger, or will be soon.
    WARNING = "warning"  # Nobody is hurt; the next step of the migration is refused, or may be.


CODES: Mapping[str, tuple[Severity, str]] = {
    "schema-newer": (Severity.CRITICAL, "A later fig was in a database: this one does nothing there."),
    "schema-older": (Severity.WARNING, "A database has an earlier fig's tables and functions; a command brings it on."),
    "journal-away": (Severity.CRITICAL, "The journal's database does not answer: no switch begins."),
    "side-away": (Severity.CRITICAL, "A side's database does not answer."),
    "nobody-owns": (Severity.CRITICAL, "No side owns the domain: its writes are refused, or wait."),
    "two-own": (Severity.CRITICAL, "Both sides say that they own: a database came back from the past."),
    "unsettled": (Severity.CRITICAL, "A switch is not finished, and nobody is at work on it."),
    "fence-breach": (Severity.CRITICAL, "A table's fence is not as the side's row says."),
    "proxy-away": (Severity.CRITICAL, "A proxy does not answer on its admin socket."),
    "proxy-behind": (Severity.CRITICAL, "A proxy's route is not the owner's, or of another epoch."),
    "proxy-drift": (Severity.WARNING, "A proxy runs with another configuration than settings and plans give."),
    "certificate-expired": (Severity.CRITICAL, "A certificate that a proxy shows or trusts has ended."),
    "certificate-not-yet": (Severity.CRITICAL, "A certificate that a proxy shows or trusts has not begun."),
    "certificate-expires": (Severity.WARNING, "A certificate that a proxy shows or trusts ends within 21 days."),
    "certificate-key": (Severity.CRITICAL, "A proxy's key is not that of its certificate: nginx would not start."),
    "certificate-unreadable": (Severity.CRITICAL, "A proxy's certificate, key or authorities cannot be used."),
    "lens-misfit": (Severity.WARNING, "The two schemas and the plan's lens do not fit: no switch, and soon no stream."),
    "stream-stopped": (Severity.CRITICAL, "A stream or publisher does not run and nobody has paused it."),
    "stream-paused": (Severity.WARNING, "A person has paused a stream; its slot goes on keeping WAL."),
    "stream-lag": (Severity.WARNING, "A stream is further behind than the plan's gate allows."),
    "wal-budget": (Severity.CRITICAL, "A slot keeps more than half of the WAL that it may."),
    "disk-low": (Severity.WARNING, "The server's disk allows a slot less WAL than the plan's budget."),
    "broker-away": (Severity.CRITICAL, "The broker does not answer: nothing is known of dead letters."),
    "dead-letters": (Severity.WARNING, "Events that the domain could not take lie in its dead queue."),
    "never-verified": (Severity.WARNING, "Both sides were never compared."),
    "verification-stale": (Severity.WARNING, "The last comparison is older than the plan allows."),
    "rows-differ": (Severity.CRITICAL, "The last comparison found rows that differ."),
    "clock-skew": (Severity.WARNING, "A clock differs from the journal's by more than a second or two."),
    "streams-silent": (Severity.CRITICAL, "`fig streams` shows no figures: it does not run, or nobody can watch it."),
    "rehearsal-left": (Severity.WARNING, "A rehearsal has died: copies of live rows are still on this disk."),
    "half-done": (Severity.WARNING, "A command died half-way; whoever gives it again brings the rest."),
    "controller-silent": (
        Severity.CRITICAL,
        "`fig controller` shows no figures: it does not run, or not where it should.",
    ),
}
"""Every code that there is. Codes are kept for ever: alarms and scripts depend on them."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not healthy."""

    code: str
    domain: str
    """Empty: it concerns all."""
    what: str
    next_step: str

    @property
    def severity(self) -> Severity:
        return CODES[self.code][0]

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "severity": self.severity, "domain": self.domain, "what": self.what,
                "next_step": self.next_step}  # fmt: skip
