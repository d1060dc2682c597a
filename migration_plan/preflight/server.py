"""Is the server fit, and may our role do what a move needs?"""

from __future__ import annotations

from collections.abc import Iterator

from migration_plan.errors import PooledDsn, Refusal
from migration_plan.preflight.facts import SideFacts

OLDEST = 150000  # Before 15 there is no GRANT SET ON PARAMETER.


def check_direct(side: SideFacts) -> Iterator[Refusal]:
    """Our sessions have something of their own, which a pooler would give to the next one who comes."""
    if side.pooled:
        error = PooledDsn(f"the {side.side} side", f"sides.{side.side}.dsn of the plan")
        yield Refusal(error.code, error.message, error.next_step)


def check_server(side: SideFacts) -> Iterator[Refusal]:
    """Version, role in its own replication, WAL level, room for our slot and for the verifier's."""
    server = side.server
    if server is None:
        return
    where = f'database "{server.database}" of the {side.side} side'
    if server.version < OLDEST:
        yield Refusal(
            "server-too-old",
            f"the server of {where} is PostgreSQL {server.version // 10000}; 15 is the oldest that works",
            "upgrade the server",
        )
    if server.standby:
        yield Refusal("read-only-server", f"{where} is a standby and accepts no writes", "name its primary in the dsn")
    if server.encoding == "SQL_ASCII":
        yield Refusal(
            "no-encoding",
            f"{where} has encoding SQL_ASCII: its bytes have no meaning elsewhere",
            "move the data to a database with an encoding (UTF8)",
        )
    if server.wal_level != "logical":
        yield Refusal(
            "wal-level",
            f'the server of {where} has wal_level "{server.wal_level}"; "logical" is needed',
            "ALTER SYSTEM SET wal_level = logical; then restart the server",
        )
    yield from _check_room(side)
    for publication in server.all_tables_publications:
        yield Refusal(
            "publication-for-all-tables",
            f'publication "{publication}" in {where} is FOR ALL TABLES and would publish fig\'s own',
            f'drop publication "{publication}" and create it again with a list of tables',
        )


def _check_room(side: SideFacts) -> Iterator[Refusal]:
    """A slot and a sender for each stream and publisher that has none here yet, and one for an exact verification."""
    assert side.server is not None  # noqa: S101 - the caller has looked.
    needed = 1 + side.missing_slots
    for kind, free, setting in (
        ("slot", side.server.free_slots, "max_replication_slots"),
        ("sender", side.server.free_senders, "max_wal_senders"),
    ):
        if free < needed:
            yield Refusal(
                f"no-free-{kind}",
                f"the {side.side} side's server has {free} free replication {kind}(s); {needed} needed",
                f"raise {setting} and restart the server",
            )


def check_role(side: SideFacts) -> Iterator[Refusal]:
    """Each missing privilege with the statement that grants it."""
    role, server = side.role, side.server
    if role is None or server is None:
        return
    wanted: list[tuple[bool, str, str]] = [
        (role.replication, "lacks the REPLICATION attribute", f'ALTER ROLE "{role.name}" REPLICATION'),
        (
            role.create,
            f'may not CREATE in database "{server.database}"',
            f'GRANT CREATE ON DATABASE "{server.database}" TO "{role.name}"',
        ),
        (
            role.replica_role,
            "may not set session_replication_role",
            f'GRANT SET ON PARAMETER session_replication_role TO "{role.name}"',
        ),
        (role.sees_activity, "may not see other sessions' activity", f'GRANT pg_monitor TO "{role.name}"'),
    ]
    owners = sorted({table.owner for table in side.tables if not table.owned})
    wanted += [
        (
            False,
            f'is no member of "{owner}", who owns tables of the domain',
            f'GRANT "{owner}" TO "{role.name}"',
        )
        for owner in owners
    ]
    for holds, lack, grant in wanted:
        if not holds:
            yield Refusal("missing-privilege", f'role "{role.name}" on the {side.side} side {lack}', grant)
    if role.schema_fig_owner:
        yield Refusal(
            "foreign-schema",
            f'schema "fig" on the {side.side} side is owned by "{role.schema_fig_owner}", not "{role.name}"',
            f'ALTER SCHEMA fig OWNER TO "{role.name}", if it is this toolkit\'s',
        )


def check_distinct(monolith: SideFacts, service: SideFacts) -> Iterator[Refusal]:
    """Two DSNs may be spelled differently and mean one database."""
    a, b = monolith.server, service.server
    if a and b and (a.system_id, a.database_oid) == (b.system_id, b.database_oid):
        yield Refusal(
            "one-database",
            f'both sides are the same database, "{a.database}"',
            "give the service a database of its own",
        )
