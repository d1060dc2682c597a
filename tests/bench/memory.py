"""How much memory the applier takes at its highest: a transaction of 100,000 rows, a value of 50 MB."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import psutil

from tests.bench import wide
from tests.bench.figure import Figure, Scale
from tests.bench.servers import drop_slot, run, servers
from tests.bench.streams import BASE_SLOT, Ends, ours, seconds_between_marks, set_up

MIB = 2**20
LOOK_EVERY = 0.005


def measure(scale: Scale) -> Sequence[Figure]:
    rows, size = scale.of(100_000, 10_000), scale.of(50, 5)
    large = f"(select string_agg(md5(i::text), '') from generate_series(1, {size} * 32768) i)"
    with servers(2, scale.say) as (here, there):
        many = Ends(here.create_database("many"), there.create_database("many"))
        one = Ends(here.create_database("one"), there.create_database("one"))
        return [
            _figure(
                f"memory: a transaction of {rows:,} rows", many,
                f"insert into item select {wide.row('i')} from generate_series(1, {rows}) i", 300,
            ),
            _figure(
                f"memory: a value of {size} MB", one,
                f"insert into item select {wide.row('1')}; update item set note = {large}", 6 * size + 100,
            ),
        ]  # fmt: skip


def _figure(name: str, ends: Ends, statements: str, at_most: int) -> Figure:
    for dsn in (ends.source, ends.target):
        run(dsn, wide.TABLES)
    set_up(ends)
    wide.write(ends.source, 1, statements)
    with ours(ends) as process, _Highest(process.pid) as highest:
        seconds_between_marks(ends.target)
    drop_slot(ends.source, BASE_SLOT)
    return Figure(f"{name} (against: the limit)", highest.mebibytes, at_most, at_most / highest.mebibytes, 1, "MiB")


class _Highest(threading.Thread):
    """The kernel's own high-water mark is in /proc/PID/status, where there is one; a look every few ms elsewhere."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._process = psutil.Process(pid)
        self._done = threading.Event()
        self.mebibytes = 0.0

    def __enter__(self) -> _Highest:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            self.mebibytes = max(self.mebibytes, self._process.memory_info().rss / MIB)
