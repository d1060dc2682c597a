"""Are the domain's tables of a kind that can be replicated and fenced?"""

from __future__ import annotations

from collections.abc import Iterator

from migration_plan.configuration.plan import Plan
from migration_plan.errors import Refusal
from migration_plan.preflight.facts import SideFacts, TableFacts

OUTBOX_COLUMNS = ("id uuid", "type text", "payload jsonb", "created_at timestamp with time zone")
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence", "c": "a type"}


def check_tables(side: SideFacts, domain: str) -> Iterator[Refusal]:
    """Every table and partition, and those that are not there."""
    for missing in side.missing:
        yield Refusal(
            "table-missing",
            f"table {missing} does not exist on the {side.side} side",
            "correct the plan's tables, or run the application's migrations",
        )
    for table in side.tables:
        where = f"table {table.table} on the {side.side} side"
        if table.kind not in ("r", "p"):
            yield Refusal(
                "not-a-table",
                f"{where.removeprefix('table ')} is {_KINDS.get(table.kind, 'no table')}",
                "name the table itself in the plan",
            )
            continue
        yield from _check_storage(table, where)
        yield from _check_identity(table, where)
        if table.fig_domain not in ("", domain):
            yield Refusal(
                "table-in-other-domain",
                f'{where} is enrolled in domain "{table.fig_domain}" already',
                f"take it out of one plan; see: fig status {table.fig_domain}",
            )


def _check_storage(table: TableFacts, where: str) -> Iterator[Refusal]:
    name = table.table.quoted
    if table.persistence != "p":
        yield Refusal(
            "table-unlogged",
            f"{where} is unlogged: its rows never reach the WAL",
            f"ALTER TABLE {name} SET LOGGED",
        )
    if table.row_security:
        yield Refusal(
            "row-level-security",
            f"{where} has row-level security, which hides rows from our role",
            f"give the role of fig BYPASSRLS, or ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY",
        )
    if table.heirs:
        yield Refusal(
            "inheritance",
            f"{where} inherits from, or is inherited by, {', '.join(table.heirs)}",
            "use declarative partitions, or take the inheritance away",
        )
    for rule in table.rules:
        yield Refusal(
            "rule",
            f'{where} has the rule "{rule}", which rewrites writes before any fence sees them',
            f'DROP RULE "{rule}" ON {name}; use a trigger instead',
        )


def _check_identity(table: TableFacts, where: str) -> Iterator[Refusal]:
    name = table.table.quoted
    if not table.primary_key:
        yield Refusal("no-primary-key", f"{where} has no primary key", f"ALTER TABLE {name} ADD PRIMARY KEY (...)")
    elif table.deferrable_key and table.replica_identity == "d":
        yield Refusal(
            "replica-identity",
            f"{where} has a deferrable primary key, which cannot identify its rows",
            f"make the primary key not deferrable, or ALTER TABLE {name} REPLICA IDENTITY FULL",
        )
    if table.replica_identity in ("n", "i"):
        what = "NOTHING" if table.replica_identity == "n" else "an index other than the primary key"
        yield Refusal(
            "replica-identity",
            f"{where} has replica identity {what}, so rows cannot be told by primary key",
            f"ALTER TABLE {name} REPLICA IDENTITY DEFAULT",
        )


def check_outbox(side: SideFacts, plan: Plan) -> Iterator[Refusal]:
    """What makes an event is there, under the names that every publisher reads."""
    if plan.outbox is None or plan.outbox[side.side] in side.missing:
        return
    lacking = [column for column in OUTBOX_COLUMNS if column not in side.outbox_columns]
    if lacking:
        yield Refusal(
            "outbox-columns",
            f"outbox {plan.outbox[side.side]} on the {side.side} side lacks {', '.join(lacking)}",
            "add what is missing, or name the right table in the plan",
        )


def check_leftovers(side: SideFacts, domain: str) -> Iterator[Refusal]:
    """Objects with names of ours that a move of this plan would trip over."""
    planned = {f"{table.table.schema}.{table.table.name}" for table in side.tables}
    strange = [name for name in side.publication_tables if name not in planned]
    if strange:
        yield Refusal(
            "other-plan",
            f'publication "fig_{domain}" on the {side.side} side holds {", ".join(strange)}, of another plan',
            f'roll the domain back with the plan it was moved with, or DROP PUBLICATION "fig_{domain}"',
        )
    for slot in side.foreign_slots:
        yield Refusal(
            "other-plan",
            f"the {side.side} side's server has a slot of our name already: {slot}",
            f"end what uses it, then SELECT pg_drop_replication_slot('{slot.split(' ', 1)[0].rstrip(',')}')",
        )
