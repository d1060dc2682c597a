"""The applier's side of exact verification: both sides are read at the same point while the source is written."""

from __future__ import annotations

import json
import select
import threading
import time
from contextlib import closing

import psycopg

from cdc.gate.applier import Gate
from cdc.gate.exact import exact_pair
from cdc.gate.exchange import HOLD_SECONDS, answer_channel, request_channel
from tests.integration.cdc.stream.conftest import Pair
from tests.integration.cdc.stream.library import AS_MONOLITH, AS_SERVICE
from tests.support.waiting import wait_until


def test_a_pair_of_snapshots_under_load_sees_the_same_rows(copied: Pair) -> None:
    copied.on_monolith("insert into book (title, stock) select 'b', 0 from generate_series(1, 200)")
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(copied.monolith, autocommit=True) as writer:
            while not stop.is_set():
                writer.execute("update book set stock = stock + 1 where id = 1 + (random() * 199)::int")
                writer.execute("insert into loan select 1 + (random() * 199)::int, gen_random_uuid()::text, 1")

    writers = [threading.Thread(target=write) for _ in range(2)]
    with copied.streaming():
        for writer in writers:
            writer.start()
        rounds = []
        for _ in range(5):
            with exact_pair(copied.forward.source_dsn, copied.forward.target_dsn, copied.forward.name) as both:
                monolith = both.source.execute(AS_SERVICE).fetchall()
                service = both.target.execute(AS_MONOLITH).fetchall()
                lent = "select count(*) from {}"
                loans = both.source.execute(lent.format("loan")).fetchall()
                lendings = both.target.execute(lent.format("lending")).fetchall()
                rounds.append((monolith == service, loans == lendings, loans))
        stop.set()
        for writer in writers:
            writer.join()
    assert all(books and lent for books, lent, _ in rounds), rounds
    assert len({str(count) for *_, count in rounds}) == 5, "nothing was written meanwhile; the test shows nothing"


def test_an_idle_stream_reaches_the_point_too(copied: Pair) -> None:
    copied.on_monolith("insert into book (title) values ('b')")
    with copied.streaming():
        copied.caught_up()
        with exact_pair(copied.forward.source_dsn, copied.forward.target_dsn, copied.forward.name) as both:
            assert both.source.execute(AS_SERVICE).fetchall() == both.target.execute(AS_MONOLITH).fetchall()


def test_a_request_that_arrives_while_an_answer_is_sent_is_heard(copied: Pair) -> None:
    """A client library that reads one answer may read what comes with it, too."""
    name = copied.forward.name

    def ask(what: str) -> None:
        request = json.dumps({"id": "1", "do": what, "lsn": "0/10"})
        copied.on_service("select pg_notify(%s, %s)", request_channel(name), request)

    with closing(Gate(copied.forward)) as gate:
        ask("hold")
        assert select.select([gate.socket], [], [], 10)[0], "the first request is there"
        gate.listen()
        ask("snapshot_at")
        assert select.select([gate.socket], [], [], 10)[0], "the second request is there"
        gate.reached(1)
        gate.listen()
        assert not gate.stops(0xF), "everything before the point may go on"
        assert gate.stops(0x10)


def test_a_verifier_that_dies_holds_the_stream_only_for_its_limit_and_one_holds_at_a_time(copied: Pair) -> None:
    name = copied.forward.name

    def ask(what: str, number: str, **more: str) -> None:
        request = json.dumps({"id": number, "do": what, **more})
        copied.on_service("select pg_notify(%s, %s)", request_channel(name), request)

    heard: list[dict[str, object]] = []
    with copied.streaming(), psycopg.connect(copied.service, autocommit=True) as listener:
        listener.execute(f"listen {answer_channel(name)}")

        def hears(number: str, key: str) -> bool:
            heard.extend(json.loads(n.payload) for n in listener.notifies(timeout=0.05))
            return any(said["id"] == number and key in said for said in heard)

        copied.on_monolith("insert into book (title) values ('b1')")
        copied.caught_up()
        copied.on_service("select pg_notify(%s, 'nonsense')", request_channel(name))
        ask("snapshot_at", "early", lsn="0/1")
        wait_until(lambda: hears("early", "refused"), 5, "no snapshot without a hold")
        ask("hold", "one")
        wait_until(lambda: hears("one", "held"), 5, "the stream is held")
        ask("hold", "two")
        wait_until(lambda: hears("two", "refused"), 5, "a second hold is refused")
        copied.on_monolith("insert into book (title) values ('b2')")
        held_until = time.monotonic() + HOLD_SECONDS / 2
        while time.monotonic() < held_until:
            assert copied.on_service("select count(*) from volume") == [(1,)], "applied although it is held"
        wait_until(
            lambda: copied.on_service("select count(*) from volume") == [(2,)],
            HOLD_SECONDS + 5,
            "the hold ends by itself",
        )
        ask("snapshot_at", "one", lsn="0/1")
        wait_until(
            lambda: sum("refused" in said for said in heard) + hears("one", "refused") > 2, 5, "too late is refused"
        )
