"""Is the monolith's side of a domain dead? Decided from two samples and from what could still read. No IO.

Between both samples nothing may have begun anew (a proxy, the database, its statistics), for then what happened
before is not counted. Nobody may have sent a request there, tried to write, or read a table.

Reads are what PostgreSQL counts: scans of the table and of its indexes. Our own are taken off exactly. The stream to
the monolith finds each row that it changes by one index scan, and nobody else changes rows (the fence, and a probe
through the stream to the service, which would have stopped at a foreign row). A verification counts its own scans.
What then is left over was read by others. A negative rest means that this cannot be told, and counts against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from migration_plan.errors import Refusal


@dataclass(frozen=True)
class Traffic:
    """What one proxy has counted of the domain since `since`."""

    since: float
    lost: int
    requests: int
    """Answered by the monolith's side, or refused there first."""


@dataclass(frozen=True)
class TableUse:
    """What the monolith's database has counted of one table."""

    scans: int
    found: int
    """Rows that the stream has changed or deleted, each found by one scan."""


@dataclass(frozen=True)
class Sample:
    """All counters at one moment of the journal's clock."""

    at: datetime
    epoch: int
    server: str
    """Names this run of the database server and of its statistics."""
    refused: int
    """Writes that met the fence."""
    proxies: Mapping[str, Traffic]
    tables: Mapping[str, TableUse]

    def as_json(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch, "server": self.server, "refused": self.refused,
            "proxies": {name: asdict(traffic) for name, traffic in self.proxies.items()},
            "tables": {name: asdict(use) for name, use in self.tables.items()},
        }  # fmt: skip

    @classmethod
    def parse(cls, at: datetime, said: Mapping[str, Any]) -> Sample:
        """As the journal has kept it."""
        return cls(
            at, said["epoch"], said["server"], said["refused"],
            {name: Traffic(**traffic) for name, traffic in said["proxies"].items()},
            {name: TableUse(**use) for name, use in said["tables"].items()},
        )  # fmt: skip


@dataclass(frozen=True)
class Readers:
    """What could read the monolith's tables, as the catalogue and the plans say."""

    foreign_keys: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()


def readers_left(readers: Readers) -> Iterator[Refusal]:
    """Each one by name; all of them must be gone before counting makes sense."""
    for key in readers.foreign_keys:
        yield Refusal(
            "read-by-foreign-key", f"foreign key {key} looks its rows up", "drop the key, or retire its table"
        )
    for view in readers.views:
        yield Refusal("read-by-view", f"view {view} reads its tables", f"DROP VIEW {view}")
    for function in readers.functions:
        yield Refusal("read-by-function", f"function {function} names its tables", f"change or drop {function}")
    for route in readers.routes:
        yield Refusal(
            "read-by-route",
            f"{route} reads its tables (read_by) and is still served by the monolith",
            "move the domain of that route, or take it out of read_by if it reads them no more",
        )
    for session in readers.sessions:
        yield Refusal("read-by-session", f"{session}", "end that transaction")


def signs_of_life(before: Sample, now: Sample, verified: Mapping[str, int]) -> Iterator[Refusal]:
    """Why the time between both samples proves nothing; `verified`: scans of our own verifications in it."""
    yield from _begun_anew(before, now)
    for name, traffic in now.proxies.items():
        count = traffic.requests - before.proxies[name].requests if name in before.proxies else 0
        if count > 0:
            yield Refusal(
                "requests-seen", f"proxy {name} has sent {count} request(s) of its routes to the monolith",
                "find out by the proxy's access log who they are of",
            )  # fmt: skip
    if now.refused > before.refused:
        yield Refusal(
            "writes-seen", f"{now.refused - before.refused} write(s) were tried on the monolith's tables and refused",
            "find the writer: the monolith's log has SQLSTATE SF421",
        )  # fmt: skip
    for table, use in now.tables.items():
        if table in before.tables:
            yield from _reads(table, before.tables[table], use, verified.get(table, 0))


def _begun_anew(before: Sample, now: Sample) -> Iterator[Refusal]:
    again = "nothing to do: the time is counted from now on"
    if before.server != now.server:
        yield Refusal("counting-began-anew", "the monolith's database or its statistics began anew", again)
    if before.tables.keys() != now.tables.keys():
        yield Refusal("counting-began-anew", "the domain has other tables than before", again)
    for name in sorted(before.proxies.keys() | now.proxies.keys()):
        one, other = before.proxies.get(name), now.proxies.get(name)
        if one is None or other is None:
            yield Refusal("counting-began-anew", f"proxy {name} is new or gone", again)
        elif one.since != other.since:
            yield Refusal("counting-began-anew", f"proxy {name} began anew, and its figures with it", again)
        elif one.lost != other.lost:
            yield Refusal(
                "figures-lost", f"proxy {name} has lost {other.lost - one.lost} figure(s)", "see its error.log"
            )


def _reads(table: str, before: TableUse, now: TableUse, verified: int) -> Iterator[Refusal]:
    foreign = (now.scans - before.scans) - (now.found - before.found) - verified
    if foreign > 0:
        yield Refusal(
            "reads-seen", f"{table} was read {foreign} time(s) by others than fig",
            "find the reader: pg_stat_activity, pg_stat_statements or log_statement on the monolith's server",
        )  # fmt: skip
    elif foreign < 0:
        yield Refusal(
            "reads-unclear",
            f"the reads of {table} cannot be told from the stream's own: it found {-foreign} row(s) more than it looked"
            " up, as after a TRUNCATE",
            "nothing to do: the time is counted from now on",
        )
