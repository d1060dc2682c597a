"""The journal's database: intents and outcomes, stages, leases, verifications.

The lease keeps two controllers from working at once; safety does not depend on it (the sides' rows decide).
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from migration_plan.errors import JournalUnreachable, LeaseHeld, StaleEpoch
from migration_plan.lifecycle import Stage
from migration_plan.side import CONNECT


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    id: int
    at: datetime
    domain: str
    switch: UUID | None
    kind: str
    epoch: int | None
    actor: str
    detail: Mapping[str, Any]

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id, "at": self.at.isoformat(), "domain": self.domain, "kind": self.kind, "epoch": self.epoch,
            "switch": str(self.switch) if self.switch else None, "actor": self.actor, "detail": dict(self.detail),
        }  # fmt: skip


@dataclass(frozen=True)
class Verification:
    """The last verification of a domain. `age` in seconds, by the journal's clock."""

    rows: int
    differences: int
    age: float


@dataclass(frozen=True)
class ContractRun:
    """The last run of a domain's contract command. `age` in seconds, by the journal's clock."""

    exit_code: int
    age: float


def actor() -> str:
    """Who acts: user, host and process."""
    return (
        f"{os.environ.get('FIG_ACTOR') or os.environ.get('USER') or os.getuid()}@{socket.gethostname()}:{os.getpid()}"
    )


class Journal:
    """The port to the journal. Raises JournalUnreachable and nothing else when the database is away."""

    def __init__(self, dsn: str) -> None:
        self._dsn = make_conninfo(dsn, **CONNECT)
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._connecting = threading.Lock()
        self.actor = actor()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[dict[str, Any]]:
        """One connection for all threads of a process; psycopg lets one of them at a time use it."""
        with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self._dsn, autocommit=True, row_factory=dict_row)
                _install(self._connection)
            return self._connection

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        try:
            yield self._connected()
        except psycopg.OperationalError as error:
            self.close()
            raise JournalUnreachable(
                f"the journal's database does not answer: {str(error).strip().splitlines()[0]}", "fig status"
            ) from error

    def record(
        self, domain: str, kind: str, epoch: int | None = None, switch: UUID | None = None, at: datetime | None = None,
        **detail: object,
    ) -> None:  # fmt: skip
        """Append one line; durable when this returns."""
        with self._session() as connection:
            connection.execute(
                "insert into fig.journal (at, domain, switch, kind, epoch, actor, detail)"
                " values (coalesce(%s, clock_timestamp()), %s, %s, %s, %s, %s, %s)",
                [at, domain, switch, kind, epoch, self.actor, json.dumps(detail, default=str)],
            )

    def entries(self, domain: str, last: int = 50) -> list[Entry]:
        """The newest lines of a domain, oldest first."""
        with self._session() as connection:
            found = connection.execute(
                "select * from (select * from fig.journal where domain = %s order by id desc limit %s) l order by id",
                [domain, last],
            ).fetchall()
        return [Entry(**r) for r in found]

    def entries_since(self, domain: str, kind: str, since: datetime) -> list[Entry]:
        """All lines of one kind from a time on, oldest first."""
        with self._session() as connection:
            found = connection.execute(
                "select * from fig.journal where domain = %s and kind = %s and at >= %s order by id",
                [domain, kind, since],
            ).fetchall()
        return [Entry(**r) for r in found]

    def last(self, domain: str, kind: str) -> Entry | None:
        """The newest line of one kind."""
        with self._session() as connection:
            found = connection.execute(
                "select * from fig.journal where domain = %s and kind = %s order by id desc limit 1", [domain, kind]
            ).fetchone()
        return None if found is None else Entry(**found)

    def now(self) -> datetime:
        """The journal's clock: the one by which times are compared."""
        with self._session() as connection:
            found = connection.execute("select clock_timestamp() as now").fetchone()
        assert found is not None  # noqa: S101 - a SELECT without FROM has one row.
        moment: datetime = found["now"]
        return moment

    def open_intent(self, domain: str) -> Entry | None:
        """The last intent that no outcome has closed yet. An outcome closes its own switch's; one that names none
        (an earlier release's recovery) every earlier one."""
        with self._session() as connection:
            found = connection.execute(
                "select * from fig.journal j where domain = %s and kind = 'intent' and not exists"
                " (select 1 from fig.journal o where o.domain = j.domain and o.id > j.id"
                "  and o.kind in ('done', 'aborted', 'recovered') and coalesce(o.switch = j.switch, true))"
                " order by id desc limit 1",
                [domain],
            ).fetchone()
        return None if found is None else Entry(**found)

    def stage(self, domain: str) -> Stage:
        """How far the domain is; a domain that was never moved is at the monolith."""
        with self._session() as connection:
            found = connection.execute("select stage from fig.stage where domain = %s", [domain]).fetchone()
        return Stage(found["stage"]) if found else Stage.MONOLITH

    def set_stage(self, domain: str, stage: Stage, epoch: int) -> None:
        """Compare-and-set on the epoch: a late controller cannot set an old stage."""
        with self._session() as connection:
            found = connection.execute(
                "insert into fig.stage as s (domain, stage, epoch) values (%s, %s, %s)"
                " on conflict (domain) do update set stage = excluded.stage, epoch = excluded.epoch,"
                " changed_at = clock_timestamp() where s.epoch <= excluded.epoch returning 1",
                [domain, stage, epoch],
            ).fetchone()
        if found is None:
            raise StaleEpoch(domain, "journal's", f"beyond epoch {epoch}")

    def last_epoch(self, domain: str) -> int:
        """The highest epoch that was ever journaled; 0 for a domain that is new."""
        with self._session() as connection:
            found = connection.execute(
                "select max(epoch) as epoch from fig.journal where domain = %s", [domain]
            ).fetchone()
        return (found and found["epoch"]) or 0

    def verified(self, domain: str, rows: int, differences: int, detail: Mapping[str, object]) -> None:
        """Remember a verification; its age is a gate."""
        with self._session() as connection:
            connection.execute(
                "insert into fig.verification (domain, rows, differences, detail) values (%s, %s, %s, %s)",
                [domain, rows, differences, json.dumps(detail, default=str)],
            )

    def last_verification(self, domain: str) -> Verification | None:
        """The newest verification since the domain was enrolled, or None."""
        with self._session() as connection:
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
        with self._session() as connection:
            found = connection.execute(
                "select (detail ->> 'exit_code')::int as exit_code,"
                " extract(epoch from clock_timestamp() - at)::float8 as age"
                " from fig.journal where domain = %s and kind = 'contract' order by id desc limit 1",
                [domain],
            ).fetchone()
        return None if found is None else ContractRun(**found)

    def acquire(self, domain: str, seconds: float) -> Lease:
        """Take the domain's lease, or raise LeaseHeld naming who has it and for how long."""
        with self._session() as connection:
            found = connection.execute(
                "insert into fig.lease as l (domain, holder, token, until)"
                " values (%(d)s, %(h)s, 1, clock_timestamp() + make_interval(secs => %(s)s))"
                " on conflict (domain) do update"
                " set holder = excluded.holder, token = l.token + 1, until = excluded.until"
                " where l.until < clock_timestamp() or l.holder = excluded.holder returning token",
                {"d": domain, "h": self.actor, "s": seconds},
            ).fetchone()
            if found is not None:
                return Lease(self, domain, found["token"], seconds)
            held = connection.execute(
                "select holder, extract(epoch from until - clock_timestamp())::float8 as left from fig.lease"
                " where domain = %s",
                [domain],
            ).fetchone()
        raise LeaseHeld(domain, held["holder"] if held else "somebody", max(0.0, held["left"]) if held else 0.0)

    def is_leased(self, domain: str) -> bool:
        """Whether somebody is at work on the domain."""
        with self._session() as connection:
            query = "select 1 from fig.lease where domain = %s and until > clock_timestamp()"
            return connection.execute(query, [domain]).fetchone() is not None

    def renew(self, lease: Lease) -> bool:
        """Prolong; False when it was lost meanwhile."""
        with self._session() as connection:
            found = connection.execute(
                "update fig.lease set until = clock_timestamp() + make_interval(secs => %s)"
                " where domain = %s and holder = %s and token = %s returning 1",
                [lease.seconds, lease.domain, self.actor, lease.token],
            ).fetchone()
        return found is not None

    def give_back(self, lease: Lease) -> None:
        """End it now, unless somebody else has it already."""
        with self._session() as connection:
            connection.execute(
                "update fig.lease set until = clock_timestamp() - interval '1 second'"
                " where domain = %s and holder = %s and token = %s",
                [lease.domain, self.actor, lease.token],
            )


def _install(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """Create the tables in a journal that is new."""
    if connection.execute("select 1 from pg_class where oid = to_regclass('fig.verification')").fetchone() is None:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtext('fig.journal'))")  # One of us creates.
            connection.execute(files(__package__).joinpath("journal.sql").read_text())


@dataclass(frozen=True)
class Lease:
    """The right to work on a domain for a while. `token` grows with every change of hands."""

    journal: Journal
    domain: str
    token: int
    seconds: float
