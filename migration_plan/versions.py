"""What of ours lies in a database has a version there. The first newer fig that comes brings it on; an older one is
refused by name, for it would be wrong about what it finds.

    bring_on(connection, part, where, install)   # LaterVersion, MayNotBringOn
    record(connection, part)                     # after an installation

Raise the number in VERSIONS with each change of the SQL of that part. All of it may be run again at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit

VERSIONS = {"journal": 1, "side": 5}


class LaterVersion(FigError):
    """A later fig has been here. Nothing was changed."""

    code = "later-version"
    exit_code = Exit.NOT_MEANT

    def __init__(self, where: str, found: int, ours: int) -> None:
        super().__init__(
            f"{where} is at version {found} of what fig keeps there, and this fig knows version {ours}",
            "use the fig that was here last, in every process: fig --version",
        )


class MayNotBringOn(FigError):
    """An earlier fig's tables and functions, and whoever is connected may not change them."""

    code = "may-not-bring-on"
    exit_code = Exit.FORBIDDEN

    def __init__(self, where: str, found: int, ours: int) -> None:
        super().__init__(
            f"{where} is at version {found} of what fig keeps there, this fig needs version {ours}, and whoever is"
            " connected may not change it",
            "run this fig once as the role that owns the schema fig there: fig status DOMAIN",
        )


def found(connection: psycopg.Connection[Any], part: str) -> int:
    """The version that is there; 0: from before there were versions, or nothing is there at all."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        there = cursor.execute("select to_regclass('fig.version') is not null").fetchone()
        if there is None or not there[0]:
            return 0
        row = cursor.execute("select version from fig.version where part = %s", [part]).fetchone()
    return 0 if row is None else int(row[0])


def record(connection: psycopg.Connection[Any], part: str) -> None:
    """From now on this part is at our version; never lower than it was."""
    connection.execute(
        "create table if not exists fig.version"
        " (part text primary key, version int not null, at timestamptz not null default clock_timestamp())"
    )
    connection.execute("grant select on fig.version to public")
    connection.execute(
        "insert into fig.version as v (part, version) values (%s, %s) on conflict (part) do update"
        " set version = excluded.version, at = excluded.at where v.version < excluded.version",
        [part, VERSIONS[part]],
    )


def bring_on(
    connection: psycopg.Connection[Any], part: str, where: str, install: Callable[[psycopg.Connection[Any]], None]
) -> None:
    """Have this part at our version: `install` in one transaction, by one of all who come at once."""
    ours, there = VERSIONS[part], found(connection, part)
    if there > ours:
        raise LaterVersion(where, there, ours)
    if there == ours:
        return
    try:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtext('fig.' || %s))", [part])
            if found(connection, part) < ours:
                install(connection)
                record(connection, part)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MayNotBringOn(where, there, ours) from error
