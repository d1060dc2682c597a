"""Row-level security that hides rows from our role: refused before anything is read or deleted on their account.

Every session of ours has `row_security` off besides (`cdc.servers`): a policy that comes later is an error of the
query it meets, and never an empty table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from cdc.projection import Table
from cdc.stream_errors import SetUpError


def require_every_row(connection: psycopg.Connection[Any], side: str, tables: Iterable[Table]) -> None:
    """SetUpError names the tables; one that is not there is somebody else's to name."""
    names = [table.quoted for table in tables]
    found = connection.execute(
        "select name from unnest(%s::text[]) as name"
        " where to_regclass(name) is not null and row_security_active(to_regclass(name)::oid)",
        [names],
    ).fetchall()
    if found:
        hiding = ", ".join(name for (name,) in found)
        raise SetUpError(
            f"row-level security on the stream's {side} hides rows of {hiding} from our role; nothing was copied",
            "Give the role of fig BYPASSRLS, or ALTER TABLE … NO FORCE ROW LEVEL SECURITY; then repeat",
        )
