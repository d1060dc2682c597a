"""From facts to findings: every check of `fig doctor`, pure. The order is that in which one would look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cdc.capture.budget import CALM
from migration_plan.doctor.facts import CertificateFile, DomainFacts, Facts
from migration_plan.doctor.finding import Finding, Severity
from migration_plan.lifecycle import Stage
from migration_plan.recovering.recovery import Case
from migration_plan.rehearsal.place import removal_of
from migration_plan.sync.status import LineStatus

SKEW = 1.0
"""Seconds that a clock may differ: marks of own writes and lags compare times of two clocks."""
RENEWAL = timedelta(days=21)
"""How long before its end a certificate is named: who renews by a timer does so earlier."""


def findings(facts: Facts) -> list[Finding]:
    """All, the critical ones first."""
    found = [*_versions(facts), *_of_all(facts)]
    for file in facts.files:
        found += _certificates(file, facts.at)
    for domain in facts.domains:
        for check in CHECKS:
            found += check(domain)
    return sorted(found, key=lambda one: one.severity is not Severity.CRITICAL)


def _versions(facts: Facts) -> Iterator[Finding]:
    for one in facts.misfits:
        what = f"{one.where} is at version {one.found} of what fig keeps there, this fig knows version {one.needed}"
        if one.found > one.needed:
            yield Finding("schema-newer", "", f"{what}; nothing else was looked at",
                          "use the fig that was here last, in every process: fig --version")  # fmt: skip
        else:
            yield Finding("schema-older", "", f"{what}; nothing else was looked at, as that would bring it on",
                          "as who owns the schema fig: fig status; then start each process of fig anew")  # fmt: skip


def _of_all(facts: Facts) -> Iterator[Finding]:
    if facts.journal:
        yield Finding("journal-away", "", facts.journal, "see that its server runs: fig status")
    for code, address in facts.silent:
        process = code.removesuffix("-silent")
        yield Finding(code, "", f"nothing answers at http://{address}/metrics", f"fig status; fig logs {process}")
    for name in facts.drifted:
        yield Finding("proxy-drift", "", f"what proxy {name} runs with is not what fig.yml and the plans give",
                      "restart it: fig stop nginx; fig up")  # fmt: skip
    if facts.rehearsal:
        yield Finding("rehearsal-left", "", f"a rehearsal has died; copies of live rows lie in {facts.rehearsal}",
                      removal_of(Path(facts.rehearsal)))  # fmt: skip
    for clock in facts.clocks:
        if abs(clock.ahead) > SKEW + clock.within:
            way = "ahead of" if clock.ahead > 0 else "behind"
            yield Finding("clock-skew", "", f"{clock.whose}: its clock is {abs(clock.ahead):.1f} s {way} the journal's",
                          "let the machines keep time (chrony, systemd-timesyncd)")  # fmt: skip


def commands(one: DomainFacts) -> Iterator[Finding]:
    for since, command in one.half_done:
        if not one.is_leased:
            yield Finding("half-done", one.domain, f"`{command}`, given {since}, has not ended", command)


def _certificates(file: CertificateFile, now: datetime) -> Iterator[Finding]:
    where, then = f"proxy {file.proxy}: {file.what} in {file.path}", f"fig proxies reload {file.proxy}"
    if file.trouble:
        yield Finding("certificate-unreadable", "", f"{where}: {file.trouble}", f"put the file right; then {then}")
    if file.fits is False:
        yield Finding("certificate-key", "", f"{where} is of another key than the one beside it",
                      f"put both in place; then {then}")  # fmt: skip
    for one in file.certificates:
        named = f"{where} ({one.subject})"
        if now >= one.ends:
            yield Finding("certificate-expired", "", f"{named} has ended on {one.ends:%Y-%m-%d}",
                          f"renew it; then {then}")  # fmt: skip
        elif now < one.begins:
            yield Finding("certificate-not-yet", "", f"{named} begins on {one.begins:%Y-%m-%d %H:%M} UTC",
                          f"set this machine's clock right, or take the former one again; then {then}")  # fmt: skip
        elif one.ends - now < RENEWAL:
            yield Finding("certificate-expires", "", f"{named} ends on {one.ends:%Y-%m-%d}",
                          f"renew it; then {then}")  # fmt: skip


def sides(one: DomainFacts) -> Iterator[Finding]:
    for side, readable in one.glance.readable.items():
        if not readable:
            yield Finding("side-away", one.domain, f"the {side} side's database does not answer",
                          "see that its server runs: fig status")  # fmt: skip


def ownership(one: DomainFacts) -> Iterator[Finding]:
    rows = ", ".join(f"{side} {row or 'unknown'}" for side, row in one.glance.rows.items())
    if not one.glance.is_enrolled or one.glance.stage is Stage.MONOLITH or one.is_leased:
        return
    if one.decision.case is Case.TWO_OWNERS:
        yield Finding("two-own", one.domain, f"both sides claim the domain: {rows}", f"fig resume {one.domain}")
    elif one.glance.is_ownerless:
        step = f"fig resume {one.domain}"
        if not all(one.glance.readable.values()):
            step = f"bring the database back that does not answer; then {step}"
        yield Finding("nobody-owns", one.domain, f"no side owns: {rows}", step)
    elif not one.decision.settled:
        yield Finding(
            "unsettled", one.domain, f"{one.decision.case}: {one.decision.reason}", f"fig resume {one.domain}"
        )


def fences(one: DomainFacts) -> Iterator[Finding]:
    for breach in one.breaches:
        yield Finding(
            "fence-breach", one.domain, breach, "fig status; the controller repairs it, and its log says when"
        )


def proxies(one: DomainFacts) -> Iterator[Finding]:
    owners = one.glance.owners
    for name, epoch in one.glance.proxies.items():
        if epoch is None:
            yield Finding("proxy-away", one.domain, f"proxy {name} does not answer", "fig status; fig logs nginx")
        elif one.glance.is_enrolled and len(owners) == 1 and not one.is_leased:
            owner, there = one.glance.rows[owners[0]], one.owners_at.get(name)
            if owner is not None and (epoch != owner.epoch or there is not owner.side):
                what = f"proxy {name} sends to {there} at epoch {epoch}; {owner.side} owns at epoch {owner.epoch}"
                yield Finding("proxy-behind", one.domain, what, f"fig resume {one.domain}")


def lens(one: DomainFacts) -> Iterator[Finding]:
    for problem in one.lens_problems:
        yield Finding("lens-misfit", one.domain, problem,
                      f"make the plan's tables and both schemas fit; then fig sync accept {one.domain}")  # fmt: skip


def streams(one: DomainFacts) -> Iterator[Finding]:
    if one.glance.stage in (Stage.MONOLITH, Stage.RETIRED):
        return
    for line in one.status.lines:
        yield from _line(one, line)


def _line(one: DomainFacts, line: LineStatus) -> Iterator[Finding]:
    if line.state == "source away":
        return  # Its database is, and that is said.
    if line.state == "paused":
        yield Finding("stream-paused", one.domain, f"{line.name}: {line.reason}", line.next_step)
    elif line.state != "streaming":
        step = line.next_step or f"fig sync status {one.domain}"
        yield Finding("stream-stopped", one.domain, f"{line.name} is {line.state}: {line.reason}", step)
    elif line.lag_seconds is not None and line.lag_seconds > one.plan.gates.lag:
        what = f"{line.name} is {line.lag_seconds:.1f} s behind; the plan allows {one.plan.gates.lag:.1f} s"
        yield Finding("stream-lag", one.domain, what, f"fig sync status {one.domain}")
    if line.wal_budget is not None and (line.retained_wal or 0) > line.wal_budget * CALM:
        what = f"the slot of {line.name} keeps {line.retained_wal:,} bytes of WAL; it may keep {line.wal_budget:,}"
        yield Finding("wal-budget", one.domain, what, f"fig sync status {one.domain}")
    if line.wal_budget is not None and line.wal_budget < one.plan.budget.wal:
        what = f"{line.name} may keep {line.wal_budget:,} bytes of WAL; the plan wants {one.plan.budget.wal:,}"
        yield Finding("disk-low", one.domain, what, "free the disk of its source, or lower the plan's budget: wal")


def events(one: DomainFacts) -> Iterator[Finding]:
    if one.letters is None:
        yield Finding("broker-away", one.domain, "the broker does not answer", "fig status; fig logs rabbitmq")
    elif one.letters:
        yield Finding(
            "dead-letters", one.domain, f"{one.letters} dead letter(s)", f"fig dead-letters list {one.domain}"
        )


def verification(one: DomainFacts) -> Iterator[Finding]:
    stage, age = one.glance.stage, one.status.verified_age
    if stage in (None, Stage.MONOLITH, Stage.RETIRED):
        return
    step = f"fig verify {one.domain}"
    if age is None:
        yield Finding(
            "never-verified", one.domain, "both sides were never compared since the domain was enrolled", step
        )
    elif one.status.differences:
        yield Finding(
            "rows-differ", one.domain, f"{one.status.differences} row(s) differ", f"fig sync repair {one.domain}"
        )
    elif age > one.plan.gates.verification_age:
        what = f"the last comparison is {age:.0f} s old; the plan allows {one.plan.gates.verification_age:.0f} s"
        yield Finding("verification-stale", one.domain, what, step)


CHECKS: tuple[Callable[[DomainFacts], Iterator[Finding]], ...] = (
    sides, ownership, fences, proxies, lens, streams, events, verification, commands,
)  # fmt: skip
