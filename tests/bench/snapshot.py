"""The first copy: rows a second against `pg_dump | psql`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from cdc import install
from cdc.copying import snapshot
from cdc.copying.snapshot_plan import UNIT_BYTES
from tests.bench import wide
from tests.bench.figure import Figure, Scale, in_turn
from tests.bench.servers import PROGRAMS, run, servers
from tests.bench.streams import Ends

DUMP = "--no-publications --no-owner --table=public.item"
LOAD = "--quiet --output=/dev/null --no-psqlrc --single-transaction --set=ON_ERROR_STOP=1"


def measure(scale: Scale) -> Sequence[Figure]:
    """The dump brings the table with it and makes its index last, as chapter 14.4.9 of PostgreSQL's documentation
    advises; ours fills the table that the service's migrations made, and makes its index last too. Both end with
    everything flushed (psql's only commit, our position's) and with statistics; ours also with a slot at the copy's
    point, and it could have been killed and resumed anywhere."""
    rows = scale.of(5_000_000, 100_000)
    scale.say(f"peer: pg_dump {DUMP} | psql {LOAD}")
    scale.say(f"ours: {snapshot.crew_size()} workers, units of {UNIT_BYTES >> 20} MB, as text")
    with servers(2, scale.say) as (here, there):
        ends = Ends(here.create_database("copy"), there.create_database("copy"))
        run(ends.source, wide.TABLES)
        wide.fill(ends.source, rows)
        one, other = in_turn(
            min(scale.rounds, 2), lambda: rows / _ours(ends), lambda: rows / _dumped(ends, here.folder), scale.say
        )
    return [Figure(f"snapshot of {rows:,} rows", one, other, one / other, 1, "rows/s")]


def _fresh(ends: Ends) -> None:
    run(ends.target, "drop table if exists item, mark", "checkpoint")


def _ours(ends: Ends) -> float:
    _fresh(ends)
    run(ends.target, wide.TABLES)
    spec = ends.spec()
    began = time.perf_counter()
    snapshot.copy(spec)
    seconds = time.perf_counter() - began
    install.remove(spec)
    return seconds


def _dumped(ends: Ends, folder: Path) -> float:
    _fresh(ends)
    began = time.perf_counter()
    dump = subprocess.Popen([PROGRAMS / "pg_dump", *DUMP.split(), ends.source], stdout=subprocess.PIPE)
    subprocess.run([PROGRAMS / "psql", *LOAD.split(), ends.target], stdin=dump.stdout, check=True)
    assert dump.wait() == 0
    run(ends.target, "analyze item")
    return time.perf_counter() - began
