"""Who is in a fence's way: locks on a domain's tables, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg

from migration_plan.errors import Blocker

_BLOCKERS: LiteralString = """
    select l.pid, case when a.backend_type = 'autovacuum worker' then 'VACUUM to prevent wraparound'
                       else coalesce(a.application_name, '') end as application,
           coalesce(a.usename::text, p.owner::text, '') as "user",
           coalesce(a.state, 'prepared transaction ' || p.gid, 'ending') as state,
           coalesce(extract(epoch from clock_timestamp() - coalesce(a.xact_start, p.prepared)), 0)::float8 as seconds,
           l.relation::regclass::text as relation, l.mode
    from pg_locks l
    left join pg_stat_activity a on a.pid = l.pid
    left join pg_locks x on l.pid is null and x.pid is null and x.locktype = 'transactionid'
                        and x.virtualtransaction = l.virtualtransaction
    left join pg_prepared_xacts p on p.transaction = x.transactionid
    where l.granted and l.locktype = 'relation'
      and (l.relation in (select relation from fig.domain_table where domain = %(domain)s)
           or l.relation = any (%(beside)s::oid[]))
      and l.database = (select oid from pg_database where datname = current_database())
      and l.pid is distinct from pg_backend_pid()
      and (%(readers)s or l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                                     'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
      -- An ordinary autovacuum yields; the query of a worker is a description, not somebody's statement.
      and (coalesce(a.backend_type, 'client backend') <> 'autovacuum worker'
           or a.query like '%%(to prevent wraparound)')
    order by 5 desc
"""


def blockers(
    connection: psycopg.Connection[dict[str, Any]], domain: str, beside: Sequence[int], readers: bool
) -> list[Blocker]:
    """Longest first. An autovacuum that yields is none of them. `readers`: any lock counts, for what changes a table
    itself; `beside`: oids of more tables that it changes.
    """
    asked = {"domain": domain, "beside": list(beside), "readers": readers}
    return [Blocker(**row) for row in connection.execute(_BLOCKERS, asked).fetchall()]
