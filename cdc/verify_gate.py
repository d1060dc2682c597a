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

What the applier does:

- `hold`: at the next boundary between source transactions it commits what it has, waits for the target's
  answers, answers (2), and applies nothing more. It goes on to confirm and to answer keepalives. A second
  `hold` while one is in progress is refused. It drops the hold by itself after HOLD_SECONDS.
- `snapshot_at`: it goes on, until everything with a commit LSN < g is applied: at the first Begin whose
  final_lsn is >= g, before applying it, or at a keepalive whose WAL end is >= g while no transaction is open.
  There it commits, waits for the target's answers, takes `pg_export_snapshot()` in a REPEATABLE READ
  transaction on a second connection, answers (5), and goes on at once. Without a hold for this id (it was
  dropped, or the process is a new one) it may have passed g already: it refuses.
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
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import Connection, sql

from cdc import source as replication
from cdc.errors import GateError

_log = logging.getLogger(__name__)

HOLD_SECONDS = 2.0
"""How long an applier stays held without hearing `snapshot_at`."""

SNAPSHOT_SECONDS = 10.0
"""How long an applier keeps an exported snapshot without hearing `done`."""


def request_channel(stream: str) -> str:
    """Where the applier listens."""
    return f"fig_gate_{stream}"


def answer_channel(stream: str) -> str:
    """Where the verifier listens."""
    return f"fig_gate_{stream}_answer"


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


@contextmanager
def exact_pair(source_dsn: str, target_dsn: str, stream: str, patience: float = 10.0) -> Iterator[SnapshotPair]:
    """Both sides of a running stream at one point. GateError, with nothing left behind, when the stream does not
    stand still, or does not reach the point, within `patience` seconds."""
    with ExitStack() as stack:
        source = stack.enter_context(_connection(source_dsn, "source"))
        target = stack.enter_context(_connection(target_dsn, "target"))
        gate = stack.enter_context(_Gate(target_dsn, stream))
        try:
            point, held = _enter_both(source_dsn, source, target, gate, patience)
        except psycopg.Error as error:
            raise GateError(f"no exact pair for stream {stream}: {str(error).strip()}", "Verify again") from error
        yield SnapshotPair(source, target, point, held)


def _enter_both(
    source_dsn: str, source: Connection[Any], target: Connection[Any], gate: _Gate, patience: float
) -> tuple[str, float]:
    """(the point, seconds for which the applier stood still)"""
    with closing(_replication(source_dsn)) as slot:
        gate.hold(patience)
        began = time.monotonic()
        point, snapshot = _temporary_slot(slot, source)
        gate.ask("snapshot_at", lsn=point)
        held = time.monotonic() - began
        _emit_probe(source)
        _enter(source, snapshot)
    _enter(target, gate.answer("snapshot", patience))
    gate.ask("done")
    return point, held


class _Gate:
    """The verifier's end of one exchange."""

    def __init__(self, target_dsn: str, stream: str) -> None:
        self._stream = stream
        self._id = ""
        self._connection = _connection(target_dsn, "target")

    def __enter__(self) -> _Gate:
        self._connection.execute(sql.SQL("listen {}").format(sql.Identifier(answer_channel(self._stream))))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is not None:
                self.ask("done")  # Lets the applier go at once instead of at its limit.
        except psycopg.OperationalError as lost:
            _log.warning("stream %s: %s; its applier lets go by itself", self._stream, str(lost).strip())
        finally:
            self._connection.close()

    def hold(self, patience: float) -> None:
        """Until the applier stands still for us."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            self._id = uuid4().hex
            self.ask("hold")
            if self._answer("held", min(left, HOLD_SECONDS)) is not None:
                return
            self.ask("done")
        raise self._silent("held", patience)

    def ask(self, what: str, **more: str) -> None:
        request = json.dumps({"id": self._id, "do": what, **more})
        self._connection.execute("select pg_notify(%s, %s)", [request_channel(self._stream), request])

    def answer(self, expected: str, patience: float) -> str:
        """The value of `expected` in the applier's answer."""
        answered = self._answer(expected, patience)
        if answered is None:
            raise self._silent(expected, patience)
        return answered

    def _answer(self, expected: str, patience: float) -> str | None:
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            for notice in self._connection.notifies(timeout=left, stop_after=1):
                answer = json.loads(notice.payload)
                if answer.get("id") != self._id:
                    continue
                if "refused" in answer:
                    raise GateError(
                        f"stream {self._stream} refuses: {answer['refused']}", "Wait a moment, then verify again"
                    )
                if expected in answer:
                    return str(answer[expected])
        return None

    def _silent(self, expected: str, patience: float) -> GateError:
        return GateError(
            f'stream {self._stream} has not answered "{expected}" within {patience:g} s',
            "See that the stream runs and how far it is behind: fig status",
        )


def _connection(dsn: str, side: str) -> Connection[Any]:
    return replication.connect(dsn, side, "fig-verify")


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
