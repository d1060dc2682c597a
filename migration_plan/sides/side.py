"""One side's database as the switch sees it: its row, and the four moves as single calls.

Every method is one statement in its own transaction; nothing here keeps a lock between calls. SQLSTATEs of
`side.sql` become errors with names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, LiteralString

import psycopg

from cdc.outbox import install as outbox_install
from migration_plan import versions
from migration_plan.errors import Blocker, NotCaughtUp, SideRefused, StaleEpoch, TablesBusy
from migration_plan.lifecycle import Row, Side
from migration_plan.sides.blockers import blockers
from migration_plan.sides.session import SideSession


@dataclass(frozen=True)
class Breach:
    """A table whose fence is not as the row says."""

    relation: str
    trigger_state: str
    row: Row


class SideDatabase(SideSession):
    """The port to one side."""

    def install(self) -> None:
        """The SQL of this package; `cdc`'s tables must be there already."""
        with self.connection() as connection:
            connection.execute(files(__package__).joinpath("side.sql").read_text())
            versions.record(connection, "side")

    def now(self) -> datetime:
        """This server's clock."""
        with self.connection() as connection:
            found = connection.execute("select clock_timestamp() as now").fetchone()
        assert found is not None  # noqa: S101 - a SELECT without FROM has one row.
        moment: datetime = found["now"]
        return moment

    def row(self, domain: str) -> Row | None:
        """This side's row; None if the domain was never enrolled here."""
        with self.connection() as connection:
            if self._met is not connection and not self._has_schema(connection):
                return None
            self._met = connection
            try:
                found = connection.execute(
                    "select side, state, epoch, marker::text from fig.domain where domain = %s", [domain]
                ).fetchone()
            except psycopg.errors.UndefinedTable:  # Ejected meanwhile, or restored.
                self._met = None
                return None
            return None if found is None else _row(found)

    def settle(self, domain: str, patience: float) -> None:
        """Make a running autovacuum yield, before anyone is held."""
        self._move(domain, "select fig.settle(%s, %s)", [domain, _ms(patience)])

    def rehearse(self) -> None:
        """Make this connection warm: fence and un-fence a table of ours, which nobody writes."""
        self._move("fig_rehearsal", "select fig.rehearse(%s)", [1000])

    def fence(self, domain: str, epoch: int, lock: float, sequences: Sequence[tuple[str, str]]) -> Row:
        """owner, epoch -> fenced, epoch + 1, with the marker in the WAL. `sequences`: (here, there)."""
        return self._move_row(
            domain, "select * from fig.fence(%s, %s, %s, %s)", [domain, epoch, _ms(lock), _pairs(sequences)]
        )

    def unfence(self, domain: str, epoch: int, lock: float) -> Row:
        """fenced, epoch -> owner, epoch + 1: the abort."""
        return self._move_row(domain, "select * from fig.unfence(%s, %s, %s)", [domain, epoch, _ms(lock)])

    def release(self, domain: str, epoch: int, lock: float) -> Row:
        """fenced, epoch -> released, epoch: the decision."""
        return self._move_row(domain, "select * from fig.release(%s, %s, %s)", [domain, epoch, _ms(lock)])

    def can_grant(self, domain: str, epoch: int, stream: str, marker: str, lock: float) -> bool:
        """Whether a grant could go through now; TablesBusy names who is in the way."""
        found = self._move(
            domain,
            "select fig.can_grant(%s, %s, %s, %s, %s) as yes",
            [domain, epoch, stream, marker, _ms(lock)],
        )
        return bool(found and found["yes"])

    def marker_applied(self, epoch: int, stream: str, marker: str) -> bool:
        """Whether this side has applied the fence's marker (perhaps not yet flushed)."""
        with self.connection() as connection:
            found = connection.execute(
                "select fig.marker_applied(%s, %s, %s) as yes", [epoch, stream, marker]
            ).fetchone()
            return bool(found and found["yes"])

    def grant(self, domain: str, epoch: int, stream: str, marker: str, lock: float) -> Row:
        """lower epoch -> owner, epoch. NotCaughtUp when the marker is not applied here (any more)."""
        return self._move_row(
            domain,
            "select * from fig.grant_ownership(%s, %s, %s, %s, %s)",
            [domain, epoch, stream, marker, _ms(lock)],
        )

    def stand_by(self, domain: str, epoch: int, lock: float) -> Row:
        """released, epoch -> standby, epoch."""
        return self._move_row(domain, "select * from fig.stand_by(%s, %s, %s)", [domain, epoch, _ms(lock)])

    def void(self, domain: str, epoch: int, lock: float) -> Row:
        """owner, epoch -> owner, epoch + 2: paused controllers find their epoch gone."""
        return self._move_row(domain, "select * from fig.void(%s, %s, %s)", [domain, epoch, _ms(lock)])

    def stop(self, domain: str, state: str, epoch: int, lock: float) -> Row:
        """Fence a side that came back from the past, if it still is as it was read."""
        return self._move_row(domain, "select * from fig.stop(%s, %s, %s, %s)", [domain, state, epoch, _ms(lock)])

    def give_way(self, domain: str, read: Row, epoch: int, lock: float) -> Row:
        """As it was read -> standby, epoch: the other side is about to be adopted at that epoch."""
        return self._move_row(
            domain, "select * from fig.give_way(%s, %s, %s, %s, %s)",
            [domain, read.state, read.epoch, epoch, _ms(lock)],
        )  # fmt: skip

    def mark_again(self, domain: str, epoch: int, lock: float, sequences: Sequence[tuple[str, str]]) -> Row:
        """released, epoch, with a new marker in the WAL: the taker has lost the old one. `sequences` as for `fence`."""
        return self._move_row(
            domain, "select * from fig.mark_again(%s, %s, %s, %s)", [domain, epoch, _ms(lock), _pairs(sequences)]
        )

    def sequence_tops(self, names: Sequence[str]) -> list[int]:
        """The highest number that each sequence has given, or that stands in a column of it."""
        with self.connection() as connection:
            found = connection.execute("select fig.sequence_tops(%s) as tops", [list(names)]).fetchone()
            return list(found["tops"]) if found else []

    def adopt(self, domain: str, read: Row, epoch: int, tops: Mapping[str, int], lock: float) -> Row:
        """As it was read -> owner, epoch: by a person's word. `tops`: numbers that these sequences must not give."""
        return self._move_row(
            domain,
            "select * from fig.adopt(%s, %s, %s, %s, %s, %s, %s)",
            [domain, read.state, read.epoch, epoch, list(tops), list(tops.values()), _ms(lock)],
        )

    def enroll(
        self, domain: str, state: str, epoch: int, tables: Sequence[str], lock: float, is_known: bool = False
    ) -> Row:
        """Row, table list and triggers on this side. StaleEpoch if there is another row, or (`is_known`: one was read)
        none any more, as after a restore."""
        return self._move_row(
            domain,
            "select * from fig.enroll(%s, %s, %s, %s, %s::regclass[], %s, %s)",
            [domain, self.side, state, epoch, list(tables), _ms(lock), is_known],
        )

    def dismiss(self, domain: str, lock: float) -> None:
        """Every trace of the domain's fence away."""
        with self.connection() as connection:
            if self._has_schema(connection):
                self._move(domain, "select fig.dismiss(%s, %s)", [domain, _ms(lock)], readers=True)

    def breaches(self, domain: str) -> list[Breach]:
        """What the watchdog looks for."""
        with self.connection() as connection:
            found = connection.execute("select * from fig.fence_breach where domain = %s", [domain]).fetchall()
        return [Breach(r["relation"], r["trigger_state"], _row({**r, "marker": None})) for r in found]

    def repair_fence(self, domain: str, lock: float) -> None:
        """Put every fence of the domain back as the row says, forgotten partitions included."""
        self._move(domain, "select fig.repair_fence(%s, %s)", [domain, _ms(lock)])

    def blockers(self, domain: str, beside: Sequence[int] = (), readers: bool = False) -> list[Blocker]:
        """Who holds a lock on the domain's tables that a fence must wait for, longest first. `readers`: or any lock,
        for what changes a table itself; `beside`: oids of more tables that it changes."""
        with self.connection() as connection:
            return blockers(connection, domain, beside, readers)

    def outbox_passed(self, publisher: str, lsn: str) -> bool:
        """Whether that publisher has given everything before `lsn` to the broker."""
        with self.connection() as connection:
            found = connection.execute(outbox_install.PASSED, [lsn, publisher]).fetchone()
            return bool(found and found["passed"])

    def probe(self, domain: str, name: str) -> None:
        """Write a probe into this side's WAL; the stream records it on the other side."""
        message = json.dumps({"kind": "probe", "domain": domain, "id": name})
        with self.connection() as connection:
            connection.execute("select pg_logical_emit_message(true, 'fig', %s)", [message])

    def probe_seen(self, stream: str, name: str) -> bool:
        """Whether the stream has brought that probe here."""
        with self.connection() as connection:
            found = connection.execute("select probe = %s as yes from fig.position where stream = %s", [name, stream])
            row = found.fetchone()
            return bool(row and row["yes"])

    def _move_row(self, domain: str, sql: LiteralString, arguments: list[object]) -> Row:
        found = self._move(domain, sql, arguments)
        assert found is not None  # noqa: S101 - each of these functions returns a row or raises.
        return _row(found)

    def _move(
        self, domain: str, sql: LiteralString, arguments: list[object], readers: bool = False
    ) -> dict[str, Any] | None:
        with self.connection() as connection:
            try:
                return connection.execute(sql, arguments).fetchone()
            except psycopg.errors.LockNotAvailable as error:
                raise TablesBusy(domain, self.side, self.blockers(domain, readers=readers)) from error
            except psycopg.Error as error:
                if error.sqlstate == "SF409":
                    raise StaleEpoch(domain, self.side, _found(error)) from error
                if error.sqlstate == "SF425":
                    raise NotCaughtUp(str(error.diag.message_primary), "fig status") from error
                if isinstance(error, psycopg.OperationalError):
                    raise  # Lost, perhaps: `connection` knows.
                raise SideRefused(domain, self.side, f"{error.sqlstate}: {error.diag.message_primary}") from error


def _row(found: dict[str, Any]) -> Row:
    return Row(Side(found["side"]), found["state"], found["epoch"], found["marker"])


def _found(error: psycopg.Error) -> str:
    detail = json.loads(error.diag.message_detail or "{}")
    return f"{detail.get('state') or 'not enrolled'} at epoch {detail.get('epoch')}"


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _pairs(sequences: Sequence[tuple[str, str]]) -> str:
    return json.dumps([{"here": here, "there": there} for here, there in sequences])
