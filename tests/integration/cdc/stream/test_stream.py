"""Rows travel through the lens, once, in their transactions."""

from __future__ import annotations

from cdc import snapshot
from tests.integration.cdc.stream.conftest import Pair
from tests.integration.cdc.stream.library import AS_MONOLITH, AS_SERVICE


def assert_same(pair: Pair) -> None:
    assert pair.on_service(AS_MONOLITH) == pair.on_monolith(AS_SERVICE)
    lent = "select * from {} order by 1, 2"
    assert pair.on_service(lent.format("lending")) == pair.on_monolith(lent.format("loan"))


def test_snapshot_and_stream_bring_inserts_updates_and_deletes(pair: Pair) -> None:
    pair.on_monolith(
        "insert into book (title, price, stock, hidden, code)"
        " select 'Title ' || g, g * 1.25, g, g % 2 = 0, 'c' || g from generate_series(1, 500) g"
    )
    pair.on_monolith("insert into loan select g, 'reader ' || g, g from generate_series(1, 50) g")
    snapshot.copy(pair.forward)
    assert_same(pair)
    with pair.streaming():
        pair.on_monolith("insert into book (title, price, stock) values ('New', 9.99, 3)")
        pair.on_monolith("update book set price = price + 1, stock = stock - 1 where id % 3 = 0")
        pair.on_monolith("delete from book where id % 5 = 0")
        pair.on_monolith("update loan set days = days + 1")
        pair.caught_up()
    assert len(pair.on_service("select 1 from volume")) == 401
    assert_same(pair)
