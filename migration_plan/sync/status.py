"""`fig sync status`: where both streams and the publishers of a domain are, read from the servers themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from cdc import position, servers
from cdc.capture import watch
from cdc.capture.budget import limit
from cdc.capture.watch import Look
from cdc.control import Phase
from cdc.copying import snapshot
from cdc.copying.snapshot import SnapshotProgress
from cdc.errors import CdcError
from cdc.position import Position, parse_lsn
from migration_plan.errors import JournalUnreachable
from migration_plan.parts import Parts
from migration_plan.sync.standing import Line, lines, why_halted
from migration_plan.sync.troubles import figures_at


@dataclass(frozen=True)
class LineStatus:
    """One stream or publisher. Bytes and seconds; None: not known, or there is no such thing."""

    name: str
    direction: str
    state: str
    reason: str = ""
    next_step: str = ""
    lag_seconds: float | None = None
    lag_bytes: int | None = None
    rows_per_second: float | None = None
    retained_wal: int | None = None
    wal_budget: int | None = None
    wal_status: str = ""
    times_given_up: int = 0
    snapshot: SnapshotProgress | None = None
    last_alarm: Mapping[str, Any] | None = None
    source_lsn: str = ""
    """The end of the source's WAL; `applied_lsn`: what the target has of it. Empty: not known."""
    applied_lsn: str = ""

    @property
    def is_well(self) -> bool:
        return self.state in ("streaming", "not begun")

    def as_json(self) -> dict[str, object]:
        shown = {name: value for name, value in vars(self).items() if name != "snapshot"}
        return {**shown, "snapshot": None if self.snapshot is None else self.snapshot.as_json()}


@dataclass(frozen=True)
class DomainStatus:
    domain: str
    lines: tuple[LineStatus, ...]
    verified_age: float | None
    differences: int | None

    @property
    def is_well(self) -> bool:
        """Every stream that should run does."""
        return all(line.is_well for line in self.lines)

    @property
    def next_steps(self) -> list[str]:
        wanted = [line.next_step for line in self.lines if line.next_step]
        if not wanted and self.verified_age is None:
            wanted = [f"fig sync verify {self.domain}"]
        return list(dict.fromkeys(wanted)) or [f"fig advance {self.domain}"]

    def as_json(self) -> dict[str, object]:
        return {
            "domain": self.domain, "streams": [line.as_json() for line in self.lines], "well": self.is_well,
            "verified_age": self.verified_age, "differences": self.differences, "next_steps": self.next_steps,
        }  # fmt: skip


def status(parts: Parts, metrics: str) -> DomainStatus:
    """Everything now. `metrics`: where `fig streams` shows its figures, for the rates; empty: nowhere."""
    rates = _rates(metrics, parts.domain)
    try:
        verified, alarms = parts.journal.last_verification(parts.domain), _alarms(parts)
    except JournalUnreachable:
        verified, alarms = None, {}
    found = tuple(_line(parts, line, rates.get(line.direction), alarms.get(line.name)) for line in lines(parts))
    age, differences = (None, None) if verified is None else (verified.age, verified.differences)
    return DomainStatus(parts.domain, found, age, differences)


def _line(parts: Parts, line: Line, rate: float | None, alarm: Mapping[str, Any] | None) -> LineStatus:
    try:
        with servers.connect(line.source_dsn, "source", "fig-status") as connection:
            seen = watch.look(connection, line.name, line.slot)
    except (CdcError, psycopg.Error) as error:
        said = getattr(error, "message", "its source cannot be looked at")
        return LineStatus(line.name, line.direction, "source away", said, "fig status", last_alarm=alarm)
    where, copied, target_away = _on_target(parts, line)
    state, reason, follow = _state(parts.domain, line, seen, where, target_away, alarm)
    lag = None
    if where is not None and where.source_time is not None:
        lag = max(0.0, (seen.source_time - where.source_time).total_seconds())
    return LineStatus(
        line.name, line.direction, state, reason, follow, lag,
        max(0, seen.end - where.lsn) if where is not None else seen.slot.unconfirmed,
        rate, seen.slot.retained, limit(parts.plan.budget.value, seen.slot), seen.slot.wal_status, seen.control.times,
        copied, alarm, position.lsn_text(seen.end), "" if where is None else position.lsn_text(where.lsn),
    )  # fmt: skip


def _on_target(parts: Parts, line: Line) -> tuple[Position | None, SnapshotProgress | None, str]:
    """Position, copy, and why neither is known. A publisher has its target at the broker."""
    if line.direction.startswith("outbox"):
        return None, None, ""
    try:
        with servers.connect(parts.plan.sides[line.source.other].dsn, "target", "fig-status") as target:
            copies = snapshot.read(target, line.name)
            return position.read(target, line.name), copies[0] if copies else None, ""
    except CdcError as error:
        return None, None, error.message


def _state(
    domain: str, line: Line, seen: Look, where: Position | None, target_away: str, alarm: Mapping[str, Any] | None
) -> tuple[str, str, str]:
    """State, reason, and what to type next."""
    decided = seen.control
    if decided.paused:
        return "paused", why_halted(decided), f"fig sync start {domain}"
    if decided.phase is Phase.WAITING:
        return "waiting", why_halted(decided), f"fig sync snapshot {domain} --direction {line.direction}"
    if decided.phase is not Phase.RUNNING:
        return str(decided.phase), why_halted(decided), f"fig sync status {domain}"
    if target_away:
        return "target away", target_away, "fig status"
    if seen.slot.exists and seen.slot.active and not _stands(where, alarm):
        return "streaming", "", ""
    if not seen.slot.exists and where is None:
        return "not begun", "", ""
    said = str(alarm["reason"]) if alarm else "nothing reads from its slot"
    follow = str(alarm.get("next_step") or "") if alarm else ""
    return "stopped", said, follow or "see that `fig streams` runs: fig status; fig logs streams"


def _stands(where: Position | None, alarm: Mapping[str, Any] | None) -> bool:
    """Whether the stream has not got past what rang the alarm; it tries again and again, so an active slot says
    nothing."""
    if where is None or alarm is None:
        return False
    stood_at, before = (parse_lsn(alarm.get(name) or "0/0") for name in ("stood_at", "before"))
    return where.lsn <= stood_at or where.lsn < before


def _alarms(parts: Parts) -> dict[str, Mapping[str, Any]]:
    """The newest alarm of each stream and publisher that nothing has answered since."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in parts.journal.entries(parts.domain, 200):
        name = entry.detail.get("stream") or entry.detail.get("publisher")
        if name and entry.kind == "alarm":
            found[name] = {"at": entry.at.isoformat(), **entry.detail}
        elif name and entry.kind in ("stream-returned", "publisher-returned"):
            found.pop(name, None)
    return found


def _rates(metrics: str, domain: str) -> dict[str, float]:
    """Rows per second by direction, as `fig streams` counts them; nothing where it does not answer."""
    return {
        sample.labels["direction"]: sample.value
        for sample in figures_at(metrics)
        if sample.name == "fig_stream_rows_per_second" and sample.labels["domain"] == domain
    }
