"""Both directions at once on the same tables: every row travels once, none comes back."""

from __future__ import annotations

from cdc import install
from cdc.copying import snapshot
from cdc.copying.refill import refill
from cdc.position import parse_lsn
from cdc.projection import Table
from cdc.spec import Progress
from cdc.stream import Stream
from tests.integration.cdc.stream.conftest import Pair, Running
from tests.integration.cdc.stream.test_stream import assert_same
from tests.support.waiting import wait_until

VOLUME = Table("public", "volume")


def test_nothing_that_was_applied_is_sent_back(copied: Pair) -> None:
    install.prepare_reverse(copied.backward)
    with copied.streaming(), copied.streaming(copied.backward):
        for n in range(1, 101):
            copied.on_monolith(f"insert into book (id, title, stock) values ({n}, 'm', {n})")
            copied.on_service(
                f"insert into volume values ({n + 1000}, 's', 5, 'shown', null, null, now(), 'EUR');"
                f" insert into shelf values ({n + 1000}, {n})"
            )
        copied.caught_up()
        copied.caught_up(copied.backward)
        copied.on_monolith("update book set title = 'again' where id <= 100")
        copied.on_service("update shelf set available = available + 1 where volume_id > 1000")
        copied.caught_up()
        copied.caught_up(copied.backward)
        assert_same(copied)
        [(there,)] = copied.on_service("select txid_current()")
        [(here,)] = copied.on_monolith("select txid_current()")
        wait_until(lambda: copied.on_service("select txid_current()")[0][0] > there + 20, 10, "heartbeats pass")
        assert_same(copied)
    # Each row has been written by one transaction for its insert and one for its update, and by no echo.
    rows = max(p.rows for p in copied.progress)
    assert rows == 100 * 2 + 100 * 2, "book to volume and shelf, inserted and updated"
    assert copied.on_monolith("select txid_current()")[0][0] - here < 500


def test_nothing_that_is_copied_while_the_way_back_runs_already_is_sent_back(pair: Pair) -> None:
    """No moment without a guard: the way back is open before the first row is copied, and at every copy after it."""
    pair.on_monolith("insert into book (title, stock) select 't', n from generate_series(1, 50) n")
    install.prepare_reverse(pair.backward)
    told: list[Progress] = []

    def sent_back() -> int:
        """Rows of all transactions that the service has made until now."""
        pair.caught_up(pair.backward)
        [(reached,)] = pair.on_monolith("select lsn::text from fig.position where stream = %s", pair.backward.name)
        wait_until(lambda: told and told[-1].applied >= parse_lsn(reached), 20, "it tells what it has applied")
        return told[-1].rows

    back = Running(Stream(pair.backward, told.append))
    try:
        snapshot.copy(pair.forward)
        with pair.streaming():
            refill(pair.forward, VOLUME)
            pair.on_monolith("update book set title = 'again'")
            pair.caught_up()
        assert sent_back() == 0
        pair.on_service("update volume set name = 'not ours'")  # The control: a row of nobody else is sent.
        assert sent_back() == 50
        snapshot.copy(pair.forward, afresh=True)
        assert sent_back() == 50
    finally:
        back.end()
    assert pair.on_monolith("select distinct title from book") == [("not ours",)]


SCANS = """
    select seq_scan + idx_scan, n_tup_upd + n_tup_del from pg_stat_user_tables
    where relname in ('book', 'loan') order by relname
"""


def test_the_stream_finds_each_row_by_one_scan(copied: Pair) -> None:
    """What it reads can so be told from what others read, in tables of any size (`retiring.deadness`)."""
    rows = "insert into volume select n, 's', 5, 'shown', null, null, now(), 'EUR' from generate_series({}, {}) n;"
    shelves = "insert into shelf select n, n from generate_series({}, {}) n;"
    copied.on_service(f"{rows.format(1, 3)} {shelves.format(1, 3)}")
    copied.on_service("insert into lending select n, 'r', n from generate_series(1, 70) n")
    install.prepare_reverse(copied.backward)
    before = [scans - found for scans, found in copied.on_monolith(SCANS)]
    with copied.streaming(copied.backward):
        copied.on_service(
            f"{rows.format(4, 90)} {shelves.format(4, 90)} delete from shelf where volume_id between 4 and 9"
        )
        copied.on_service(
            "delete from volume where id between 4 and 9; update volume set cents = cents + 1 where id > 9"
        )
        copied.on_service("insert into lending select 1, 'r' || n, n from generate_series(1, 70) n")
        copied.on_service("update lending set days = 0 where reader <> 'r'; delete from lending where days = 0")
        copied.caught_up(copied.backward)
    wait_until(lambda: copied.on_monolith(SCANS)[1][1] == 140, 20, "the stream's backend has reported")
    assert [scans - found for scans, found in copied.on_monolith(SCANS)] == before
