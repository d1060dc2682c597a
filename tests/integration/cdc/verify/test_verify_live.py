"""Exact while people write (I6): no false alarm, and every row that differs is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from cdc import install
from cdc.comparing.compare import Report, compare
from cdc.copying import snapshot
from cdc.gate.exact import exact_pair
from cdc.projection import Direction
from cdc.spec import StreamSpec
from tests.integration.cdc.lens.shop import IMAGE, SEED, Shop, create_shop, streaming, wait_until_caught_up
from tests.integration.cdc.verify.writers import MONOLITH, SERVICE, writing
from tests.support.postgres import PostgresServer

CI_ROWS, FULL_ROWS = 100_000, 1_000_000
WRITTEN = 2000
"""Writers touch these products; what the tests corrupt lies beyond."""

Filled = Callable[[int], Shop]


@pytest.fixture(scope="module")
def filled(monolith_server: PostgresServer, services_server: PostgresServer) -> Iterator[Filled]:
    """`filled(rows)`: a shop with about so many rows in the service's image, copied, with both streams set up."""
    made: dict[int, Shop] = {}

    def fill(rows: int) -> Shop:
        if rows not in made:
            shop = create_shop(monolith_server, services_server)
            shop.on_monolith(SEED.format(products=rows // 3))
            shop.on_monolith("analyze")
            snapshot.copy(shop.forward)
            install.prepare_reverse(shop.backward)
            for table in ("product", "movement"):  # As the switch does.
                shop.on_service(f"select setval('{table}_id_seq', 10 * {rows})")
            made[rows] = shop
        return made[rows]

    yield fill
    for shop in made.values():
        shop.remove_streams()


def verified(spec: StreamSpec) -> Report:
    direction = Direction(spec.name.removeprefix("catalog_"))
    with exact_pair(spec.source_dsn, spec.target_dsn, spec.name) as pair:
        return compare(pair.source, pair.target, IMAGE, direction)


def rounds_without_alarm(spec: StreamSpec, statements: tuple[str, ...], rounds: int) -> None:
    with streaming(spec):
        with writing(spec.source_dsn, statements, WRITTEN) as counts:
            for number in range(rounds):
                before = sum(counts)
                report = verified(spec)
                assert list(map(str, report.differences)) == [], f"round {number}"
                assert sum(counts) > before, "nobody wrote meanwhile"
        wait_until_caught_up(spec)


def test_no_false_alarm_while_the_monolith_is_written(filled: Filled) -> None:
    rounds_without_alarm(filled(9_000).forward, MONOLITH, 5)


def test_no_false_alarm_while_the_service_is_written(filled: Filled) -> None:
    shop = filled(9_000)
    with streaming(shop.forward):
        wait_until_caught_up(shop.forward)
    rounds_without_alarm(shop.backward, SERVICE, 5)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_false_alarm_in_fifty_runs(filled: Filled) -> None:
    rounds_without_alarm(filled(CI_ROWS).forward, MONOLITH, 50)


@contextmanager
def corrupted(dsn: str, *changes: tuple[str, str]) -> Iterator[None]:
    """Each change is made past the stream, and undone after."""
    with psycopg.connect(dsn, autocommit=True) as connection, ExitStack() as undo:
        connection.execute("set session_replication_role = replica")
        for change, back in changes:
            connection.execute(change.encode())
            undo.callback(connection.execute, back.encode())
        yield


def one_changed_byte_is_found(shop: Shop, last: int) -> Report:
    """A changed byte, a missing and a surplus row, among rows that are being written."""
    with (
        streaming(shop.forward),
        writing(shop.monolith, MONOLITH, WRITTEN),
        corrupted(
            shop.service,
            (f"update product set title = title || ' ' where id = {last}",
             f"update product set title = rtrim(title) where id = {last}"),
            (f"create table kept as select * from inventory where product_id = {last - 1};"
             f"delete from inventory where product_id = {last - 1}",
             "insert into inventory select * from kept; drop table kept"),
            ("insert into reservation (key, state) values ('00000000-0000-0000-0000-000000000000', 'held')",
             "delete from reservation where key = '00000000-0000-0000-0000-000000000000'"),
        ),
    ):  # fmt: skip
        report = verified(shop.forward)
    assert sorted(map(str, report.differences)) == [
        f"public.inventory (product_id {last - 1}): missing",
        f'public.product (id {last}), title: source "Title {last}", target "Title {last} "',
        "public.reservation (key 00000000-0000-0000-0000-000000000000): surplus",
    ]
    return report


def test_one_changed_byte_is_named_by_table_key_and_column(filled: Filled) -> None:
    report = one_changed_byte_is_found(filled(CI_ROWS), CI_ROWS // 3)
    assert report.rows >= CI_ROWS


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_one_changed_byte_among_a_million_rows_is_named(filled: Filled) -> None:
    report = one_changed_byte_is_found(filled(FULL_ROWS), FULL_ROWS // 3)
    assert report.rows >= FULL_ROWS


def test_two_snapshots_of_different_moments_do_differ(filled: Filled) -> None:
    """The control: without the gate, what is on its way is taken for a difference."""
    shop = filled(9_000)
    with streaming(shop.forward), psycopg.connect(shop.service) as blocker:
        wait_until_caught_up(shop.forward)
        blocker.execute("select from product where id = 7 for update")
        shop.on_monolith("update products set title = 'Title on its way' where id = 7")
        with psycopg.connect(shop.monolith) as source, psycopg.connect(shop.service) as target:
            report = compare(source, target, IMAGE)
        assert [difference.key for difference in report.differences] == [(("id", "7"),)]
        blocker.rollback()
        assert verified(shop.forward).differences == ()
