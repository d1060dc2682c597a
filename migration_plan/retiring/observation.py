"""Takes the samples that deadness is decided from, and names what could still read. Reads only."""

from __future__ import annotations

import re
from collections.abc import Set
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from cdc.projection import Table
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.lifecycle import OWNER, Side, Stage
from migration_plan.parts import Parts
from migration_plan.preflight.facts import SideFacts
from migration_plan.preflight.read import look, read_side
from migration_plan.retiring.deadness import Readers, Sample, TableUse, Traffic
from proxy.client import ProxyClient

_SERVER: LiteralString = """
    select concat_ws(' ', pg_postmaster_start_time(), stats_reset) as server from pg_stat_database
    where datname = current_database()"""

_TABLES: LiteralString = """
    select format('%%I.%%I', schemaname, relname) as name, seq_scan + coalesce(idx_scan, 0) as scans,
           n_tup_upd + n_tup_del as found
    from pg_stat_user_tables where relid in (select relation from fig.domain_table where domain = %s)"""

_REFUSED: LiteralString = (
    "select coalesce(pg_sequence_last_value(to_regclass(format('fig.%%I', %s::text))), 0) as refused"
)

# A table is also named by what only mentions it: rather one function too many than one too few.
_FUNCTIONS: LiteralString = """
    select distinct p.oid::regprocedure::text as name
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'fig')
      and (exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                   and d.refclassid = 'pg_class'::regclass and d.refobjid = any (%(oids)s::oid[]))
           or exists (select from pg_class c where c.oid = any (%(oids)s::oid[])
                      and p.prosrc ~* ('\\m' || regexp_replace(c.relname, '([^[:alnum:]_])', '\\\\\\1', 'g') || '\\M')))
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                      and d.deptype = 'e')
    order by 1"""

_FIGURE = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$")


class FiguresMissing(FigError):
    """A proxy does not say since when it counts."""

    code = "figures-missing"
    exit_code = Exit.NOT_PROVEN


def take(parts: Parts, epoch: int) -> Sample:
    """All counters now. Raises by name what does not answer."""
    with parts.sides[Side.MONOLITH].connection() as connection:
        server = connection.execute(_SERVER).fetchone()
        refused = connection.execute(_REFUSED, [f"refused_{parts.domain}"]).fetchone()
        tables = connection.execute(_TABLES, [parts.domain]).fetchall()
    proxies = {proxy.name: _traffic(proxy, parts.domain) for proxy in parts.proxies}
    return Sample(
        at=parts.journal.now(),
        epoch=epoch,
        server=str(server and server["server"]),
        refused=int(refused["refused"]) if refused else 0,
        proxies=proxies,
        tables={row["name"]: TableUse(row["scans"], row["found"]) for row in tables},
    )


def _traffic(proxy: ProxyClient, domain: str) -> Traffic:
    found = [match for line in proxy.metrics().splitlines() if (match := _FIGURE.match(line))]
    values = {match["name"]: float(match["value"]) for match in found if not match["labels"]}
    if "fig_proxy_figures_since_seconds" not in values:
        raise FiguresMissing(f"proxy {proxy.name} does not say since when it counts", "restart it with this version")
    ours = [match for match in found if f'domain="{domain}"' in match["labels"]]
    answered = (m for m in ours if m["name"] == "fig_proxy_requests_total" and f'side="{Side.MONOLITH}"' in m["labels"])
    bounced = (m for m in ours if m["name"] in ("fig_proxy_bounces_total", "fig_proxy_unexpected_fences_total"))
    requests = sum(int(float(match["value"])) for match in (*answered, *bounced))
    return Traffic(values["fig_proxy_figures_since_seconds"], int(values["fig_proxy_figures_lost_total"]), requests)


def own_scans(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Scans of each table by this session's transaction, which must be its first one: nothing is reported before."""
    found = connection.execute(
        "select format('%I.%I', schemaname, relname), seq_scan + coalesce(idx_scan, 0) from pg_stat_xact_user_tables"
    )
    return {name: scans for name, scans in found.fetchall() if scans}


def verified_scans(parts: Parts, since: datetime) -> dict[str, int]:
    """Scans of the monolith's tables by our own verifications since then, as these have journaled them."""
    total: dict[str, int] = {}
    for entry in parts.journal.entries_since(parts.domain, "verified", since):
        for table, scans in entry.detail.get("scans", {}).items():
            total[table] = total.get(table, 0) + scans
    return total


def readers(parts: Parts) -> Readers:
    """What the monolith's catalogue and the other plans name."""
    with look(parts.plan.sides[Side.MONOLITH].dsn) as connection:
        facts = read_side(connection, parts.plan, Side.MONOLITH)
        oids = [table.oid for table in facts.tables]
        functions = [row[0] for row in connection.execute(_FUNCTIONS, {"oids": oids}).fetchall()]
    return Readers(
        foreign_keys=_incoming(facts, _retired_tables(parts)),
        views=facts.views,
        functions=tuple(functions),
        routes=tuple(path for path in parts.plan.read_by if _is_on_monolith(parts, path)),
        sessions=tuple(str(session) for session in facts.sessions),
    )


def outgoing_keys(parts: Parts) -> list[str]:
    """Keys of the domain's tables on the monolith's side that refer to tables outside."""
    with look(parts.plan.sides[Side.MONOLITH].dsn) as connection:
        facts = read_side(connection, parts.plan, Side.MONOLITH)
    inside = {table.table for table in facts.tables}
    return [key.name for key in facts.foreign_keys if key.table in inside]


def _incoming(facts: SideFacts, dead: Set[Table]) -> tuple[str, ...]:
    """Keys of tables outside that refer to the domain's: each insert there reads here. Nothing is written to `dead`."""
    inside = {table.table for table in facts.tables}
    living = [key for key in facts.foreign_keys if key.references in inside and key.table not in dead]
    return tuple(f'"{key.name}" of {key.table}' for key in living)


def _retired_tables(parts: Parts) -> Set[Table]:
    """Tables of domains that have been retired before: fenced for good."""
    retired = [plan for plan in parts.neighbours if parts.journal.stage(plan.domain) is Stage.RETIRED]
    return {table for plan in retired for table in plan.lens.tables(Side.MONOLITH)}


def _is_on_monolith(parts: Parts, path: str) -> bool:
    """Whether some request below that path still goes to the monolith."""
    for plan in (parts.plan, *parts.neighbours):
        if any(_covers(route.path, path) and not route.methods for route in plan.routes):
            return OWNER[parts.journal.stage(plan.domain)] is Side.MONOLITH
    return True


def _covers(route: str, path: str) -> bool:
    return path == route or path.startswith(route + "/")
