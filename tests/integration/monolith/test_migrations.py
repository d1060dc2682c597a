"""The migrated schema: what the models declare, and what the application's role may do with it."""

from __future__ import annotations

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from legacy_monolith.database import db
from legacy_monolith.migrate import migrate
from tests.integration.monolith.shop import Shop

# Alembic cannot see an index's collation, and would always find this one different.
UNCOMPARABLE = {"products_title_idx"}


def is_comparable(thing: object, name: str | None, *_: object) -> bool:
    return name not in UNCOMPARABLE


def test_the_migrations_make_what_the_models_declare(shop: Shop) -> None:
    options = {"compare_server_default": True, "include_object": is_comparable}
    with shop.app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, db.metadata) == []


def test_migrating_again_changes_nothing(shop: Shop) -> None:
    before = shop.query("select count(*) from pg_class")
    migrate(shop.url("shop_owner"))
    assert shop.query("select count(*) from pg_class") == before


@pytest.mark.parametrize(
    "statement",
    [
        "truncate products",
        "drop table products",
        "alter table products disable trigger all",
        "create table mine (id int)",
        "select setval('products_id_seq', 1)",
    ],
)
def test_the_applications_role_has_rows_to_work_with_and_nothing_else(shop: Shop, statement: str) -> None:
    with (
        psycopg.connect(shop.server.dsn(shop.database, "shop_app")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)
