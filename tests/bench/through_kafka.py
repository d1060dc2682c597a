"""Through Kafka, transactional: against Debezium and its JDBC sink on the same broker, and against our direct way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from cdc.kafka.transport import KafkaTransport
from tests.bench import visibility, wide
from tests.bench.figure import Figure, Scale, in_turn
from tests.bench.servers import drop_slot, run, servers
from tests.bench.streams import BASE_SLOT, Ends, ours, seconds_between, set_up
from tests.support.debezium_peer import Favour, carrying
from tests.support.kafka import KafkaCluster
from tests.support.waiting import wait_until

EACH = 100
WARM_UP = 0.2
"""So much of the load comes before what is measured: Java compiles what it runs often."""

WARM_UP_SECONDS = 10
"""Of a row's lag, for the same reason, on both sides: Kafka Connect's machine is a new one each time."""

Carry = Callable[[Ends], AbstractContextManager[object]]
_number = itertools.count(1)


def measure(scale: Scale) -> Sequence[Figure]:
    with servers(2, scale.say) as (here, there):
        cluster = KafkaCluster(here.folder.parent / "kafka", heap=1024, brief=False)
        cluster.create()
        cluster.start()
        scale.say("Kafka: one broker with 1 GB; both transports wait for its acknowledgement (acks=all)")
        try:
            rates = Ends(here.create_database("rate"), there.create_database("rate"))
            lags = Ends(here.create_database("lag"), there.create_database("lag"), visibility.PROJECTIONS)
            return [*_rates(scale, rates, cluster), *_lags(scale, lags, cluster, here.folder)]
        finally:
            cluster.stop()


def _through(cluster: KafkaCluster) -> Carry:
    def carry(ends: Ends) -> AbstractContextManager[object]:
        prefix = f"bench{next(_number)}"
        return ours(ends, KafkaTransport(cluster.bootstrap, prefix, replication=1, min_insync=1))

    return carry


def _running(carry: Carry) -> Carry:
    """The stream carries already when the block begins, as the peer's connectors do: what its start holds up is not
    counted as its lag."""

    @contextmanager
    def carry_on(ends: Ends) -> Iterator[None]:
        with carry(ends):
            run(ends.source, "insert into mark select coalesce(max(n), 0) + 1 from mark")
            wait_until(lambda: bool(run(ends.target, "select 1 from mark")), 60, "the stream has begun", every=0.05)
            yield

    return carry_on


def _debezium(scale: Scale, cluster: KafkaCluster, favour: Favour) -> Carry:
    @contextmanager
    def carry(ends: Ends) -> Iterator[None]:
        name = f"peer{next(_number)}"
        run(ends.source, f"select pg_copy_logical_replication_slot('{BASE_SLOT}', '{name}')")
        tables = [str(table) for table in ends.spec().source_tables]
        folder = cluster.folder / name
        with carrying(folder, cluster, ends.source, ends.target, "bench", name, tables, favour, name) as peer:
            yield
            peer.check()
            scale.say(f"peer: {favour}, {peer.settings}")
        drop_slot(ends.source, name)

    return carry


def _rates(scale: Scale, ends: Ends, cluster: KafkaCluster) -> Sequence[Figure]:
    transactions = scale.of(3000, 300)
    for dsn in (ends.source, ends.target):
        run(dsn, wide.TABLES)
    set_up(ends)
    wide.write(
        ends.source, transactions,
        f"insert into item select {wide.row('i')} from generate_series(1 + t * {EACH}, {EACH} + t * {EACH}) i",
    )  # fmt: skip
    first, last = int(WARM_UP * transactions) * EACH, transactions * EACH

    def rate(carry: Carry) -> float:
        run(ends.target, "truncate item, mark", "checkpoint")
        row = "select 1 from item where id = {}"
        with carry(ends):
            return (last - first) / seconds_between(ends.target, row.format(first), row.format(last))

    through, debezium = _through(cluster), _debezium(scale, cluster, Favour.THROUGHPUT)
    one, other = in_turn(min(scale.rounds, 2), lambda: rate(through), lambda: rate(debezium), scale.say)
    again, direct = in_turn(scale.rounds, lambda: rate(through), lambda: rate(ours), scale.say)
    drop_slot(ends.source, BASE_SLOT)
    return [
        Figure("inserts through Kafka, against Debezium and its JDBC sink", one, other, one / other, 3, "rows/s"),
        Figure("inserts through Kafka, against direct", again, direct, again / direct, 0.3, "rows/s"),
    ]


def _lags(scale: Scale, ends: Ends, cluster: KafkaCluster, folder: Path) -> Sequence[Figure]:
    for dsn in (ends.source, ends.target):
        run(dsn, visibility.TABLES)
    seconds = scale.of(12, 4)

    def p99(who: str, carry: Carry) -> float:
        seen = visibility.measured(ends, carry, visibility.script(folder), seconds, WARM_UP_SECONDS)
        (p50, found), each = visibility.percentiles(seen), visibility.PER_SECOND
        turns = [visibility.percentiles(seen[at : at + each])[1] for at in range(0, len(seen) - each // 2, each)]
        by_second = " ".join(f"{turn:.0f}" for turn in turns)
        scale.say(f"{who}: p50 {p50:.1f}, p99 {found:.1f} ms; p99 of each second: {by_second}")
        return found

    through = partial(p99, "ours", _running(_through(cluster)))
    debezium = partial(p99, "against", _debezium(scale, cluster, Favour.LATENCY))
    scale.say("one round that is not counted: the broker compiles what both sides want of it while the first one runs")
    in_turn(1, through, debezium, scale.say)
    one, other = in_turn(scale.rounds, through, debezium, scale.say)
    name = f"commit to visible at {visibility.PER_SECOND}/s through Kafka, p99, against Debezium and its JDBC sink"
    return [Figure(name, one, other, other / one, 5, "ms")]
