"""How a monolith is made to tell others as a service does."""

from __future__ import annotations

import psycopg


def tell_by_outbox(dsn: str) -> None:
    """A monolith whose notifications have moved away, as it is for a service: then both tell in the same way."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("create schema fig; create table fig.domain (domain text primary key, state text, epoch bigint)")
        admin.execute("insert into fig.domain values ('notifications', 'standby', 1)")
        admin.execute("grant usage on schema fig to shop_app; grant select on fig.domain to shop_app")
