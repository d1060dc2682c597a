"""Where a schedule runs: servers that may crash, two writers, and the stream's processes, which may be killed."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from cdc import install
from cdc.comparing.compare import compare
from cdc.copying import snapshot
from cdc.gate.exact import exact_pair
from cdc.kafka import topics
from cdc.projection import Direction
from tests.integration.cdc.schedules import monolith_writes, service_writes, tables
from tests.integration.cdc.schedules.processes import Order, Process, Processes, Role
from tests.integration.cdc.schedules.schedule import ENDS, WRITERS, Kind, Schedule, Step
from tests.integration.cdc.stream.conftest import as_fig, execute, make_side
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer
from tests.support.stack import evidence_folder
from tests.support.waiting import wait_until

NOTHING_WAITS = "-c lock_timeout=20ms -c client_min_messages=error"
"""The writers' statements come one after the other: one that waits for the other writer's row is refused."""
SOON = "-c lock_timeout=200ms"
SETTLED_WITHIN = 60.0
FIRST_ROWS = {Direction.TO_SERVICE: monolith_writes.FIRST_ROWS, Direction.TO_MONOLITH: service_writes.FIRST_ROWS}


@dataclass
class Writer:
    """One session of the source's application. What is refused there is rolled back there."""

    dsn: str
    connection: psycopg.Connection[Any] | None = None
    is_skipping: bool = False
    """The rest of this transaction is lost."""
    has_savepoint: bool = False
    committed: int = 0
    refused: int = 0

    def take(self, step: Step) -> None:
        if not self.is_skipping:
            try:
                self._run(step)
            except psycopg.Error as error:
                self._failed(error)
        if step.kind in ENDS:
            self.is_skipping = self.has_savepoint = False

    def _run(self, step: Step) -> None:
        if self.connection is None:
            self.connection = psycopg.connect(self.dsn, options=NOTHING_WAITS)
        run = self.connection.execute
        match step.kind:
            case Kind.STATEMENT:
                run(step.text.encode())
            case Kind.SAVEPOINT:
                run("savepoint here")
                self.has_savepoint = True
            case Kind.UNDO if self.has_savepoint:
                run("rollback to here")
            case Kind.COMMIT:
                self.connection.commit()
                self.committed += 1
            case Kind.ROLLBACK:
                self.connection.rollback()

    def _failed(self, error: psycopg.Error) -> None:
        """A server that crashed, a key that is taken, a row that is locked; anything else is the schedule's fault."""
        if self.connection is None or self.connection.closed:
            self.connection, self.is_skipping = None, True
            return
        if (error.sqlstate or "").startswith("42") and not isinstance(error, psycopg.errors.DuplicateObject):
            raise error
        self.refused += 1
        if self.has_savepoint:
            self.connection.execute("rollback to here")
        else:
            self.connection.rollback()
            self.is_skipping = True

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


@dataclass
class World:
    """One schedule's databases. `run` and `check` raise AssertionError with what the stream's processes said."""

    source: PostgresServer
    target: PostgresServer
    parent: Processes
    schedule: Schedule
    number: int
    folder: Path
    kafka: KafkaCluster | None = None
    writers: list[Writer] = field(default_factory=list)
    running: dict[Role, Process] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    """Columns that both sides have got."""
    doomed: frozenset[Role] = frozenset()
    """Processes that will die by themselves."""

    def __post_init__(self) -> None:
        self.database = f"schedule_{self.number}"
        self.log = self.folder / f"schedule-{self.number}.log"
        self.order = Order(
            Role.APPLIER, as_fig(self.source.dsn(self.database)), as_fig(self.target.dsn(self.database)),
            self.schedule.direction, self.number, self.schedule.group_rows, str(self.log),
            self.kafka.bootstrap if self.kafka else "",
        )  # fmt: skip

    def __enter__(self) -> World:
        sides = (tables.MONOLITH, tables.SERVICE)
        if self.schedule.direction is Direction.TO_MONOLITH:
            sides = (tables.SERVICE, tables.MONOLITH)
        for server, schema in zip((self.source, self.target), sides, strict=True):
            make_side(server, server.create_database(self.database), schema)
        execute(self.source.dsn(self.database), FIRST_ROWS[self.schedule.direction])
        self.writers = [Writer(self.source.dsn(self.database, "owner")) for _ in range(WRITERS)]
        snapshot.copy(self.order.spec)
        for role in Role if self.kafka else (Role.APPLIER,):
            self._start(role)
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self.writers:
            writer.close()
        for process in self.running.values():
            process.end(signal.SIGKILL)
        spec = self.order.spec
        install.remove(spec)
        if spec.kafka is not None:
            topics.remove(spec.kafka, spec.kafka.topic)
        for server in (self.source, self.target):
            execute(server.dsn(), f"drop database {self.database} with (force)")

    def run(self) -> None:
        for step in self.schedule.steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        process = self.running[step.role]
        match step.kind:
            case Kind.KILL:
                self._replace(step.role, signal.SIGKILL)
            case Kind.KILL_AT:
                self._replace(step.role, signal.SIGKILL, step.text, step.times)
            case Kind.STOP:
                process.send(signal.SIGCONT)
                self._replace(step.role, signal.SIGTERM)
            case Kind.FREEZE:
                process.send(signal.SIGSTOP)
            case Kind.THAW:
                process.send(signal.SIGCONT)
            case Kind.WIDEN:
                self._widen(step.text)
            case Kind.CRASH_TARGET:
                crash(self.target)
            case Kind.CRASH_SOURCE:
                crash(self.source)
            case Kind.CRASH_BROKER if self.kafka is not None:
                self.kafka.nodes[0].end(signal.SIGKILL)
                self.kafka.start()
            case _:
                self.writers[step.writer].take(step)

    def _widen(self, column: str) -> None:
        """A column that the lens lets through, and some values in it. A side that is busy does without: the schedule
        goes on, and the column of the other side stays empty."""
        tables_now = ("entry", "line") if self.schedule.direction is Direction.TO_SERVICE else ("line", "entry")
        source, target = tables_now
        number = "n" if source == "entry" else "position"
        with suppress(psycopg.errors.LockNotAvailable):
            with psycopg.connect(self.target.dsn(self.database), options=SOON) as there:
                there.execute(f"alter table {target} add column {column} text".encode())
            with psycopg.connect(self.source.dsn(self.database), options=SOON) as here:
                here.execute(f"alter table {source} add column {column} text".encode())
                here.execute(f"update {source} set {column} = 'w' || {number} where {number} % 3 = 0".encode())
            self.added.append(column)

    def _start(self, role: Role, die_at: str = "", die_after: int = 0) -> None:
        self.doomed = (self.doomed | {role}) if die_at else (self.doomed - {role})
        self.running[role] = self.parent.start(replace(self.order, role=role, die_at=die_at, die_after=die_after))

    def _replace(self, role: Role, how: signal.Signals, die_at: str = "", die_after: int = 0) -> None:
        """The next one at once, while the servers may still believe in the old one."""
        assert self.running[role].end(how) in (0, -signal.SIGKILL), self.told()
        self._start(role, die_at, die_after)

    def settle(self) -> None:
        """Wait until the applier has passed all that the source has now."""
        [(lsn,)] = execute(self.order.source, "select pg_current_wal_insert_lsn()")
        with psycopg.connect(self.order.target, autocommit=True) as target:

            def is_there() -> bool:
                for role, process in self.running.items():
                    ended = process.poll()
                    assert ended in (None, -signal.SIGKILL), self.told()
                    if ended is not None:
                        self._start(role)
                found = target.execute("select 1 from fig.position where lsn >= %s::pg_lsn", [lsn]).fetchone()
                return found is not None

            wait_until(is_there, SETTLED_WITHIN, f"the applier has passed {lsn}; {self.log}", every=0.005)

    def check(self) -> None:
        """Both sides hold the same rows: to this test, which reads them in its own words, and to the verifier."""
        spec, direction = self.order.spec, self.schedule.direction
        if direction is Direction.TO_MONOLITH:
            self._compare(tables.SAME)
            execute(self.order.source, service_writes.COMPLETE)
            self.settle()
        more = "".join(f", {column}" for column in self.added)
        self._compare((*tables.SAME, *tables.PARTS, *tables.entries_with(more)))
        for role in self.doomed:
            self._replace(role, signal.SIGKILL)  # One that is still to die would leave the verifier alone.
        with exact_pair(spec.source_dsn, spec.target_dsn, spec.name) as pair:
            report = compare(pair.source, pair.target, tables.LENS.projections(Direction.TO_SERVICE), direction)
        assert report.differences == (), "\n".join([*map(str, report.differences[:9]), self.told()])

    def _compare(self, same: Sequence[tuple[str, str]]) -> None:
        found = []
        with psycopg.connect(self.order.source) as source, psycopg.connect(self.order.target) as target:
            sides = (source, target) if self.schedule.direction is Direction.TO_SERVICE else (target, source)
            for queries in same:
                monolith, service = (
                    Counter(side.execute(query.encode()).fetchall()) for side, query in zip(sides, queries, strict=True)
                )
                found += [f"only the monolith has {row}" for row in monolith - service]
                found += [f"only the service has {row}" for row in service - monolith]
        assert found == [], "\n".join([*(row[:200] for row in found[:9]), self.told()])

    def told(self) -> str:
        """For a failure: what was done, and what the processes said."""
        script = evidence_folder(f"schedule-{self.schedule.seed}") / "schedule.sql"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(str(self.schedule))
        said = self.log.read_text()[-3000:] if self.log.exists() else "(nothing was said)"
        return f"seed {self.schedule.seed}; schedule: {script}; the stream:\n{said}"


def crash(server: PostgresServer) -> None:
    """Without a word, what was not flushed is gone; then it starts again."""
    server.stop(signal.SIGQUIT)
    server.start()
