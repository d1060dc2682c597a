-- The catalog queries of preflight. Parameters: %(schemas)s and %(names)s list the domain's tables on this side,
-- %(oids)s their oids, partitions included; read.py says what becomes of each query.

-- :name session
-- A pooler answers by another process than the one that has taken the connection. A schema that is not ours may be
-- closed to us.
select pg_backend_pid() <> %(pid)s as is_pooled,
       coalesce((select has_table_privilege(c.oid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE')
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = 'fig' and c.relname = 'domain_table'), false) as knows_fig

-- :name server
select current_setting('server_version_num')::int as version, pg_is_in_recovery() as standby,
       current_setting('wal_level') as wal_level, current_setting('server_encoding') as encoding,
       (select system_identifier::text from pg_control_system()) as system_id,
       current_database()::text as database,
       (select oid::bigint from pg_database where datname = current_database()) as database_oid,
       current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)::int as free_slots,
       current_setting('max_wal_senders')::int
           - (select count(*) from pg_stat_activity where backend_type = 'walsender')::int as free_senders,
       array(select pubname::text from pg_publication where puballtables order by 1) as all_tables_publications

-- :name role
select r.rolname::text as name, r.rolreplication or r.rolsuper as replication,
       has_database_privilege(current_database(), 'CREATE') as create,
       has_parameter_privilege('session_replication_role', 'SET') as replica_role,
       pg_has_role('pg_read_all_stats', 'USAGE') as sees_activity,
       array(select p.oid::regprocedure::text from pg_proc p
             where p.pronamespace = 'pg_catalog'::regnamespace
               and p.proname in ('pg_replication_origin_create', 'pg_replication_origin_session_setup',
                                 'pg_replication_origin_xact_setup')
               and not has_function_privilege(p.oid, 'EXECUTE') order by 1) as denied_functions,
       coalesce((select pg_get_userbyid(nspowner)::text from pg_namespace
                 where nspname = 'fig' and not pg_has_role(nspowner, 'USAGE')), '') as schema_fig_owner
from pg_roles r where r.rolname = current_user

-- :name tables
with recursive domain_table as (
    select c.oid, c.oid as root from unnest(%(schemas)s::text[], %(names)s::text[]) as wanted (schema, name)
    join pg_namespace n on n.nspname = wanted.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = wanted.name
    union
    select i.inhrelid, t.root from domain_table t join pg_inherits i on i.inhparent = t.oid
    join pg_class p on p.oid = i.inhrelid and p.relispartition
)
select array[n.nspname::text, c.relname::text] as table, c.oid::bigint as oid, c.relkind::text as kind,
       c.relpersistence::text as persistence, pg_get_userbyid(c.relowner)::text as owner,
       pg_has_role(c.relowner, 'USAGE') as owned, row_security_active(c.oid) as row_security,
       c.relreplident::text as replica_identity,
       array(select a.attname::text from pg_index x
             join lateral unnest(x.indkey::smallint[]) with ordinality as k (attnum, position) on true
             join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
             where x.indrelid = c.oid and x.indisprimary order by k.position) as primary_key,
       exists (select from pg_index x where x.indrelid = c.oid and x.indisprimary and not x.indimmediate) as deferrable_key,
       array[rn.nspname::text, root.relname::text] as root,
       array(select case when i.inhparent = c.oid then i.inhrelid else i.inhparent end::regclass::text
             from pg_inherits i join pg_class heir on heir.oid = i.inhrelid
             where c.oid in (i.inhparent, i.inhrelid) and not heir.relispartition order by 1) as heirs,
       array(select w.rulename::text from pg_rewrite w
             where w.ev_class = c.oid and w.rulename <> '_RETURN' order by 1) as rules
from domain_table t
join pg_class c on c.oid = t.oid join pg_namespace n on n.oid = c.relnamespace
join pg_class root on root.oid = t.root join pg_namespace rn on rn.oid = root.relnamespace
order by c.oid

-- :name enrolments
select relation::bigint as oid, domain from fig.domain_table

-- :name triggers
select array[n.nspname::text, c.relname::text] as table, g.tgname::text as name,
       g.tgfoid::regprocedure::text as function, g.tgenabled::text as fires
from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
where g.tgrelid = any (%(oids)s::oid[]) and not g.tgisinternal and g.tgparentid = 0 and g.tgname <> 'a_fig_fence'
order by 1, 2

-- :name foreign keys
select k.conname::text as name, array[n.nspname::text, c.relname::text] as table,
       array[rn.nspname::text, r.relname::text] as references, pg_get_constraintdef(k.oid) as definition,
       case k.confdeltype when 'a' then 'NO ACTION' when 'r' then 'RESTRICT' when 'c' then 'CASCADE'
                          when 'n' then 'SET NULL' else 'SET DEFAULT' end as on_delete,
       case k.confupdtype when 'a' then 'NO ACTION' when 'r' then 'RESTRICT' when 'c' then 'CASCADE'
                          when 'n' then 'SET NULL' else 'SET DEFAULT' end as on_update
from pg_constraint k
join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
join pg_class r on r.oid = k.confrelid join pg_namespace rn on rn.oid = r.relnamespace
where k.contype = 'f' and k.conparentid = 0
  and (k.conrelid = any (%(oids)s::oid[])) <> (k.confrelid = any (%(oids)s::oid[]))
order by 2, 1

-- :name sequences
with drawn as (
    -- Owned by a column (serial, identity) or named in a column's default.
    select d.objid as sequence, d.refobjid as relation, d.refobjsubid as column
    from pg_depend d
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
      and d.refobjid = any (%(oids)s::oid[]) and d.refobjsubid > 0
    union
    select d.refobjid, a.adrelid, a.adnum
    from pg_attrdef a join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = a.oid
    where a.adrelid = any (%(oids)s::oid[]) and d.refclassid = 'pg_class'::regclass and d.refobjid <> a.adrelid
), wanted as (
    select w.schema, w.name from unnest(%(sequence_schemas)s::text[], %(sequence_names)s::text[]) as w (schema, name)
    union
    select n.nspname, c.relname from drawn join pg_class c on c.oid = drawn.sequence and c.relkind = 'S'
    join pg_namespace n on n.oid = c.relnamespace
)
select array[w.schema, w.name] as name, s.seqrelid is not null as exists,
       coalesce(has_sequence_privilege(s.seqrelid, 'SELECT') and has_sequence_privilege(s.seqrelid, 'UPDATE'), false) as usable,
       coalesce(s.seqincrement, 1) as increment,
       coalesce((select min(d.relation::regclass || '.' || quote_ident(a.attname)) from drawn d
                 join pg_class t on t.oid = d.relation and not t.relispartition
                 join pg_attribute a on a.attrelid = d.relation and a.attnum = d.column
                 where d.sequence = s.seqrelid), '') as used_by
from wanted w left join pg_namespace n on n.nspname = w.schema
left join pg_class c on c.relnamespace = n.oid and c.relname = w.name
left join pg_sequence s on s.seqrelid = c.oid
order by 1

-- :name outbox columns
select a.attname || ' ' || format_type(a.atttypid, null) as name from pg_attribute a
where a.attrelid = to_regclass(%(outbox)s::text) and a.attnum > 0 and not a.attisdropped order by a.attnum

-- :name publication tables
select schemaname || '.' || tablename as name from pg_publication_tables where pubname = %(publication)s order by 1

-- :name slots
select slot_name::text as name, slot_name = %(slot)s and database = current_database() as is_own,
       slot_name = %(slot)s and (plugin is distinct from 'pgoutput' or database is distinct from current_database())
           as is_foreign,
       slot_name || coalesce(' of database ' || database, '') || ', plugin ' || coalesce(plugin, 'none') as description
from pg_replication_slots where slot_name = any (%(slots)s::text[])

-- :name dependents
-- What is rewritten to read or write the tables. 28: what can be inserted, updated or deleted, INSTEAD OF triggers
-- included.
with theirs as materialized (
    select distinct w.ev_class, w.rulename, w.ev_type <> '1' as writes, w.ev_class <> all (%(oids)s::oid[]) as outside,
           v.relkind = 'v' as is_view
    from pg_depend d join pg_rewrite w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass
    join pg_class v on v.oid = w.ev_class
    where d.refclassid = 'pg_class'::regclass and d.refobjid = any (%(oids)s::oid[])
)
select 'views' as field, ev_class::regclass::text as name from theirs where outside
union
select 'writer_views', ev_class::regclass::text from theirs
where is_view and pg_relation_is_updatable(ev_class, true) & 28 <> 0
union
select 'writer_rules', format('%%s on %%s', rulename, ev_class::regclass) from theirs where outside and writes
order by 1, 2

-- :name prepared transactions
select format('%%s in database %%s, by %%s, %%s s old', quote_literal(gid), database, owner,
              round(extract(epoch from clock_timestamp() - prepared))) as name
from pg_prepared_xacts order by prepared

-- :name sessions
select l.pid, coalesce(a.application_name, '') as application,
       coalesce(a.usename::text, x.owner::text, 'unknown') as user, coalesce(a.state, 'prepared') as state,
       extract(epoch from clock_timestamp() - coalesce(a.xact_start, x.prepared))::float8 as transaction_seconds,
       coalesce(to_char(a.query_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') as query_started,
       string_agg(distinct l.mode || ' on ' || l.relation::regclass, ', ') as locks,
       bool_or(l.mode not in ('AccessShareLock', 'RowShareLock')) as fences_out,
       bool_or(l.mode = 'RowExclusiveLock') as writes, coalesce(x.gid, '') as prepared
from pg_locks l
left join pg_stat_activity a on a.pid = l.pid
left join pg_locks lx on l.pid is null and lx.pid is null and lx.locktype = 'transactionid'
                     and lx.virtualtransaction = l.virtualtransaction
left join pg_prepared_xacts x on x.transaction = lx.transactionid
where l.locktype = 'relation' and l.granted and l.relation = any (%(oids)s::oid[])
  and l.database = (select oid from pg_database where datname = current_database())
  and l.pid is distinct from pg_backend_pid()
  and coalesce(a.backend_type, 'client backend') <> 'autovacuum worker'
  and coalesce(a.application_name, '') not like 'fig-%%'
  and coalesce(a.xact_start, x.prepared) is not null
group by l.pid, a.application_name, a.usename, a.state, a.xact_start, a.query_start, x.owner, x.prepared, x.gid
order by transaction_seconds desc

-- :name maintenance
select p.pid, case when a.backend_type <> 'autovacuum worker' then 'VACUUM'
                   else 'VACUUM to prevent wraparound' end as command,
       p.phase, p.relid::regclass::text as table
from pg_stat_progress_vacuum p join pg_stat_activity a on a.pid = p.pid
where p.relid = any (%(oids)s::oid[])
  -- An ordinary autovacuum yields; the query of a worker is a description, not somebody's statement.
  and (a.backend_type <> 'autovacuum worker' or a.query like '%%(to prevent wraparound)')
  and p.datname = current_database()
union all
select pid, command, phase, relid::regclass::text from pg_stat_progress_create_index
where relid = any (%(oids)s::oid[]) and datname = current_database()
union all
select pid, command, phase, relid::regclass::text from pg_stat_progress_cluster
where relid = any (%(oids)s::oid[]) and datname = current_database()
order by 1

-- :name writers
select coalesce(a.application_name, '') as application, a.usename::text as user, count(*)::int as sessions,
       bool_or((select bool_or(pg_has_role(a.usesysid, c.relowner, 'USAGE')) from pg_class c where c.oid = any (%(oids)s::oid[])))
           as owner, bool_or(r.rolsuper) as superuser
from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
  and coalesce(a.application_name, '') not like 'fig-%%'
  and exists (select from unnest(%(oids)s::oid[]) as t (oid) where has_table_privilege(a.usesysid, t.oid, 'INSERT, UPDATE, DELETE'))
group by 1, 2 order by 3 desc, 1, 2

-- :name writer roles
select distinct coalesce(r.rolname::text, 'public') as name
from pg_class c
cross join lateral (
    select c.relowner as role
    union select acl.grantee from aclexplode(c.relacl) acl
          where acl.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    union select acl.grantee from pg_attribute a cross join lateral aclexplode(a.attacl) acl
          where a.attrelid = c.oid and acl.privilege_type in ('INSERT', 'UPDATE')
) may
left join pg_roles r on r.oid = may.role
where c.oid = any (%(oids)s::oid[]) and not coalesce(r.rolsuper, false)
  and r.rolname is distinct from current_user and coalesce(r.rolname, '') not like 'pg\_%%'
order by 1

-- :name writer functions
-- A table is also named by what only mentions it: rather one function too many than one too few.
-- First whose they are, then what they say: asked the other way round, PostgreSQL reads three thousand of its own.
with theirs as materialized (
    select p.oid, p.prosrc from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.nspname not in ('pg_catalog', 'information_schema', 'fig') and n.nspname not like 'pg\_temp%%'
      and l.lanname not in ('c', 'internal')
)
select p.oid::regprocedure::text as name
from theirs p cross join lateral (select coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) as source) body
where body.source ~* '\m(insert|update|delete|truncate|merge|copy)\M'
  and exists (select from pg_class c where c.oid = any (%(oids)s::oid[])
              and body.source ~* ('\m' || regexp_replace(c.relname, '([^[:alnum:]_])', '\\\1', 'g') || '\M'))
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                  and d.deptype = 'e')
order by 1

-- :name policies
select format('%%s on %%s', polname, polrelid::regclass) as name
from pg_policy where polrelid = any (%(oids)s::oid[]) order by 1
