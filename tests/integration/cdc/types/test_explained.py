"""Verification says of a row that an operator left out that it was left out."""

from __future__ import annotations

from cdc.comparing.causes import Cause
from cdc.comparing.compare import compare
from cdc.comparing.repair import explain
from cdc.gate.exact import exact_pair
from cdc.projection import Direction
from cdc.target import skip
from cdc.target.errors import PoisonRow
from tests.integration.cdc.types.conftest import MakeMirror
from tests.integration.cdc.types.mirror import copied


def test_a_row_that_was_left_out_is_explained_by_who_wanted_it_and_why(made: MakeMirror) -> None:
    item = "create table item (id int primary key, name text{})"
    both = copied(made(item.format(""), item.format(" constraint short check (length(name) < 10)")))
    lens = both.forward.projections
    with both.streaming() as running:
        both.source("insert into item values (1, 'much too long for it'), (2, 'fine')")
        change = running.fails(PoisonRow, 20).change
        assert change is not None
    skip.ask(both.forward, change.lsn, change.ordinal, "ann", "a known mistake")
    with both.streaming():
        both.caught_up(both.forward)
        spec = both.forward
        with exact_pair(spec.source_dsn, spec.target_dsn, spec.name) as pair:
            found = compare(pair.source, pair.target, lens, Direction.TO_SERVICE).differences
        [named] = explain(spec, lens, Direction.TO_SERVICE, found)
    assert dict(named.difference.key) == {"id": "1"}
    assert named.cause is Cause.SKIPPED
    assert "by ann: a known mistake" in named.evidence
