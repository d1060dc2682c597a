"""Large values and large transactions arrive, and need little memory."""

from __future__ import annotations

import resource

import pytest

from tests.integration.cdc.types.conftest import MakeMirror
from tests.integration.cdc.types.mirror import copied


def most_memory() -> int:
    """KiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(("megabytes", "rows"), [(4, 12), pytest.param(50, 3, marks=pytest.mark.full)])
def test_large_values_arrive_without_piling_up(made: MakeMirror, megabytes: int, rows: int) -> None:
    """Several in one transaction and one statement: each is on its way before the next is read."""
    both = made("create table item (id int primary key, n int, big text)")
    copied(both)
    with both.streaming():
        both.source("insert into item values (0, 0, 'first')")
        both.caught_up(both.forward)
        before = most_memory()
        both.source(
            f"insert into item select g, 0, repeat(md5(g::text), {megabytes} * 32768) from generate_series(1, %s) g",
            rows,
        )
        both.source("update item set n = n + 1")
        both.source("update item set big = big || 'x' where id = 1")
        both.caught_up(both.forward, 120)
    grown = (most_memory() - before) // 1024
    assert grown < 6 * megabytes + 20, f"{grown} MiB more for values of {megabytes} MiB"
    digest = "select id, n, length(big), md5(big) from item order by 1"
    assert both.target(digest) == both.source(digest)
