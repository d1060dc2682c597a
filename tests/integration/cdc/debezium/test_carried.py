"""Rows carried with Debezium at one end: its sink takes our topics, our apply takes its topics, snapshot included."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from cdc import install
from cdc.copying import snapshot
from cdc.kafka import parallel_install
from cdc.kafka.errors import DebeziumLoses
from cdc.kafka.parallel_stream import ParallelStream
from cdc.kafka.transport import KafkaTransport, Mode
from cdc.spec import StreamSpec
from tests.integration.cdc.debezium import sides
from tests.integration.cdc.kafka.conftest import publishing
from tests.integration.cdc.stream.conftest import execute
from tests.support import debezium
from tests.support.connect import Connect
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

_number = itertools.count(1)


def _change(dsn: str) -> None:
    with psycopg.connect(dsn) as source:
        for transaction in sides.CHANGES:
            for statement in transaction:
                source.execute(statement)
            source.commit()


@pytest.fixture
def ours(
    monolith_server: PostgresServer, services_server: PostgresServer, cluster: KafkaCluster
) -> Iterator[StreamSpec]:
    """Our snapshot is done."""
    source, target = monolith_server.create_database("ours"), services_server.create_database("sunk")
    sides.make_source(source, sides.SINK_CANNOT)
    sides.make_target(target, sides.SINK_CANNOT)
    transport = KafkaTransport(
        cluster.bootstrap, "ours", Mode.PARALLEL, partitions=1, replication=1, min_insync=1, schemas=True
    )
    spec = sides.stream("ours", source, target, transport)
    snapshot.copy(spec)
    yield spec
    install.remove(spec)


def test_debeziums_sink_goes_on_with_our_topics_where_our_snapshot_ended(ours, connect: Connect):
    with publishing(ours):
        connect.create("sink", debezium.sink(ours.target_dsn, r"ours\.public\..*"))
        _change(ours.source_dsn)

        def is_same() -> bool:
            connect.runs("sink")
            return sides.contents(ours.source_dsn) == sides.contents(ours.target_dsn)

        wait_until(is_same, 60, f"the sink's tables equal the source's; log: {connect.log}", every=0.2)
        connect.delete("sink")


@pytest.fixture
def theirs(
    monolith_server: PostgresServer, services_server: PostgresServer, cluster: KafkaCluster, connect: Connect
) -> Iterator[StreamSpec]:
    """Debezium's connector runs under the stream's name, and nobody applies yet."""
    name = f"theirs{next(_number)}"
    source, target = monolith_server.create_database(name), services_server.create_database(name)
    sides.make_source(source, sides.SOURCE_LOSES)
    sides.make_target(target, sides.SOURCE_LOSES)
    transport = KafkaTransport(
        cluster.bootstrap, name, Mode.PARALLEL, partitions=1, replication=1, min_insync=1, debezium=True
    )
    spec = sides.stream(name, source, target, transport)
    with psycopg.connect(source, autocommit=True) as admin:
        tables = ", ".join(table.quoted for table in spec.source_tables)
        admin.execute(f"create publication {spec.publication} for table {tables}")
    connect.create(spec.name, _connector(spec))
    yield spec
    connect.delete(spec.name)
    install.remove(spec)


def test_our_apply_takes_debeziums_topics_unchanged_snapshot_included(theirs):
    wait_until(lambda: _has_slot(theirs), 60, "Debezium has made its slot")
    parallel_install.begin_after_debezium(theirs)
    with _applying(theirs) as errors:
        wait_until(lambda: errors or _is_same(theirs), 60, "the snapshot has arrived", every=0.1)
        _change(theirs.source_dsn)
        wait_until(lambda: errors or _is_same(theirs), 60, "the changes have arrived", every=0.1)
        for statement in sides.OUT_OF_LINE:
            execute(theirs.source_dsn, statement)
        wait_until(lambda: errors or _is_same(theirs), 60, "what was not sent is kept", every=0.1)
    assert not errors


@pytest.mark.full
def test_what_a_killed_connector_repeats_is_applied_once(theirs, connect: Connect):
    wait_until(lambda: _has_slot(theirs), 60, "Debezium has made its slot")
    parallel_install.begin_after_debezium(theirs)
    # Rows that come twice would be counted twice.
    execute(theirs.target_dsn, _COUNTING)
    with _applying(theirs) as errors:
        wait_until(lambda: errors or _is_same(theirs), 60, "the snapshot has arrived", every=0.1)
        execute(theirs.target_dsn, "truncate counted")
        for first in range(0, 3000, 1000):
            execute(theirs.source_dsn, _ROWS, first + 1, first + 1000)
            connect.kill()
            connect.start()
            connect.create(theirs.name, _connector(theirs))
        wait_until(lambda: errors or _is_same(theirs), 120, "the changes have arrived", every=0.1)
    assert not errors
    assert execute(theirs.target_dsn, "select count(*), count(distinct nummer) from counted") == [(3000, 3000)]


_ROWS = """insert into "Straßen" select 'Weg', n from generate_series(%s::int, %s::int) n"""
_COUNTING = """
    create table counted (nummer integer);
    create function count_it() returns trigger language plpgsql as
        $$ begin insert into public.counted values (new.nummer); return new; end $$;
    create trigger count_it after insert or update on "Straßen" for each row execute function count_it();
    alter table "Straßen" enable always trigger count_it
"""


def _connector(spec: StreamSpec) -> dict[str, str]:
    names = [str(table) for table in spec.source_tables]
    settings = debezium.source(spec.source_dsn, spec.name, spec.publication, spec.slot, names, schemas=False)
    return settings | debezium.LOSSLESS


def test_columns_of_which_debezium_loses_values_are_refused_by_name(
    monolith_server: PostgresServer, services_server: PostgresServer, cluster: KafkaCluster
):
    source, target = monolith_server.create_database("whole"), services_server.create_database("refused")
    nothing = {"scalars": (), "arrays": ()}
    sides.make_source(source, nothing)
    sides.make_target(target, nothing)
    transport = KafkaTransport(cluster.bootstrap, "whole", Mode.PARALLEL, debezium=True)
    with pytest.raises(DebeziumLoses) as refused:
        parallel_install.begin_after_debezium(sides.stream("whole", source, target, transport))
    for column in ("carried.timetz", "carried.varbit", "carried arrays.time ", "carried arrays.timetz"):
        assert column in refused.value.message


def _has_slot(spec: StreamSpec) -> bool:
    with psycopg.connect(spec.source_dsn, autocommit=True) as source:
        found = source.execute("select 1 from pg_replication_slots where slot_name = %s and active", [spec.slot])
        return found.fetchone() is not None


def _is_same(spec: StreamSpec) -> bool:
    return sides.contents(spec.source_dsn) == sides.contents(spec.target_dsn)


@contextmanager
def _applying(spec: StreamSpec) -> Iterator[list[BaseException]]:
    """What stops the stream is in the list."""
    stop, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            ParallelStream(spec).run(stop)
        except BaseException as error:  # noqa: BLE001  Handed to the test.
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield errors
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive(), "the stream does not stop"
