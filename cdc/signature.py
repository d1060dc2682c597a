"""How a transaction of ours is known to the stream of the other direction, which leaves it out.

By its replication origin, where our role may use them. Where it may not (many managed servers keep these functions
for themselves), by a transactional message before its first row: it is decoded with the transaction, in its place,
and is gone when the transaction is rolled back. Readers of the log take both for ours, so each side signs as it can.
"""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from cdc.position import lsn_text

OURS = "fig_"
"""Names of our origins begin like this, and what our messages say."""
PREFIX = "fig-applied"

# A role that may use only some of them may not use them.
_MAY: LiteralString = """
    select bool_and(has_function_privilege(oid, 'EXECUTE')) from pg_catalog.pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and proname in (
        'pg_replication_origin_create', 'pg_replication_origin_session_setup', 'pg_replication_origin_xact_setup')
"""
MESSAGE: LiteralString = f"select pg_catalog.pg_logical_emit_message(true, '{PREFIX}', $1)"
"""With an origin's name; first in a transaction."""


def may_use_origins(connection: psycopg.Connection[Any]) -> bool:
    """Whether this session's role may sign by replication origin."""
    row = connection.execute(_MAY).fetchone()
    return bool(row and row[0])


def claim(connection: psycopg.Connection[Any], name: str) -> bool:
    """From now on the session may sign under this name; whether it does so by origin.

    ObjectInUse while another session has the name: two never sign, or move a position, under the same one.
    """
    if may_use_origins(connection):
        ensure_origin(connection, name)
        connection.execute("select pg_replication_origin_session_setup(%s)", [name])
        return True
    lent = "select pg_try_advisory_lock(hashtextextended(%s, 0)), set_config('fig.signature', %s, false)"
    row = connection.execute(lent, [f"{PREFIX} {name}", name]).fetchone()
    if not row or not row[0]:
        raise psycopg.errors.ObjectInUse(f"another session signs as {name}")
    return False


def sign(connection: psycopg.Connection[Any], lsn: int) -> None:
    """The transaction that has just begun, in a session with a claim. `lsn`: where on the source its rows are from."""
    row = connection.execute("select current_setting('fig.signature', true)").fetchone()
    if row and row[0]:
        connection.execute(f"select pg_logical_emit_message(true, '{PREFIX}', %s)", [row[0]])
    else:
        connection.execute("select pg_replication_origin_xact_setup(%s::pg_lsn, now())", [lsn_text(lsn)])


def ensure_origin(connection: psycopg.Connection[Any], name: str) -> None:
    """The origin, where origins are used."""
    if connection.execute("select 1 from pg_replication_origin where roname = %s", [name]).fetchone() is None:
        connection.execute("select pg_replication_origin_create(%s)", [name])


def is_ours(prefix: str, content: bytes) -> bool:
    """Whether a message of the log says that its transaction is one of ours."""
    return prefix == PREFIX and content.startswith(OURS.encode())
