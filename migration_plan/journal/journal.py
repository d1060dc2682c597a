"""The journal's database: intents and outcomes, stages, leases, verifications.

The lease keeps two controllers from working at once; safety does not depend on it (the sides' rows decide).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from migration_plan.errors import LeaseHeld, StaleEpoch
from migration_plan.journal.connection import JournalConnection
from migration_plan.journal.entries import ContractRun, Entry, Verification
from migration_plan.lifecycle import Stage
from migration_plan.tracing.spans import Told

_ENTRIES: LiteralString = (
    "select id, at, domain, switch, kind, epoch, actor, detail, host(address) as address, reason"
    " from fig.journal j where "
)


class Journal(JournalConnection):
    """The port to the journal. Raises JournalUnreachable and nothing else when the database is away."""

    def record(
        self, domain: str, kind: str, epoch: int | None = None, switch: UUID | None = None, at: datetime | None = None,
        **detail: object,
    ) -> None:  # fmt: skip
        """Append one line; durable when this returns."""
        with self.session() as connection:
            connection.execute(
                "insert into fig.journal (at, domain, switch, kind, epoch, actor, reason, detail)"
                " values (coalesce(%s, clock_timestamp()), %s, %s, %s, %s, %s, %s, %s)",
                [at, domain, switch, kind, epoch, self.actor, self.reason or None, json.dumps(detail, default=str)],
            )

    def record_all(self, domain: str, epoch: int, switch: UUID, outcomes: Sequence[Told]) -> None:
        """Append the outcomes of one switch: durable together when this returns, or none of them. One statement, for
        other threads use the same session, and one flush, for others' databases wait for the same disk."""
        lines = [{"at": one.at, "kind": one.kind, "detail": dict(one.detail)} for one in outcomes]
        with self.session() as connection:
            connection.execute(
                "insert into fig.journal (at, domain, switch, kind, epoch, actor, reason, detail)"
                " select (line ->> 'at')::timestamptz, %s, %s, line ->> 'kind', %s, %s, %s, line -> 'detail'"
                " from jsonb_array_elements(%s::jsonb) with ordinality as lines (line, number) order by number",
                [domain, switch, epoch, self.actor, self.reason or None, json.dumps(lines, default=str)],
            )

    def entries(self, domain: str | None, last: int = 50) -> list[Entry]:
        """The newest lines of a domain, or of all of them, oldest first."""
        return self._entries("domain = coalesce(%s::text, domain) order by id desc limit %s", [domain, last])[::-1]

    def _entries(self, where: LiteralString, values: Sequence[object]) -> list[Entry]:
        with self.session() as connection:
            found = connection.execute(_ENTRIES + where, values).fetchall()
        return [Entry(**row) for row in found]

    def entries_since(self, domain: str, kind: str, since: datetime) -> list[Entry]:
        """All lines of one kind from a time on, oldest first."""
        return self._entries("domain = %s and kind = %s and at >= %s order by id", [domain, kind, since])

    def last(self, domain: str, kind: str) -> Entry | None:
        """The newest line of one kind."""
        return next(iter(self._entries("domain = %s and kind = %s order by id desc limit 1", [domain, kind])), None)

    def now(self) -> datetime:
        """The journal's clock: the one by which times are compared."""
        with self.session() as connection:
            found = connection.execute("select clock_timestamp() as now").fetchone()
        assert found is not None  # noqa: S101 - a SELECT without FROM has one row.
        moment: datetime = found["now"]
        return moment

    def open_intent(self, domain: str) -> Entry | None:
        """The last intent that no outcome has closed yet. An outcome closes its own switch's; one that names none
        (an earlier release's recovery) every earlier one."""
        found = self._entries(
            "domain = %s and kind = 'intent' and not exists"
            " (select 1 from fig.journal o where o.domain = j.domain and o.id > j.id"
            "  and o.kind in ('done', 'aborted', 'recovered') and coalesce(o.switch = j.switch, true))"
            " order by id desc limit 1",
            [domain],
        )
        return next(iter(found), None)

    def stage(self, domain: str) -> Stage:
        """How far the domain is; a domain that was never moved is at the monolith."""
        return self.stage_and_epoch(domain)[0]

    def stage_and_epoch(self, domain: str) -> tuple[Stage, int]:
        """The stage, and the owner's epoch when it was last written: the epoch now is that one or a later one."""
        with self.session() as connection:
            found = connection.execute("select stage, epoch from fig.stage where domain = %s", [domain]).fetchone()
        return (Stage(found["stage"]), found["epoch"]) if found else (Stage.MONOLITH, 0)

    def set_stage(self, domain: str, stage: Stage, epoch: int) -> None:
        """Compare-and-set on the epoch: a late controller cannot set an old stage."""
        with self.session() as connection:
            found = connection.execute(
                "insert into fig.stage as s (domain, stage, epoch) values (%s, %s, %s)"
                " on conflict (domain) do update set stage = excluded.stage, epoch = excluded.epoch,"
                " changed_at = case when s.stage = excluded.stage then s.changed_at else clock_timestamp() end"
                " where s.epoch <= excluded.epoch returning 1",
                [domain, stage, epoch],
            ).fetchone()
        if found is None:
            raise StaleEpoch(domain, "journal's", f"beyond epoch {epoch}")

    def last_epoch(self, domain: str) -> int:
        """The highest epoch that was ever journaled; 0 for a domain that is new."""
        with self.session() as connection:
            found = connection.execute(
                "select max(epoch) as epoch from fig.journal where domain = %s", [domain]
            ).fetchone()
        return (found and found["epoch"]) or 0

    def verified(self, domain: str, rows: int, differences: int, detail: Mapping[str, object]) -> None:
        """Remember a verification; its age is a gate."""
        with self.session() as connection:
            connection.execute(
                "insert into fig.verification (domain, rows, differences, detail) values (%s, %s, %s, %s)",
                [domain, rows, differences, json.dumps(detail, default=str)],
            )

    def last_verification(self, domain: str) -> Verification | None:
        """The newest verification since the domain was enrolled, or None."""
        with self.session() as connection:
            found = connection.execute(
                "select rows, differences, extract(epoch from clock_timestamp() - at)::float8 as age"
                " from fig.verification v"
                " where domain = %s and at > coalesce((select max(at) from fig.journal where domain = v.domain"
                " and kind in ('sync-started', 'sync-stopped')), '-infinity') order by id desc limit 1",
                [domain],
            ).fetchone()
        return None if found is None else Verification(**found)

    def last_contract(self, domain: str) -> ContractRun | None:
        """The newest run of the contract command, or None."""
        with self.session() as connection:
            found = connection.execute(
                "select (detail ->> 'exit_code')::int as exit_code,"
                " extract(epoch from clock_timestamp() - at)::float8 as age"
                " from fig.journal where domain = %s and kind = 'contract' order by id desc limit 1",
                [domain],
            ).fetchone()
        return None if found is None else ContractRun(**found)

    def acquire(self, domain: str, seconds: float) -> Lease:
        """Take the domain's lease, or raise LeaseHeld naming who has it and for how long."""
        # Whoever had it a moment ago may have given it back before we could ask for how long.
        for is_last in (False, True):
            token, holder, left = self._try_to_acquire(domain, seconds)
            if token is not None:
                return Lease(self, domain, token, seconds)
            if left > 0 or is_last:
                break
        raise LeaseHeld(domain, holder, max(0.0, left))

    def _try_to_acquire(self, domain: str, seconds: float) -> tuple[int | None, str, float]:
        """(our token, or else None; who has it; for how long)"""
        with self.session() as connection:
            found = connection.execute(
                "insert into fig.lease as l (domain, holder, token, until)"
                " values (%(d)s, %(h)s, 1, clock_timestamp() + make_interval(secs => %(s)s))"
                " on conflict (domain) do update"
                " set holder = excluded.holder, token = l.token + 1, until = excluded.until"
                " where l.until < clock_timestamp() or l.holder = excluded.holder returning token",
                {"d": domain, "h": self.actor, "s": seconds},
            ).fetchone()
            if found is not None:
                return found["token"], self.actor, seconds
            held = connection.execute(
                "select holder, extract(epoch from until - clock_timestamp())::float8 as left from fig.lease"
                " where domain = %s",
                [domain],
            ).fetchone()
        return (None, held["holder"], held["left"]) if held else (None, "somebody", 0.0)

    def leased_by(self, domain: str) -> str:
        """Who is at work on the domain now; empty: nobody."""
        with self.session() as connection:
            query = "select holder from fig.lease where domain = %s and until > clock_timestamp()"
            found = connection.execute(query, [domain]).fetchone()
        return "" if found is None else str(found["holder"])

    def is_leased(self, domain: str) -> bool:
        """Whether somebody is at work on the domain."""
        return bool(self.leased_by(domain))

    def renew(self, lease: Lease) -> bool:
        """Prolong; False when it was lost meanwhile."""
        with self.session() as connection:
            found = connection.execute(
                "update fig.lease set until = clock_timestamp() + make_interval(secs => %s)"
                " where domain = %s and holder = %s and token = %s returning 1",
                [lease.seconds, lease.domain, self.actor, lease.token],
            ).fetchone()
        return found is not None

    def give_back(self, lease: Lease) -> None:
        """End it now, unless somebody else has it already."""
        with self.session() as connection:
            connection.execute(
                "update fig.lease set until = clock_timestamp() - interval '1 second'"
                " where domain = %s and holder = %s and token = %s",
                [lease.domain, self.actor, lease.token],
            )


@dataclass(frozen=True)
class Lease:
    """The right to work on a domain for a while. `token` grows with every change of hands."""

    journal: Journal
    domain: str
    token: int
    seconds: float
