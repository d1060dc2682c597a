"""What the monolith's database pays: CPU of a transaction at half load, with capture and a fence at rest, and without.

All CPU of the source's server is counted, the walsender's too; the applier and the target would be on other machines.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files

import psutil

from cdc.projection import Table
from migration_plan.lifecycle import Side
from migration_plan.side import SideDatabase
from tests.bench import wide
from tests.bench.figure import Figure, Scale, in_turn
from tests.bench.servers import PROGRAMS, drop_slot, run, servers
from tests.bench.streams import BASE_SLOT, Ends, ours, set_up
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

CLIENTS = 4
LOOK_EVERY = 0.05
PGBENCH = (PROGRAMS / "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}")
COLUMNS = {
    "pgbench_branches": ("bid", "bbalance", "filler"),
    "pgbench_tellers": ("tid", "bid", "tbalance", "filler"),
    "pgbench_accounts": ("aid", "bid", "abalance", "filler"),
}
PROJECTIONS = tuple(wide.same(Table("public", name), columns[0], columns) for name, columns in COLUMNS.items())
DOMAIN = "bench"


def measure(scale: Scale) -> Sequence[Figure]:
    seconds = scale.of(12, 3)
    scale.say("load: pgbench's own transaction (TPC-B), three of its four tables captured")
    with servers(2, scale.say) as (here, there):
        ends = Ends(here.create_database("shop"), there.create_database("shop"), PROJECTIONS)
        for dsn in (ends.source, ends.target):
            subprocess.run([PROGRAMS / "pgbench", "-i", "-s", "10", "-q", dsn], check=True, stderr=subprocess.DEVNULL)
        most = _transactions(ends, scale.of(5, 2), None) / scale.of(5, 2)
        rate = int(most / 2)
        scale.say(f"half load: {rate:,} of {most:,.0f} transactions/s")

        def without() -> float:
            return _cpu_each(here, ends, seconds, rate)

        def carried() -> float:
            with _captured(ends):
                return _cpu_each(here, ends, seconds, rate)

        one, other = in_turn(scale.rounds, carried, without, scale.say)
    return [Figure("source's CPU a transaction, with capture and fence", one, other, other / one, 1 / 1.1, "µs")]


@contextmanager
def _captured(ends: Ends) -> Iterator[None]:
    """The stream runs, the fence is there and lets everybody in."""
    tables = list(COLUMNS)
    run(ends.source, files("cdc").joinpath("stream.sql").read_text())
    side = SideDatabase(Side.MONOLITH, ends.source)
    side.install()
    side.enroll(DOMAIN, "owner", 1, [f"public.{name}" for name in tables], 1.0)
    for name in tables:  # The target has what the source has: no row of it has changed since both were made alike.
        copy = f"copy {name} to stdout"
        out = subprocess.Popen([PROGRAMS / "psql", "-qXc", copy, ends.source], stdout=subprocess.PIPE)
        run(ends.target, f"truncate {name}")
        subprocess.run(
            [PROGRAMS / "psql", "-qXc", f"copy {name} from stdin", ends.target], stdin=out.stdout, check=True
        )
        assert out.wait() == 0
    set_up(ends)
    with ours(ends):
        here = "select 1 from pg_stat_replication where application_name like 'fig-stream%'"
        wait_until(lambda: run(ends.source, here), 20, "the stream reads the slot")
        yield
    drop_slot(ends.source, BASE_SLOT)
    run(ends.source, "drop publication bench")
    side.dismiss(DOMAIN, 1.0)
    side.close()


def _transactions(ends: Ends, seconds: int, rate: int | None) -> int:
    """How many were run, as pgbench says."""
    given = [] if rate is None else [f"--rate={rate}"]
    said = subprocess.run(
        [*PGBENCH, *given, f"--time={seconds}", ends.source], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"transactions actually processed: (\d+)", said)
    assert found is not None
    return int(found[1])


def _cpu_each(server: PostgresServer, ends: Ends, seconds: int, rate: int) -> float:
    run(ends.source, "checkpoint")
    assert server.process is not None
    with _Meter(server.process.pid) as meter:
        count = _transactions(ends, seconds, rate)
    return meter.seconds * 1e6 / count


class _Meter(threading.Thread):
    """CPU of a server and its processes, looked at often: not every kernel adds up what has ended."""

    def __init__(self, postmaster: int) -> None:
        super().__init__()
        self._postmaster = psutil.Process(postmaster)
        self._done = threading.Event()
        self._last: dict[int, float] = {}
        self._before = 0.0

    def __enter__(self) -> _Meter:
        self._look()
        self._before = sum(self._last.values())
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    @property
    def seconds(self) -> float:
        return sum(self._last.values()) - self._before

    def run(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        for process in (self._postmaster, *self._postmaster.children()):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._last[process.pid] = times.user + times.system
