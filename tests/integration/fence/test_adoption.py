"""A person says who owns after a restore: the row, the fence and the sequences go with it, or nothing does."""

from __future__ import annotations

import pytest

from migration_plan.errors import StaleEpoch
from migration_plan.lifecycle import Row, Side
from tests.integration.fence.conftest import DOMAIN, FencedSide

SEQUENCE = '"public"."book_id_seq"'


def test_an_adopted_side_writes_and_gives_no_number_that_is_taken_here_or_there(standby_side: FencedSide):
    """Rows of the copy came past its sequence, and the side that was restored has given numbers of its own."""
    side = standby_side.side
    with standby_side.connect("fig", autocommit=True) as fig:
        fig.execute("set session_replication_role = replica; insert into book (id, title) values (7, 'copied')")
    assert side.sequence_tops([SEQUENCE]) == [7]
    row = side.adopt(DOMAIN, Row(Side.SERVICE, "standby", 1), 9, {SEQUENCE: 41}, 0.1)
    assert str(row) == "owner at epoch 9"
    assert side.adopt(DOMAIN, Row(Side.SERVICE, "standby", 1), 9, {SEQUENCE: 41}, 0.1) == row, "the same once more"
    with standby_side.connect(autocommit=True) as app:
        assert app.execute("insert into book (title) values ('new') returning id").fetchone() == (42,)
    assert side.breaches(DOMAIN) == []


@pytest.mark.parametrize(
    ("read", "epoch"),
    [(Row(Side.SERVICE, "standby", 2), 9), (Row(Side.SERVICE, "owner", 1), 9), (Row(Side.SERVICE, "standby", 1), 1)],
)
def test_a_row_that_moved_since_it_was_read_is_not_adopted(standby_side: FencedSide, read: Row, epoch: int):
    with pytest.raises(StaleEpoch):
        standby_side.side.adopt(DOMAIN, read, epoch, {}, 0.1)
    assert str(standby_side.side.row(DOMAIN)) == "standby at epoch 1"
