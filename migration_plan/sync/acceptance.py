"""`fig sync accept`: the schemas have been migrated and the plan fits them again; the streams may go on with both.

Everything here may be repeated: died anywhere, the same command brings the rest, and names all tables that joined.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from cdc import install
from cdc.projection import Table
from migration_plan.errors import FigError, PreflightRefused, Refusal, SideUnreachable, TablesBusy
from migration_plan.exit_codes import Exit
from migration_plan.journal.half_done import ACCEPTANCE, last_begun
from migration_plan.lifecycle import Row, Side
from migration_plan.parts import Parts, no_checkpoint, read_rows
from migration_plan.preflight.read import look
from migration_plan.sync.streams import spec

CHECKPOINTS = ("announced", "copy-fenced", "owner-fenced", "stream-to-monolith", "stream-to-service")


class TableLeft(FigError):
    """A table has left the plan and is still fenced as one of the domain."""

    code = "table-left-domain"
    exit_code = Exit.REFUSED


@dataclass(frozen=True)
class Accepted:
    """What the streams are set up for now."""

    domain: str
    streams: tuple[str, ...]
    new: tuple[str, ...]
    """Tables ("side: name") that joined the domain; the copy has no rows of them yet."""

    @property
    def next_step(self) -> str:
        return f"fig sync {'snapshot' if self.new else 'status'} {self.domain}"

    def as_json(self) -> dict[str, object]:
        return {"domain": self.domain, "streams": self.streams, "new_tables": self.new, "next_steps": [self.next_step]}


def accept(parts: Parts, say: Callable[[str], None], checkpoint: Callable[[str], None] = no_checkpoint) -> Accepted:
    """Refuse by name what does not fit; then fences, publications and columns as the plan says. Under the lease."""
    rows = read_rows(parts)
    for side, row in rows.items():
        if row is None:
            raise SideUnreachable(side, f'the domain "{parts.domain}" is not enrolled there')
    _require_fit(parts)
    joined = {side: _joined(parts, side) for side in Side}
    new = _new(parts, joined)
    parts.journal.record(parts.domain, ACCEPTANCE.begun, new_tables=new)
    checkpoint("announced")
    # The copy first: of a table that is in the domain, the owner alone may write rows.
    for row in sorted(filter(None, rows.values()), key=lambda row: row.state == "owner"):
        for table in joined[row.side]:
            say(f"fence {table} on the {row.side} side")
        if joined[row.side]:
            _enroll(parts, row.side, row)
        checkpoint("owner-fenced" if row.state == "owner" else "copy-fenced")
    streams = {target: spec(parts, target) for target in Side}
    for target, stream in streams.items():
        say(f"columns of {stream.name}")
        install.install(stream)
        install.accept_schema(stream)
        checkpoint(f"stream-to-{target}")
    done = Accepted(parts.domain, tuple(stream.name for stream in streams.values()), tuple(new))
    parts.journal.record(parts.domain, ACCEPTANCE.ended, streams=done.streams, new_tables=done.new)
    return done


def _new(parts: Parts, joined: Mapping[Side, Sequence[Table]]) -> list[str]:
    """Tables that join now, and those that one has fenced already who died before saying that they have no rows yet."""
    before = last_begun(parts.journal, parts.domain, ACCEPTANCE)
    now = [f"{side}: {table}" for side, tables in joined.items() for table in tables]
    known = [f"{side}: {table}" for side in Side for table in parts.plan.lens.tables(side)]
    fenced = [] if before is None else [name for name in before.detail["new_tables"] if name in known]
    return sorted({*fenced, *now})


def _require_fit(parts: Parts) -> None:
    sides = parts.plan.sides
    try:
        with look(sides[Side.MONOLITH].dsn) as monolith, look(sides[Side.SERVICE].dsn) as service:
            problems = [str(problem) for problem in parts.plan.lens.check(monolith, service)]
    except psycopg.OperationalError as error:
        raise SideUnreachable("other", str(error).strip().splitlines()[0]) from error
    if problems:
        said = "correct the plan's tables, or migrate the other side too; then repeat"
        raise PreflightRefused(parts.domain, [Refusal("lens", problem, said) for problem in problems])


def _joined(parts: Parts, side: Side) -> list[Table]:
    """Tables of the plan that are not fenced yet; TableLeft for one that is there and fenced without being in it."""
    wanted = parts.plan.lens.tables(side)
    with parts.sides[side].connection() as connection:
        found = connection.execute(
            "select n.nspname as schema, c.relname as name from fig.domain_table t"
            " join pg_class c on c.oid = t.relation join pg_namespace n on n.oid = c.relnamespace"
            " where t.domain = %s and not c.relispartition",
            [parts.domain],
        ).fetchall()
    enrolled = {Table(row["schema"], row["name"]) for row in found}
    if left := sorted(map(str, enrolled - set(wanted))):
        raise TableLeft(
            f'domain "{parts.domain}": {", ".join(left)} on the {side} side is fenced, and no longer in the plan',
            f"drop the table or name it in the plan; or take the domain back to its monolith (fig rollback"
            f" {parts.domain} --to monolith), change the plan, and begin again",
        )
    return [table for table in wanted if table not in enrolled]


def _enroll(parts: Parts, side: Side, row: Row) -> None:
    """The list of tables and their triggers; the row stays as it is."""
    limits = parts.plan.limits
    tables = [table.quoted for table in parts.plan.lens.tables(side)]
    deadline = time.monotonic() + limits.patience
    while True:
        try:
            parts.sides[side].enroll(parts.domain, row.state, row.epoch, tables, limits.fence_lock, is_known=True)
            return
        except TablesBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(limits.fence_lock)
