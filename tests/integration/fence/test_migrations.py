"""A migration that takes ACCESS EXCLUSIVE, and the moves of a switch: neither waits for the other for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from migration_plan.errors import TablesBusy
from tests.integration.fence.conftest import DOMAIN, FencedSide

LOCK = 0.1
DDL = "alter table book add column color text"


@contextmanager
def migrating(side: FencedSide) -> Iterator[psycopg.Connection]:
    """The tables' owner in the middle of a migration; it commits at the end."""
    with side.connect("owner", options="-c lock_timeout=5s") as owner:
        owner.execute(DDL)
        yield owner


def test_a_migration_in_progress_is_named_and_a_fence_lets_go_of_everything(owner_side: FencedSide):
    with migrating(owner_side):
        with pytest.raises(TablesBusy) as met:
            owner_side.side.fence(DOMAIN, 1, LOCK, [])
        assert any("AccessExclusiveLock" in str(one) and "test-owner" in str(one) for one in met.value.blockers)
        assert str(owner_side.side.row(DOMAIN)) == "owner at epoch 1"
    assert owner_side.side.fence(DOMAIN, 1, LOCK, []).state == "fenced"


def test_between_fence_and_decision_a_migration_comes_and_nobody_waits(owner_side: FencedSide):
    """No call of a switch keeps a lock, and the decision needs none; only taking it back waits for the migration."""
    owner_side.side.fence(DOMAIN, 1, LOCK, [])
    with migrating(owner_side):
        with pytest.raises(TablesBusy):
            owner_side.side.unfence(DOMAIN, 2, LOCK)
        assert owner_side.side.release(DOMAIN, 2, LOCK).state == "released"


def test_on_the_side_that_does_not_own_a_migration_runs_and_only_a_grant_waits_for_it(standby_side: FencedSide):
    standby_side.say_applied(2)
    with migrating(standby_side) as owner:
        with pytest.raises(TablesBusy):
            standby_side.side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK)
        with pytest.raises(psycopg.Error, match="is not owned here"):
            owner.execute("update book set color = 'red'")
        owner.rollback()
        owner.execute(DDL)
    assert standby_side.side.grant(DOMAIN, 2, "books_to_service", "0/10", LOCK).state == "owner"
