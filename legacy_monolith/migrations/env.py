"""How Alembic reaches the database: one transaction in all, so that a failure leaves nothing half done."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from legacy_monolith.catalog import models as catalog_models
from legacy_monolith.database import db
from legacy_monolith.payments import models as payments_models
from legacy_monolith.users import models as user_models

# Imported for the tables they declare.
DECLARED = (user_models, catalog_models, payments_models)


def run() -> None:
    # A connection is closed, not kept, when a migration fails in it.
    engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        # Two processes that migrate at once take turns.
        context.configure(connection=connection, target_metadata=db.metadata, transaction_per_migration=False)
        with context.begin_transaction():
            connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext('legacy_monolith.migrations'))")
            context.run_migrations()
    engine.dispose()


run()
