"""A slot that is not what it was, a source that is not who it was: noticed by name before anything is skipped."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from cdc import install, position
from cdc.capture import losses
from cdc.copying import snapshot
from cdc.position import lsn_text
from cdc.spec import StreamSpec
from cdc.stream import Stream
from tests.integration.cdc.safety.scene import (
    ENTRIES,
    ROWS,
    TARGET_ENTRIES,
    catch_up,
    copy_of,
    follow,
    new_source,
    promote,
    spec,
    stops_with,
)
from tests.integration.cdc.stream.applier import spec as applier_spec
from tests.integration.cdc.stream.conftest import Running, as_fig, execute, make_side
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def source(server_folder: Path) -> Iterator[PostgresServer]:
    server = new_source(server_folder / "pg-losing")
    yield server
    server.stop(signal.SIGQUIT)


@pytest.fixture
def target(services_server: PostgresServer, new_database: Callable[[PostgresServer], str]) -> str:
    dsn = new_database(services_server)
    make_side(services_server, dsn, TARGET_ENTRIES)
    return dsn


@pytest.fixture
def stream(source: PostgresServer, target: str) -> Iterator[StreamSpec]:
    """Copied, with ten rows applied and nothing running."""
    made = spec(source, target)
    execute(source.dsn(), "truncate entry")
    snapshot.copy(made)
    write(source, 10)
    catch_up(made)
    yield made
    install.remove(made)


def write(server: PostgresServer, rows: int) -> None:
    execute(server.dsn(), f"insert into entry (n) select 1 from generate_series(1, {rows})")


def comes_back(stream: StreamSpec) -> None:
    """A new copy makes both sides equal, whatever was missed, and the stream goes on from there."""
    execute(stream.source_dsn, "delete from entry where id in (select min(id) from entry)")
    snapshot.copy(stream)
    execute(stream.source_dsn, "insert into entry (n) values (3)")
    catch_up(stream)
    assert execute(stream.target_dsn, ROWS) == execute(stream.source_dsn, ROWS)


def test_a_slot_that_somebody_has_dropped(source: PostgresServer, stream: StreamSpec) -> None:
    execute(source.dsn(), "select pg_drop_replication_slot(%s)", stream.slot)
    write(source, 3)
    assert "does not exist" in stops_with(stream, losses.SlotMissing).message
    comes_back(stream)


def test_a_database_that_was_restored_into_the_same_cluster_is_not_copied_by_itself(
    source: PostgresServer, target: str
) -> None:
    """Its slot is gone with it; the copy may be the only place that still has what the backup lacks."""
    dsn = source.create_database("restored")
    make_side(source, dsn, ENTRIES)
    made = applier_spec(as_fig(dsn), as_fig(target))
    snapshot.copy(made)
    execute(dsn, "insert into entry (n) select 1 from generate_series(1, 10)")
    catch_up(made)
    execute(dsn, "select pg_drop_replication_slot(%s)", made.slot)
    execute(source.dsn(), "drop database restored with (force)")
    make_side(source, source.create_database("restored"), ENTRIES)
    execute(dsn, "insert into entry (n) select 1 from generate_series(1, 4)")
    assert "made anew in the same cluster" in stops_with(made, losses.SourceRebuilt).message
    comes_back(made)
    install.remove(made)


def test_a_slot_that_somebody_has_made_anew_would_skip_what_came_between(
    source: PostgresServer, stream: StreamSpec
) -> None:  # fmt: skip
    execute(source.dsn(), "select pg_drop_replication_slot(%s)", stream.slot)
    write(source, 3)
    execute(source.dsn(), "select pg_create_logical_replication_slot(%s, 'pgoutput')::text", stream.slot)
    assert "the target has only" in stops_with(stream, losses.SlotAhead).message
    comes_back(stream)


def test_a_slot_that_the_server_has_invalidated(source: PostgresServer, stream: StreamSpec) -> None:
    with psycopg.connect(source.dsn(), autocommit=True) as admin:
        admin.execute("alter system set max_slot_wal_keep_size = '1MB'")
        admin.execute("select pg_reload_conf()")

        def is_lost() -> bool:
            admin.execute("insert into entry (n) values (1)")
            admin.execute("select pg_switch_wal()")
            admin.execute("checkpoint")
            row = admin.execute("select wal_status from pg_replication_slots").fetchone()
            return row == ("lost",)

        wait_until(is_lost, 30, "the server gives the slot up")
        admin.execute("alter system reset max_slot_wal_keep_size")
        admin.execute("select pg_reload_conf()")
    assert "has lost its WAL" in stops_with(stream, losses.SlotInvalidated).message
    comes_back(stream)


def test_a_target_that_lost_what_it_had_confirmed(source: PostgresServer, stream: StreamSpec, target: str) -> None:
    """As after a restore from its backup: rows and position of a while ago, while the slot has gone on."""
    [(then,)] = execute(target, "select lsn::text from fig.position")
    kept = execute(target, ROWS)
    write(source, 5)
    catch_up(stream)
    execute(target, "delete from entry where id > (select max(id) - 5 from entry)")
    execute(target, "update fig.position set lsn = %s::pg_lsn", then)
    assert execute(target, ROWS) == kept
    assert "the target has only" in stops_with(stream, losses.SlotAhead).message
    comes_back(stream)


PASSED = "select pg_current_wal_flush_lsn() > %s::pg_lsn"


def position_of(stream: StreamSpec) -> int:
    with psycopg.connect(stream.target_dsn) as connection:
        found = position.read(connection, stream.name)
    assert found is not None
    return found.lsn


def hear_a_beat(stream: StreamSpec) -> None:
    """Run the stream until its target has reached a beat of the source that was counted from now on."""
    [(before,)] = execute(stream.source_dsn, "select coalesce(max(beats), 0) from fig.heartbeat")
    running = Running(Stream(stream))
    try:
        reached = "select 1 from fig.heard where stream = %s and beats > %s"
        wait_until(lambda: execute(stream.target_dsn, reached, stream.name, before), 20, "a beat is heard")
    finally:
        running.end()


def test_a_source_that_was_promoted_restored_or_rebuilt(
    monolith_server: PostgresServer,
    new_database: Callable[[PostgresServer], str],
    server_folder: Path,
    target: str,
) -> None:
    """One history: a primary with a standby that has everything, one that stayed behind, and a backup on a disk."""
    with ExitStack() as running:
        primary = new_source(server_folder / "pg-primary")
        running.callback(primary.stop, signal.SIGQUIT)
        first = spec(primary, target)
        snapshot.copy(first)
        write(primary, 10)
        catch_up(first)
        primary.stop()
        copies = {name: copy_of(primary, server_folder / f"pg-{name}") for name in ("standby", "behind", "backup")}
        for name in ("standby", "behind"):  # As pg_basebackup makes them: without slots.
            shutil.rmtree(copies[name].data / "pg_replslot" / first.slot)
        primary.start()
        for name in ("standby", "behind", "backup"):
            running.callback(copies[name].stop, signal.SIGQUIT)
        follow(copies["standby"], primary)
        follow(copies["behind"], None)
        write(primary, 10)
        hear_a_beat(first)
        catch_up(first)
        primary.stop()  # Everything has been sent to its standby before it ends.

        copies["backup"].start()
        error = stops_with(spec(copies["backup"], target), losses.SourceBehind)
        assert "restored from a backup" in error.message
        # The same disk once more, but its log has gone past what the target has before the stream comes back.
        while execute(copies["backup"].dsn(), PASSED, lsn_text(position_of(first))) != [(True,)]:
            write(copies["backup"], 100)
        error = stops_with(spec(copies["backup"], target), losses.SourceBehind)
        assert "heartbeats" in error.message
        copies["backup"].stop(signal.SIGQUIT)

        promote(copies["behind"])
        assert (
            "timeline was 1, is 2 from" in stops_with(spec(copies["behind"], target), losses.SourceLostWrites).message
        )
        copies["behind"].stop(signal.SIGQUIT)

        another = new_database(monolith_server)
        make_side(monolith_server, another, ENTRIES)
        rebuilt = spec(monolith_server, target)
        rebuilt = StreamSpec(**{**vars(rebuilt), "source_dsn": as_fig(another)})
        assert "system identifier was" in stops_with(rebuilt, losses.SourceRebuilt).message

        promote(copies["standby"])
        promoted = spec(copies["standby"], target)
        assert "timeline was 1, is 2" in stops_with(promoted, losses.SourcePromoted).message
        comes_back(promoted)
