"""Who owned and who wrote, told by each side's own WAL through a slot of the test's.

The toolkit's word is not taken for it: a logical slot with `test_decoding` shows every change in commit
order, and `only-local` leaves out what the stream applied: what remains, this side accepted itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from tests.support.history.records import Acceptance, Turn

SLOT = "history_watch"
_CHANGES = """
select lsn, left(data, 500) from pg_logical_slot_get_changes(%s, null, null,
    'only-local', '1', 'skip-empty-xacts', '1', 'include-timestamp', '1')
"""
_TABLE = re.compile(r"table (\S+): (INSERT|UPDATE|DELETE|TRUNCATE)")
_OWNERSHIP = re.compile(r"domain\[text\]:'([^']*)'.* state\[text\]:'(\w+)' epoch\[bigint\]:(\d+)")
_COMMIT = re.compile(r"COMMIT(?: \d+)? \(at ([^)]*)\)")


def lsn(text: str) -> int:
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


@dataclass
class Watch:
    """Looks at one side from `begin` on; `collect` may be called often, and frees the WAL it has read."""

    side: str
    dsn: str
    domain: str
    turns: list[Turn] = field(default_factory=list)
    acceptances: list[Acceptance] = field(default_factory=list)

    def begin(self) -> None:
        with self._connect() as connection:
            self._drop(connection)
            connection.execute("select pg_create_logical_replication_slot(%s, 'test_decoding')", [SLOT])
            if not connection.execute("select to_regclass('fig.domain')").fetchone()[0]:  # type: ignore[index]
                return
            row = connection.execute(
                "select state, epoch, extract(epoch from changed_at)::float8 from fig.domain where domain = %s",
                [self.domain],
            ).fetchone()
            if row:
                self.turns.append(Turn(row[2], 0, self.side, row[0], row[1]))

    def collect(self) -> None:
        with self._connect() as connection:
            tables = self._domain_tables(connection)
            transaction: list[str] = []
            for position, line in connection.execute(_CHANGES, [SLOT]):
                committed = _COMMIT.match(line)
                if not committed:
                    transaction.append(line)
                    continue
                at = datetime.fromisoformat(committed[1]).timestamp()
                self._judge(transaction, at, lsn(position), tables)
                transaction = []

    def end(self) -> None:
        with self._connect() as connection:
            self._drop(connection)

    def _judge(self, transaction: list[str], at: float, position: int, tables: frozenset[str]) -> None:
        written: set[str] = set()
        turn: Turn | None = None
        for line in transaction:
            change = _TABLE.match(line)
            if not change:
                continue
            ownership = _OWNERSHIP.search(line) if change[1] == "fig.domain" else None
            if ownership and ownership[1] == self.domain:
                turn = Turn(at, position, self.side, ownership[2], int(ownership[3]))
            elif change[1] in tables:
                written.add(change[1])
        if turn:
            self.turns.append(turn)
        if written:
            self.acceptances.append(Acceptance(at, position, self.side, tuple(sorted(written))))

    def _domain_tables(self, connection: psycopg.Connection) -> frozenset[str]:
        if not connection.execute("select to_regclass('fig.domain_table')").fetchone()[0]:  # type: ignore[index]
            return frozenset()
        rows = connection.execute(
            "select format('%%I.%%I', relnamespace::regnamespace::text, relname)"
            " from fig.domain_table join pg_class c on c.oid = relation where domain = %s",
            [self.domain],
        )
        return frozenset(row[0] for row in rows)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True, options="-c timezone=UTC")

    def _drop(self, connection: psycopg.Connection) -> None:
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
            [SLOT],
        )
