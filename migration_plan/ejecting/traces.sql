-- What fig has left in this database, in the order in which it can go: kind, name, and the statement that removes it.
-- Slots of other databases on the same server are not ours to judge; replication origins are the server's, so only
-- those of the named streams are taken. %(streams)s: an array of names.
select kind, name, statement from (
    select 1 as place, 'event trigger' as kind, evtname::text as name, format('drop event trigger %%I', evtname) as statement
    from pg_event_trigger where evtname in ('fig_sentry', 'fig_sentry_rewrite', 'fig_sentry_drop')
    union all
    select 2, 'replication slot', slot_name::text, format('select pg_drop_replication_slot(%%L)', slot_name)
    from pg_replication_slots where database = current_database() and slot_name like 'fig\_%%'
    union all
    select 3, 'publication', pubname::text, format('drop publication %%I', pubname)
    from pg_publication where pubname like 'fig\_%%'
    union all
    select 4, 'replication origin', roname, format('select pg_replication_origin_drop(%%L)', roname)
    from pg_replication_origin o join unnest(%(streams)s::text[]) stream
      on roname = 'fig_' || stream or roname ~ ('^fig_' || stream || '_(copy)?[0-9]+$')
    union all
    select 5, 'trigger', format('%%s on %%I.%%I', g.tgname, n.nspname, c.relname),
           format('drop trigger %%I on %%I.%%I', g.tgname, n.nspname, c.relname)
    from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
    where g.tgname = 'a_fig_fence' and n.nspname <> 'fig' and g.tgparentid = 0
    union all
    -- Its last: the others need its functions.
    select 6, 'schema', format('%%I with %%s tables', nspname, (select count(*) from pg_class c where c.relnamespace = n.oid and c.relkind = 'r')),
           format('drop schema %%I cascade', nspname)
    from pg_namespace n where nspname = 'fig'
) found order by place, name
