"""Verification: rows a second against both tables copied out into a checksum, in parallel."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack

import psycopg

from cdc.comparing.compare import compare
from tests.bench import wide
from tests.bench.figure import Figure, Scale, in_turn
from tests.bench.servers import PROGRAMS, run, servers
from tests.bench.streams import Ends

SESSIONS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Of each side, as `fig sync verify` takes them."""


def measure(scale: Scale) -> Sequence[Figure]:
    rows = scale.of(5_000_000, 100_000)
    scale.say('peer: psql -c "copy (select * from item order by id) to stdout" | md5sum, one for each side at once')
    with servers(2, scale.say) as (here, there):
        ends = Ends(here.create_database("verify"), there.create_database("verify"))
        for dsn in (ends.source, ends.target):
            run(dsn, wide.TABLES)
            wide.fill(dsn, rows)
        one, other = in_turn(
            min(scale.rounds, 2), lambda: rows / _ours(ends), lambda: rows / _checksums(ends), scale.say
        )
    return [Figure(f"verification of {rows:,} rows each side", one, other, one / other, 1.2, "rows/s")]


def _ours(ends: Ends) -> float:
    began = time.perf_counter()
    with ExitStack() as opened:
        pairs = [
            tuple(opened.enter_context(psycopg.connect(dsn)) for dsn in (ends.source, ends.target))
            for _ in range(SESSIONS)
        ]
        (source, target), *more = pairs
        report = compare(source, target, wide.PROJECTIONS, more=[(one, other) for one, other in more])
    assert report.is_complete
    assert report.count == 0
    return time.perf_counter() - began


def _checksums(ends: Ends) -> float:
    began = time.perf_counter()
    copy = "copy (select * from item order by id) to stdout"
    running = []
    for dsn in (ends.source, ends.target):
        out = subprocess.Popen([PROGRAMS / "psql", "--no-psqlrc", "-c", copy, dsn], stdout=subprocess.PIPE)
        running.append(subprocess.Popen(["md5sum"], stdin=out.stdout, stdout=subprocess.PIPE))
    sums = {process.communicate()[0] for process in running}
    assert len(sums) == 1
    return time.perf_counter() - began
