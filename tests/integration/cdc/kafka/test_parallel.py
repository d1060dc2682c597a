"""A stream by Debezium's topics, shared by several appliers: each change once, whatever a rebalance does (I2, I3)."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg
import pytest

from cdc import install
from cdc.copying import snapshot
from cdc.kafka.errors import ParallelUnsafe, TopicLost
from cdc.kafka.parallel_stream import ParallelStream
from cdc.kafka.transport import KafkaTransport, Mode
from cdc.message_errors import RowsRewritten
from cdc.projection import Column, Projection, Role, Table
from cdc.spec import StreamSpec
from tests.integration.cdc.kafka.conftest import Publishing, publishing
from tests.integration.cdc.stream.conftest import as_fig, execute, make_side
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

_number = itertools.count(1)
TABLES = (
    "create table stock (id bigint primary key, n int, note text); create table price (id bigint primary key, n int)"
)
AS_TEXT = "select (select string_agg(s::text, ';' order by id) from {t} s)"


def projection(name: str, *columns: str) -> Projection:
    table = Table("public", name)
    return Projection(
        table, table, (("id", "id"),), tuple(Column(c, (c,), "{" + c + "}") for c in columns), Role.PRIMARY, ()
    )


@dataclass
class Shared:
    """Two databases, one stream by topics for each table."""

    spec: StreamSpec
    source: str
    target: str
    errors: list[BaseException] = field(default_factory=list)

    @contextmanager
    def applying(self) -> Iterator[threading.Event]:
        stop = threading.Event()

        def run() -> None:
            try:
                ParallelStream(self.spec).run(stop)
            except BaseException as error:  # noqa: BLE001  Handed to the test.
                self.errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive(), "the stream does not stop"

    def caught_up(self, seconds: float = 40) -> None:
        [(lsn,)] = execute(self.source, "select pg_current_wal_insert_lsn()")
        wait_until(
            lambda: self.errors or execute(self.target, "select 1 from fig.position where lsn >= %s::pg_lsn", lsn),
            seconds,
            f"the position has passed {lsn}",
            every=0.05,
        )
        assert not self.errors, self.errors

    def is_same(self) -> bool:
        return all(
            execute(self.source, AS_TEXT.format(t=t)) == execute(self.target, AS_TEXT.format(t=t))
            for t in ("stock", "price")
        )


@pytest.fixture
def shared(
    kafka: KafkaCluster, monolith_server: PostgresServer, services_server: PostgresServer,
    new_database: Callable[[PostgresServer], str],
) -> Iterator[Shared]:  # fmt: skip
    source, target = new_database(monolith_server), new_database(services_server)
    make_side(monolith_server, source, TABLES)
    make_side(services_server, target, TABLES)
    name = f"stock_{next(_number)}"
    transport = KafkaTransport(
        kafka.bootstrap, name, Mode.PARALLEL, partitions=3, replication=1, min_insync=1, appliers=2
    )
    spec = StreamSpec(
        name=name, domain="stock", source_dsn=as_fig(source), target_dsn=as_fig(target), slot=f"fig_{name}",
        publication="fig_stock", origin=f"fig_{name}",
        projections=(projection("stock", "id", "n", "note"), projection("price", "id", "n")),
        heartbeat=0.05, kafka=transport,
    )  # fmt: skip
    execute(source, "insert into stock select n, n, 'before' from generate_series(1, 100) n")
    snapshot.copy(spec)
    yield Shared(spec, source, target)
    install.remove(spec)


def write(source: str, rounds: int, first: int = 1) -> None:
    with psycopg.connect(source, autocommit=True) as connection:
        for n in range(first, first + rounds):
            connection.execute("insert into stock values (1000 + %s, 0, null)", [n])
            connection.execute("update stock set n = n + 1 where id %% 7 = %s", [n % 7])
            connection.execute(
                "insert into price values (%s, 1) on conflict (id) do update set n = price.n + 1", [n % 5]
            )
            if n % 10 == 0:
                connection.execute("delete from stock where id = 1000 + %s", [n - 5])
                connection.execute("update stock set id = id + 100000 where id = 1000 + %s", [n - 3])


def test_all_changes_arrive_in_the_order_of_their_keys(shared: Shared) -> None:
    with publishing(shared.spec), shared.applying():
        write(shared.source, 100)
        shared.caught_up()
    assert shared.is_same()


def test_members_that_come_and_go_lose_nothing_and_repeat_nothing(shared: Shared) -> None:
    alone = replace(shared, spec=replace(shared.spec, origin=f"{shared.spec.origin}_b"))
    with publishing(shared.spec), shared.applying():
        for first in (1, 101):
            with alone.applying():
                write(shared.source, 60, first)
        write(shared.source, 40, 201)
        shared.caught_up()
    assert not alone.errors
    assert shared.is_same()


def test_a_marker_counts_once_every_partition_has_passed_it(shared: Shared) -> None:
    marker = {"kind": "fence", "domain": "stock", "epoch": 7}
    with publishing(shared.spec), shared.applying():
        write(shared.source, 20)
        execute(shared.source, "select pg_logical_emit_message(true, 'fig', %s)", json.dumps(marker))
        seen = "select 1 from fig.position where marker ->> 'epoch' = '7'"
        wait_until(lambda: shared.errors or execute(shared.target, seen), 40, "the marker is applied", every=0.05)
        assert shared.is_same()
    assert not shared.errors


def test_rows_that_ddl_has_rewritten_stop_every_applier_by_name_until_they_are_copied_again(shared: Shared) -> None:
    said = {"kind": "rewritten", "domain": "stock", "what": "stock was rewritten"}
    with publishing(shared.spec):
        with shared.applying():
            shared.caught_up()
            with psycopg.connect(shared.source) as source:
                source.execute("alter table stock alter column note type text using upper(note)")
                source.execute("select pg_logical_emit_message(true, 'fig', %s)", [json.dumps(said)])
            execute(shared.source, "insert into stock values (1000, 0, 'after')")
            wait_until(lambda: shared.errors, 20, "the stream stops")
        with shared.applying():  # Nobody gets past it by starting again.
            wait_until(lambda: len(shared.errors) > 1, 20, "the stream stops again")
    for error in shared.errors:
        assert isinstance(error, RowsRewritten)
        assert "stock was rewritten" in str(error)
    assert execute(shared.target, "select count(*) from stock where note = 'BEFORE'") == [(0,)]
    shared.errors.clear()
    snapshot.copy(shared.spec, afresh=True)
    with publishing(shared.spec), shared.applying():
        execute(shared.source, "insert into stock values (1001, 0, 'last')")
        shared.caught_up()
    assert shared.is_same()


@pytest.mark.parametrize(
    ("constraint", "reason"),
    [
        ("alter table stock add unique (id, note)", "unique index"),
        ("alter table price add foreign key (id) references stock", "foreign key"),
    ],
)
def test_tables_whose_rows_need_an_order_are_refused(shared: Shared, constraint: str, reason: str) -> None:
    execute(shared.target, constraint)
    with publishing(shared.spec), shared.applying():
        wait_until(lambda: shared.errors, 20, "the stream is refused")
    assert isinstance(shared.errors[0], ParallelUnsafe)
    assert reason in str(shared.errors[0])


def test_a_truncation_stops_the_publisher(shared: Shared) -> None:
    running = Publishing(shared.spec)
    execute(shared.source, "truncate stock")
    running.thread.join(20)
    with pytest.raises(ParallelUnsafe, match="truncated"):
        running.end()


def test_a_topic_that_was_deleted_and_made_again_is_noticed(shared: Shared) -> None:
    with publishing(shared.spec), shared.applying():
        write(shared.source, 5)
        shared.caught_up()
    assert shared.spec.kafka is not None
    execute(shared.target, "update fig.partition_place set topic_id = 'another' where topic like '%stock%'")
    with shared.applying():
        wait_until(lambda: shared.errors, 20, "the stream stops")
    assert isinstance(shared.errors[0], TopicLost)
