"""A pooler where fig needs sessions of its own: refused by name, whatever the pooler makes of our settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdc.capture.source import SourceConnection
from cdc.pooled import PooledConnection
from cdc.servers import connect
from migration_plan.errors import PooledDsn
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.awkward.databases import Databases
from tests.integration.cdc.stream.conftest import as_fig, make_side
from tests.integration.preflight.conftest import Trial
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer

# As it comes, it refuses our settings; told to ignore them (common), it drops them without a word.
HABITS = {"strict": "", "silent": "options, extra_float_digits", "replication": "options, replication"}


@pytest.fixture(params=HABITS.values(), ids=list(HABITS))
def pooler(request: pytest.FixtureRequest, monolith_server: PostgresServer, server_folder: Path) -> Iterator[PgBouncer]:
    with PgBouncer(monolith_server, server_folder, request.param) as pooler:
        yield pooler


def test_a_plan_with_a_pooler_for_a_side_is_refused_by_name(pooler: PgBouncer, trial: Trial, awkward: Databases):
    dsn = trial.databases.variables["FIG_ACME_DSN"]
    found = trial.refusals(FIG_ACME_DSN=pooler.dsn(dsn))
    assert [refusal.code for refusal in found] == ["pooled-dsn"]
    assert "sides.monolith.dsn" in found[0].next_step


def test_no_session_of_ours_begins_through_a_pooler(pooler: PgBouncer, monolith_server: PostgresServer):
    """A plan may be changed later than it was checked: a stream would lend its role `replica` to the application."""
    make_side(monolith_server, monolith_server.dsn(), "select 1")
    dsn = pooler.dsn(as_fig(monolith_server.dsn()))
    with pytest.raises(PooledConnection):
        connect(dsn, "target", "fig-apply x")
    with pytest.raises(PooledConnection):
        SourceConnection(dsn, "fig-stream x")
    with pytest.raises(PooledDsn):
        SideDatabase(Side.MONOLITH, dsn).row("x")
    with pytest.raises(PooledDsn, match="journal"):
        Journal(dsn).last_epoch("x")
