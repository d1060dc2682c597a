"""The exact pair of snapshots: both sides at the same point of the source's WAL, while they are written.

Two snapshots taken independently differ by what is on its way. So the verifier asks the stream's applier,
which lives in another process, for help. They talk by NOTIFY in the target's database, in JSON, one exchange
an id:

    verifier → applier: `fig_gate_<stream>`        applier → verifier: `fig_gate_<stream>_answer`

    1  {"id": I, "do": "hold"}
    2              {"id": I, "held": true, "lsn": "<end LSN of the last applied transaction>"}
    3  the verifier creates a temporary slot on the source; it is consistent at g and exports a snapshot,
       which sees exactly the transactions whose commit LSN is < g
    4  {"id": I, "do": "snapshot_at", "lsn": "<g>"}
    5              {"id": I, "snapshot": "<name>", "lsn": "<as in 2, now>"}
    6  {"id": I, "do": "done"}

A refill (`cdc.copying.refill`) writes on the target at such a point. It asks the applier to stand there meanwhile:

    4' {"id": I, "do": "stand_at", "lsn": "<g>"}
    5'             {"id": I, "stands": true, "lsn": "<as in 2, now>"}

What the applier does:

- `hold`: at the next boundary between source transactions it commits what it has, waits for the target's
  answers, answers (2), and applies nothing more. It goes on to confirm and to answer keepalives. A second
  `hold` while one is in progress is refused. It drops the hold by itself after HOLD_SECONDS.
- `snapshot_at`: it goes on, until everything with a commit LSN < g is applied: at the first Begin whose
  final_lsn is >= g, before applying it, or at a keepalive whose WAL end is >= g while no transaction is open.
  There it commits, waits for the target's answers, takes `pg_export_snapshot()` in a REPEATABLE READ
  transaction on a second connection, answers (5), and goes on at once. Without a hold for this id (it was
  dropped, or the process is a new one) it may have passed g already: it refuses.
- `stand_at`: the same way to the same place; there it answers (5') and applies nothing more until `done`, at most
  STAND_SECONDS. The refill's transaction holds the position's row and has seen the LSN of (5') in it: an applier
  that goes on too early cannot commit before the refill has.
- `done`: it ends the exporting transaction, or the hold, or the way to g, whatever it has for this id.
  It ends an exporting transaction by itself after SNAPSHOT_SECONDS. `done` is never answered.
- To refuse: {"id": I, "refused": "<reason, one sentence>"}.

A stream that is just connecting does not hear a `hold`, and one in the middle of a long transaction may drop it
before it answers. So a verifier without an answer says `done` and begins again under another id.

The verifier, after (3), emits a transactional WAL message on the source (prefix `fig`, kind `probe`), so that
an idle stream reaches g too. If it dies anywhere, the two limits above undo everything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import Connection, sql

from cdc import servers
from cdc.capture import source as replication
from cdc.errors import GateError
from cdc.gate.exchange import HOLD_SECONDS, Exchange

SLOT_SECONDS = 0.75 * HOLD_SECONDS
"""How long the temporary slot may take, so that the applier is still held when it is there."""

# A slot waits for every transaction with an xid; prepared ones have no session. No query texts: they hold values.
_BLOCKERS = """
    select format('process %s (%s, user %s, %s) for %s s', pid, application_name, usename, state,
                  round(extract(epoch from clock_timestamp() - xact_start)))
    from pg_catalog.pg_stat_activity where backend_xid is not null
    union all
    select format('prepared transaction %L of %s in %I', gid, owner, database) from pg_catalog.pg_prepared_xacts
"""


@dataclass(frozen=True)
class SnapshotPair:
    """Two read-only transactions that see the same moment."""

    source: Connection[Any]
    target: Connection[Any]
    lsn: str
    """The moment in the source's WAL: everything that committed before it, nothing after."""
    held: float
    """Seconds for which the applier stood still."""
    more: tuple[tuple[Connection[Any], Connection[Any]], ...] = ()
    """Further sessions of both sides that see the same."""


@dataclass(frozen=True)
class Standing:
    """The applier stands at a point; while the context lasts, the source can be read there."""

    snapshot: str
    """Exported by the source: sees exactly what committed before the point."""
    point: str
    """The point in the source's WAL."""
    applied: str
    """The position on the target: everything before the point is applied, nothing after it."""


@contextmanager
def standing(source_dsn: str, target_dsn: str, stream: str, patience: float = 10.0) -> Iterator[Standing]:
    """A running stream that stands still at an exact point. GateError, with nothing left behind, when it does not
    within `patience` seconds. Leaving the context lets it go on."""
    with ExitStack() as stack:
        monitor = stack.enter_context(_connection(source_dsn, "source"))
        gate = stack.enter_context(Exchange(target_dsn, stream))
        try:
            slot = stack.enter_context(closing(_replication(source_dsn)))
            gate.hold(patience)
            point, snapshot = _temporary_slot(slot, monitor)
            gate.ask("stand_at", lsn=point)
            _emit_probe(monitor)
            applied = gate.answer("stands", patience, value="lsn")
        except psycopg.Error as error:
            raise GateError(f"stream {stream} cannot be stopped at a point: {str(error).strip()}", "Repeat") from error
        yield Standing(snapshot, point, applied)
        gate.ask("done")


@contextmanager
def exact_pair(
    source_dsn: str, target_dsn: str, stream: str, patience: float = 10.0, sessions: int = 1
) -> Iterator[SnapshotPair]:
    """Both sides of a running stream at one point, each in so many sessions. GateError, with nothing left behind, when
    the stream does not stand still, or does not reach the point, within `patience` seconds."""
    with ExitStack() as stack:

        def connected(dsn: str, side: str) -> list[Connection[Any]]:
            return [stack.enter_context(_connection(dsn, side)) for _ in range(sessions)]

        sources, targets = connected(source_dsn, "source"), connected(target_dsn, "target")
        gate = stack.enter_context(Exchange(target_dsn, stream))
        try:
            point, held = _enter_both(source_dsn, sources, targets, gate, patience)
        except psycopg.Error as error:
            raise GateError(f"no exact pair for stream {stream}: {str(error).strip()}", "Verify again") from error
        more = tuple(zip(sources[1:], targets[1:], strict=True))
        yield SnapshotPair(sources[0], targets[0], point, held, more)


def _enter_both(
    source_dsn: str,
    sources: list[Connection[Any]],
    targets: list[Connection[Any]],
    gate: Exchange,
    patience: float,
) -> tuple[str, float]:
    """(the point, seconds for which the applier stood still)"""
    with closing(_replication(source_dsn)) as slot:
        gate.hold(patience)
        began = time.monotonic()
        point, snapshot = _temporary_slot(slot, sources[0])
        gate.ask("snapshot_at", lsn=point)
        held = time.monotonic() - began
        _emit_probe(sources[0])
        for source in sources:
            _enter(source, snapshot)
    exported = gate.answer("snapshot", patience)
    for target in targets:
        _enter(target, exported)
    gate.ask("done")
    return point, held


def _connection(dsn: str, side: str) -> Connection[Any]:
    return servers.connect(dsn, side, "fig-verify")


def _replication(dsn: str) -> replication.SourceConnection:
    return replication.SourceConnection(dsn, "fig-verify")


def _temporary_slot(connection: replication.SourceConnection, monitor: Connection[Any]) -> tuple[str, str]:
    """(consistent point, snapshot) of a slot that lives as long as the connection."""
    name = f"fig_verify_{uuid4().hex[:16]}"
    made = connection.rows_within(
        f"CREATE_REPLICATION_SLOT {name} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')", SLOT_SECONDS
    )
    if made is None:
        found = [row[0] for row in monitor.execute(_BLOCKERS).fetchall()]
        connection.cancel()
        raise GateError(
            f"no snapshot of the source within {SLOT_SECONDS:g} s; it waits for"
            f" {'; '.join(found) or 'a transaction that has just ended'}",
            "End these transactions or wait for them, then verify again",
        )
    return str(made[0][1]), str(made[0][2])


def _emit_probe(connection: Connection[Any]) -> None:
    """A commit past the point, so that an idle stream sees that it has reached it. It is of no domain: the
    stream then does not record it, over a probe that somebody else waits for."""
    message = json.dumps({"kind": "probe", "domain": "", "id": uuid4().hex})
    connection.execute("select pg_logical_emit_message(true, 'fig', %s)", [message])


def _enter(connection: Connection[Any], snapshot: str) -> None:
    connection.execute("begin isolation level repeatable read read only")
    connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
