"""A stream through one topic brings what the direct one brings, each transaction whole and once (I2, I3)."""

from __future__ import annotations

import threading

import psycopg

from cdc import install
from cdc.copying import snapshot
from cdc.gate.exact import exact_pair
from cdc.message_errors import RowsRewritten
from cdc.stream import Stream
from tests.integration.cdc.kafka.conftest import publishing
from tests.integration.cdc.stream.conftest import Pair, Running
from tests.integration.cdc.stream.library import AS_MONOLITH, AS_SERVICE


def same(pair: Pair) -> bool:
    return pair.on_monolith(AS_SERVICE) == pair.on_service(AS_MONOLITH)


def test_rows_arrive_through_the_topic_and_both_sides_are_equal(routed: Pair) -> None:
    with publishing(routed.forward), routed.streaming():
        routed.on_monolith(
            "insert into book (title, price, stock, note) select 'b' || n, n / 100.0, n, repeat('x', 3000)"
            " from generate_series(1, 2000) n"
        )
        routed.on_monolith("insert into loan select id, 'r' || id, 5 from book where id <= 100")
        routed.on_monolith("update book set title = 'ü \"quoted\" \\ ' || id, note = null where id % 3 = 0")
        routed.on_monolith("update book set id = id + 100000 where id <= 10")
        routed.on_monolith("update book set stock = stock + 1 where id = 100001")
        routed.on_monolith("delete from book where id % 7 = 0")
        routed.on_monolith("delete from loan where book_id > 50")
        routed.caught_up()
    assert same(routed)
    assert routed.on_service("select count(*) from volume where id > 100000")[0][0] > 5


def test_a_value_of_many_megabytes_arrives(routed: Pair) -> None:
    with publishing(routed.forward), routed.streaming():
        routed.on_monolith(
            "insert into book (title, note)"
            " select 'large', string_agg(md5(n::text), '') from generate_series(1, 400000) n"
        )
        routed.on_monolith("update book set stock = 3 where title = 'large'")
        routed.caught_up(seconds=60)
    [(size, available)] = routed.on_service(
        "select length(note), available from volume v join shelf s on s.volume_id = v.id where name = 'large'"
    )
    assert (size, available) == (12_800_000, 3)


def test_an_exact_pair_of_snapshots_is_to_be_had_through_the_topic(routed: Pair) -> None:
    """The gate of verification stands in the same loop, wherever the messages come from."""
    counted = "select count(*), coalesce(sum({}), 0)::bigint from {}"
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(routed.monolith, autocommit=True) as connection:
            while not stop.wait(0.005):
                connection.execute("insert into book (stock) values (3)")

    writer = threading.Thread(target=write)
    spec = routed.forward
    with publishing(spec), routed.streaming():
        writer.start()
        try:
            for _ in range(3):
                with exact_pair(spec.source_dsn, spec.target_dsn, spec.name, patience=20) as both:
                    here = both.source.execute(counted.format("stock", "book").encode()).fetchone()
                    there = both.target.execute(counted.format("available", "shelf").encode()).fetchone()
                assert here == there
        finally:
            stop.set()
            writer.join()


def test_rows_that_came_through_one_topic_do_not_go_back_through_the_other(routed: Pair) -> None:
    install.prepare_reverse(routed.backward)
    forward, backward = publishing(routed.forward), publishing(routed.backward)
    with forward, backward, routed.streaming(), routed.streaming(routed.backward):
        routed.on_monolith("insert into book (title, stock) select 'b' || n, n from generate_series(1, 50) n")
        routed.caught_up()
        routed.on_service("update shelf set available = available + 1")
        routed.caught_up(routed.backward)
        routed.caught_up()
        assert same(routed)
    assert max(progress.rows for progress in routed.progress) == 100, "book to volume and shelf, or shelf to book"


def test_rows_that_ddl_has_rewritten_stop_the_stream_by_name_until_they_are_copied_again(routed: Pair) -> None:
    """What the sentry on the source says in the DDL's transaction comes through the topic in its place."""
    routed.on_monolith("insert into book (title, code) values ('quiet', 'a'), ('too', 'b')")
    rewrite = (
        "begin; alter table book alter column title type text using upper(title); select pg_logical_emit_message(true,"
        """ 'fig', '{"kind": "rewritten", "domain": "%s", "what": "book was rewritten"}'); commit"""
    )
    with publishing(routed.forward):
        with routed.streaming():
            routed.on_monolith(rewrite % "others")
            routed.caught_up()
        stopped = Running(Stream(routed.forward))
        routed.on_monolith(rewrite % "books")
        routed.on_monolith("insert into book (title) values ('after')")
        assert "book was rewritten" in str(stopped.fails(RowsRewritten, 20))
        # Nobody gets past it by starting again.
        assert "book was rewritten" in str(Running(Stream(routed.forward)).fails(RowsRewritten, 20))
        names = "select name from volume order by id"
        assert routed.on_service(names) == [("quiet",), ("too",)]
    snapshot.copy(routed.forward, afresh=True)
    with publishing(routed.forward), routed.streaming():
        routed.on_monolith("insert into book (title) values ('last')")
        routed.caught_up()
    assert routed.on_service(names) == [("QUIET",), ("TOO",), ("after",), ("last",)]
    assert same(routed)
