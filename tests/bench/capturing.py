"""A source as a domain that is being moved makes it: captured by its stream, with a fence that lets everybody in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib.resources import files

from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.bench.servers import PROGRAMS, drop_slot, run
from tests.bench.streams import BASE_SLOT, Ends, ours, publish, set_up, subscription
from tests.support.waiting import wait_until


@contextmanager
def captured(*domains: Ends) -> Iterator[None]:
    """All of them at once, each with a slot and a stream of its own; the fences are there and let everybody in."""
    source = domains[0].source
    run(source, files("cdc").joinpath("stream.sql").read_text())
    with ExitStack() as undone:
        side = undone.enter_context(closing(SideDatabase(Side.MONOLITH, source)))
        side.install()
        for ends in domains:
            side.enroll(ends.name, "owner", 1, [str(table) for table in ends.spec().source_tables], 1.0)
            undone.callback(side.dismiss, ends.name, 1.0)
        undone.enter_context(_alike(domains))
        for ends in domains:
            undone.enter_context(ours(ends))
        _wait_for_readers(source, len(domains))
        yield


@contextmanager
def subscribed(ends: Ends) -> Iterator[None]:
    """The peer: PostgreSQL's own subscription, no fence."""
    with _alike([ends]), subscription(ends):
        _wait_for_readers(ends.source, 1)
        yield


@contextmanager
def received(ends: Ends) -> Iterator[None]:
    """The peer that does nothing: pg_recvlogical to nowhere, no fence."""
    with _alike([ends]):
        run(ends.source, f"select pg_copy_logical_replication_slot('{BASE_SLOT}', 'received')")
        options = ["--option=proto_version=1", f"--option=publication_names={ends.name}", "--file=/dev/null"]
        reader = subprocess.Popen(
            [PROGRAMS / "pg_recvlogical", f"--dbname={ends.source}", "--slot=received", "--start", *options]
        )
        try:
            _wait_for_readers(ends.source, 1)
            yield
        finally:
            reader.terminate()
            reader.wait(20)
            drop_slot(ends.source, "received")


@contextmanager
def _alike(domains: Sequence[Ends]) -> Iterator[None]:
    """Targets that have what the source has, from where the base slot begins: no row changes meanwhile."""
    for ends in domains:
        for table in ends.spec().source_tables:
            _copy(ends, table.quoted)
    first, *others = domains
    set_up(first)
    for ends in others:
        publish(ends)
    try:
        yield
    finally:
        drop_slot(first.source, BASE_SLOT)
        for ends in domains:
            run(ends.source, f"drop publication {ends.name}")


def _copy(ends: Ends, table: str) -> None:
    out = subprocess.Popen([PROGRAMS / "psql", "-qXc", f"copy {table} to stdout", ends.source], stdout=subprocess.PIPE)
    # A replica's session asks no foreign key about tables of other domains, which are not there.
    fill = f"begin; set local session_replication_role = replica; delete from {table}; copy {table} from stdin; commit"
    subprocess.run(
        [PROGRAMS / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", fill, ends.target], stdin=out.stdout, check=True
    )
    assert out.wait() == 0


def _wait_for_readers(source: str, count: int) -> None:
    reading = "select 1 from pg_stat_replication where state = 'streaming'"
    wait_until(lambda: len(run(source, reading)) == count, 60, "every slot is being read")
