-- The sentry: an event trigger that notices DDL around the fence while it happens. Needs a superuser to install;
-- without one, the controller's watchdog notices within a second what this refuses at once.

create or replace function fig.sentry() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
    command record;
    breach record;
begin
    for command in
        select distinct c.objid from pg_event_trigger_ddl_commands() c
        where c.classid = 'pg_class'::regclass and c.object_type = 'table'
    loop
        -- A partition joins its parent's domain at once.
        insert into fig.domain_table (relation, domain)
            select i.inhrelid, t.domain
            from pg_inherits i join fig.domain_table t on t.relation in (i.inhparent, i.inhrelid)
            where (i.inhrelid = command.objid or i.inhparent = command.objid)
              and t.relation = i.inhparent
            on conflict do nothing;
        for breach in
            select b.*, n.nspname, c.relname
            from fig.domain_table t
            join pg_class c on c.oid = t.relation join pg_namespace n on n.oid = c.relnamespace
            join lateral (
                select d.domain, d.side, d.state, d.epoch, g.tgenabled
                from fig.domain d left join pg_trigger g on g.tgrelid = t.relation and g.tgname = 'a_fig_fence'
                where d.domain = t.domain
            ) b on b.tgenabled is distinct from case when b.state = 'owner' then 'D' else 'O' end::"char"
            where t.relation = command.objid
               or (b.tgenabled is null and t.relation in (select inhrelid from pg_inherits where inhparent = command.objid))
        loop
            if breach.tgenabled is null then
                execute format('create trigger a_fig_fence before insert or update or delete or truncate on %I.%I'
                               ' for each statement execute function fig.deny(%L)', breach.nspname, breach.relname, breach.domain);
                if breach.state = 'owner' then
                    execute format('alter table only %I.%I disable trigger a_fig_fence', breach.nspname, breach.relname);
                end if;
            elsif breach.state = 'owner' then
                -- A bulk-load idiom (DISABLE TRIGGER USER ... ENABLE TRIGGER USER) must not arm the owner's fence.
                execute format('alter table only %I.%I disable trigger a_fig_fence', breach.nspname, breach.relname);
            else
                raise exception using
                    errcode = 'SF422',
                    message = format('the fence of domain "%s" on %I.%I may not be changed: this is the %s side, %s at epoch %s',
                                     breach.domain, breach.nspname, breach.relname, breach.side, breach.state, breach.epoch),
                    hint = 'Write on the side that owns the domain. See: fig status.';
            end if;
        end loop;
    end loop;
end $$;

drop event trigger if exists fig_sentry;
create event trigger fig_sentry on ddl_command_end
    when tag in ('ALTER TABLE', 'CREATE TABLE', 'CREATE TABLE AS') execute function fig.sentry();

-- What changes rows without an event in the log: whoever reads it is told there, in front of what comes after.
-- Not told can be a partition that is truncated or detached by itself: docs/operating-streams.md.
create or replace function fig.sentry_rewrite() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    if pg_event_trigger_table_rewrite_reason() & 4 <> 0 then  -- A column's type, with USING or without.
        perform pg_logical_emit_message(true, 'fig', json_build_object(
            'kind', 'rewritten', 'domain', t.domain, 'what', format('%s was rewritten', t.relation::regclass))::text)
        from fig.domain_table t join fig.domain d using (domain)
        where t.relation = pg_event_trigger_table_rewrite_oid() and d.state = 'owner';
    end if;
end $$;

create or replace function fig.sentry_drop() returns event_trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    perform pg_logical_emit_message(true, 'fig', json_build_object(
        'kind', 'rewritten', 'domain', t.domain, 'what', format('%s was dropped', o.object_identity))::text)
    from pg_event_trigger_dropped_objects() o
    join fig.domain_table t on t.relation = o.objid and o.classid = 'pg_class'::regclass and o.objsubid = 0
    join fig.domain d using (domain)
    where d.state = 'owner';
end $$;

drop event trigger if exists fig_sentry_rewrite;
create event trigger fig_sentry_rewrite on table_rewrite execute function fig.sentry_rewrite();
drop event trigger if exists fig_sentry_drop;
create event trigger fig_sentry_drop on sql_drop when tag in ('DROP TABLE', 'DROP SCHEMA') execute function fig.sentry_drop();
