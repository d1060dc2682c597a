"""Fresh mirrors for each test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from cdc.projection import Table
from tests.integration.cdc.types.mirror import Mirror, mirror
from tests.support.postgres import PostgresServer

MakeMirror = Callable[..., Mirror]


@pytest.fixture
def made(
    monolith_server: PostgresServer, services_server: PostgresServer, new_database: Callable[[PostgresServer], str]
) -> Iterator[MakeMirror]:
    """`made(tables, target_tables=None, names=())`: a mirror that is taken away after the test."""
    with contextlib.ExitStack() as stack:

        def make(tables: str, target_tables: str | None = None, names: tuple[Table, ...] = ()) -> Mirror:
            sides = [(server, new_database(server)) for server in (monolith_server, services_server)]
            return stack.enter_context(mirror(sides[0], sides[1], tables, target_tables, names))

        yield make
