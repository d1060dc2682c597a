"""What a reader of the target can see: whole transactions, one after the other, prepared ones when they are decided."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from cdc import install
from cdc.copying import snapshot
from cdc.spec import StreamSpec
from cdc.stream import Stream
from cdc.target.errors import PoisonRow
from tests.integration.cdc.stream.conftest import Pair, Running
from tests.integration.cdc.stream.library import LENDING
from tests.integration.cdc.stream.test_stream import assert_same
from tests.support.waiting import wait_until

TOGETHER = """
    select (select count(*) from lending), (select coalesce(max(days), 0) from lending),
           (select available from shelf where volume_id = 1)
"""
"""Transaction n makes loan n and sets the stock of book 1 to n. One statement has one snapshot."""


@contextmanager
def reading(dsn: str) -> Iterator[list[tuple[int, ...]]]:
    """Everything that a reader of the target sees meanwhile, each new sight once."""
    stop, seen = threading.Event(), list[tuple[int, ...]]()

    def read() -> None:
        with psycopg.connect(dsn, autocommit=True) as reader:
            while not stop.is_set():
                sight = reader.execute(TOGETHER).fetchone()
                if sight and sight[2] is not None and (not seen or seen[-1] != sight):
                    seen.append(sight)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def test_a_reader_never_sees_a_transaction_without_the_ones_before_it(copied: Pair) -> None:
    copied.on_monolith("insert into book (title) values ('first')")
    with copied.streaming():
        copied.caught_up()
        with (
            reading(copied.service) as seen,
            psycopg.connect(copied.monolith) as one,
            psycopg.connect(copied.monolith) as other,
        ):
            for n in range(1, 401):
                writer = one if n % 2 else other
                writer.execute("update book set stock = %s where id = 1", [n])
                writer.execute("insert into loan values (1, %s, %s)", [f"r{n}", n])
                writer.commit()
                if n % 100 == 50:  # What comes meanwhile is applied together afterwards.
                    with psycopg.connect(copied.service) as holding:
                        holding.execute("lock table lending in access exclusive mode")
                        for late in range(n + 1000, n + 1020):
                            one.execute("update book set title = %s where id = 1", [f"t{late}"])
                            one.commit()
            wait_until(lambda: bool(seen) and seen[-1][0] == 400, 20, "all of it is seen")
    assert len(seen) > 20, "too few sights to say anything"
    assert [sight for sight in seen if len(set(sight)) > 1] == []
    assert seen == sorted(seen), "a transaction that was there is gone"
    assert_same(copied)


def test_a_prepared_transaction_arrives_when_it_is_committed_and_never_when_it_is_rolled_back(copied: Pair) -> None:
    name = psycopg.conninfo.conninfo_to_dict(copied.monolith)["dbname"]
    with copied.streaming():
        for number in (1, 2, 3):
            with psycopg.connect(copied.monolith, autocommit=True) as writer:
                writer.execute("begin")
                writer.execute("insert into book (id, title) values (%s, 'prepared')", [number])
                writer.execute(f"prepare transaction '{name}_{number}'")
        copied.on_monolith("insert into book (id, title) values (10, 'after them')")
        copied.caught_up()
        assert copied.on_service("select id from volume") == [(10,)], "what is not decided is not there"
        copied.on_monolith(f"commit prepared '{name}_1'")
        copied.on_monolith(f"rollback prepared '{name}_2'")
        copied.caught_up()
        assert copied.on_service("select id from volume order by 1") == [(1,), (10,)]
    with copied.streaming():  # Another session of the slot, begun between prepare and commit.
        copied.on_monolith("update book set title = 'changed' where id = 1")
        copied.caught_up()
        copied.on_monolith(f"commit prepared '{name}_3'")
        copied.caught_up()
        assert copied.on_service("select id from volume order by 1") == [(1,), (3,), (10,)]
    assert_same(copied)


@pytest.fixture
def domains(pair: Pair) -> Iterator[tuple[StreamSpec, StreamSpec]]:
    """Books and loans as two domains, each with its own stream."""
    ours = pair.forward
    books, lent = (tuple(p for p in ours.projections if (p.target == LENDING) == is_lent) for is_lent in (False, True))
    loans = replace(
        ours, name="loans", domain="loans", slot=f"{ours.slot}_l", origin=f"{ours.origin}_l", publication="fig_loans",
        projections=lent,
    )  # fmt: skip
    both = replace(ours, projections=books), loans
    for spec in both:
        snapshot.copy(spec)
    yield both
    install.remove(loans)


def test_a_row_that_cannot_be_applied_stops_its_own_domain_only(
    pair: Pair, domains: tuple[StreamSpec, StreamSpec]
) -> None:
    books, loans = domains
    pair.on_service("alter table volume add check (name <> 'poison')")
    with pair.streaming(loans):
        poisoned = Running(Stream(books))
        pair.on_monolith(
            "begin; insert into book (title) values ('poison'); insert into loan values (1, 'r', 1); commit"
        )
        poisoned.fails(PoisonRow)
        pair.on_monolith("insert into loan values (1, 'later', 2)")
        pair.caught_up(loans)
    assert pair.on_service("select reader from lending order by 1") == [("later",), ("r",)]
    assert pair.on_service("select * from volume") == []
