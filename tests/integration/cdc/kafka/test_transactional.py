"""A stream through one topic brings what the direct one brings, each transaction whole and once (I2, I3)."""

from __future__ import annotations

from tests.integration.cdc.kafka.conftest import publishing
from tests.integration.cdc.stream.conftest import Pair
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
