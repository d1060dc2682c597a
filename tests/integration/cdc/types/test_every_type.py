"""Every type arrives as it is: by snapshot, insert, update, delete; between servers of the same and of other majors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.cdc.types import values
from tests.integration.cdc.types.mirror import copied, mirror
from tests.support.postgres import PostgresServer


@pytest.fixture
def servers(request: pytest.FixtureRequest) -> Callable[[str], PostgresServer]:
    """A server of a major for each side: the two of Debian, or the newest one for both."""
    fixtures = {"source 15": "monolith_server", "target 15": "services_server"}
    return lambda name: request.getfixturevalue(fixtures.get(name, "newest_server"))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("15", "15"),
        ("15", "18"),
        pytest.param("18", "15", marks=pytest.mark.full),
        pytest.param("18", "18", marks=pytest.mark.full),
    ],
)
def test_every_value_of_every_type_is_the_same_text_on_both_sides(
    servers: Callable[[str], PostgresServer], new_database: Callable[[PostgresServer], str], source: str, target: str
) -> None:
    sides = [servers(f"source {source}"), servers(f"target {target}")]
    databases = [new_database(server) for server in sides]
    kinds = dict(values.VALUES)
    if source == target == "15":
        kinds |= values.XML | values.EXTENSIONS
        for server, dsn in zip(sides, databases, strict=True):
            server.run(dsn, "create extension hstore; create extension citext")
    tables = values.SETUP + values.table(kinds)
    with mirror((sides[0], databases[0]), (sides[1], databases[1]), tables) as both:
        both.source(values.insert(kinds, 1))
        copied(both)
        assert not both.differences()
        with both.streaming():
            both.source(values.insert(kinds, 101))
            both.caught_up(both.forward)
            assert not both.differences()
            for _ in range(2):
                both.source(values.shift(kinds))
                both.caught_up(both.forward)
                assert not both.differences()
            both.source("delete from everything where id % 2 = 0")
            both.caught_up(both.forward)
            assert not both.differences()
        assert both.target("select 1 from everything where made <> 'id ' || id") == []
        assert both.source("select count(*) from everything") == both.target("select count(*) from everything")
