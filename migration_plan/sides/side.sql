-- Ownership of domains on one side: the rows that decide, the fence that enforces, the four moves of a switch.
-- Run as role "fig" (a member of the tables' owner) on each side; may be run again at any time.
--
-- Every move is one function call in one transaction: row first, then tables (the order of fig.guard_apply too),
-- compare-and-set on state and epoch, committed synchronously. A paused caller therefore holds no lock.
--
-- SF421 a write met the fence          SF409 compare-and-set found another state
-- SF422 somebody touched the fence     SF425 the marker is not applied here yet

create schema if not exists fig;
grant usage on schema fig to public;

create table if not exists fig.domain (
    domain     text primary key,
    side       text not null check (side in ('monolith', 'service')),
    state      text not null check (state in ('owner', 'fenced', 'released', 'standby')),
    epoch      bigint not null check (epoch > 0),
    marker     pg_lsn,
    changed_at timestamptz not null default clock_timestamp()
);
grant select on fig.domain to public;

-- By name in a dump: a database that is restored from one gets other oids, and its fence must still be found.
create table if not exists fig.domain_table (
    relation regclass primary key,
    domain   text not null references fig.domain on delete cascade
);
do $$ begin
    if exists (select from pg_catalog.pg_attribute
               where attrelid = 'fig.domain_table'::regclass and attname = 'relation' and atttypid = 'oid'::regtype) then
        drop view if exists fig.fence_breach;
        alter table fig.domain_table alter column relation type regclass;
    end if;
end $$;
grant select on fig.domain_table to public;

create or replace function fig.deny() returns trigger language plpgsql as $$
declare
    here fig.domain;
begin
    select * into here from fig.domain where domain operator(pg_catalog.=) tg_argv[0];
    -- A sequence keeps its value when this write is rolled back: whoever still tries to write leaves a trace.
    if pg_catalog.to_regclass(pg_catalog.format('fig.%I', pg_catalog.concat('refused_', tg_argv[0]))) is not null then
        perform pg_catalog.nextval(pg_catalog.format('fig.%I', pg_catalog.concat('refused_', tg_argv[0])));
    end if;
    raise exception using
        errcode = 'SF421',
        message = pg_catalog.format('domain "%s" is not owned here: this is the %s side, %s at epoch %s',
                                    tg_argv[0], here.side, here.state, here.epoch),
        detail = pg_catalog.json_build_object('domain', tg_argv[0], 'epoch', here.epoch, 'side', here.side,
                                              'state', here.state)::text,
        hint = 'Write through the proxy; it knows the owner. See: fig status.';
end $$;

-- The domain's tables as a list for LOCK, ALTER and messages; names are always qualified.
create or replace function fig.table_names(p_domain text) returns setof text
language sql stable set search_path = pg_catalog as $$
    select format('%I.%I', n.nspname, c.relname)
    from fig.domain_table t join pg_class c on c.oid = t.relation join pg_namespace n on n.oid = c.relnamespace
    where t.domain = p_domain order by t.relation
$$;

-- Autovacuum yields only to a waiter older than deadlock_timeout; so first a lock that writers do not feel, with
-- patience, then the one that waits for writers, briefly.
create or replace function fig.lock_tables(p_domain text, p_patience_ms int, p_lock_ms int) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    names text := (select string_agg('only ' || n, ', ') from fig.table_names(p_domain) n);
begin
    perform set_config('lock_timeout', p_patience_ms || 'ms', true);
    execute 'lock table ' || names || ' in share update exclusive mode';
    if p_lock_ms > 0 then
        perform set_config('lock_timeout', p_lock_ms || 'ms', true);
        execute 'lock table ' || names || ' in share row exclusive mode';
    end if;
end $$;

-- Send autovacuum away before anyone is held; leaves no lock behind.
create or replace function fig.settle(p_domain text, p_patience_ms int) returns void
language sql set search_path = pg_catalog as $$ select fig.lock_tables(p_domain, p_patience_ms, 0) $$;

create or replace function fig.arm(p_domain text, p_on boolean) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    name text;
begin
    for name in select * from fig.table_names(p_domain) loop
        execute format('alter table only %s %s trigger a_fig_fence', name, case when p_on then 'enable' else 'disable' end);
    end loop;
end $$;

create or replace function fig.stale(p_domain text, p_here fig.domain) returns void language plpgsql as $$
begin
    raise exception using
        errcode = 'SF409',
        message = format('domain "%s" is %s at epoch %s', p_domain, coalesce(p_here.state, 'not enrolled'), p_here.epoch),
        detail = json_build_object('domain', p_domain, 'state', p_here.state, 'epoch', p_here.epoch)::text;
end $$;

create or replace function fig.row_for_update(p_domain text, p_lock_ms int) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain;
begin
    perform set_config('synchronous_commit', 'on', true);
    perform set_config('lock_timeout', p_lock_ms || 'ms', true);
    select * into here from fig.domain where domain = p_domain for update;
    return here;
end $$;

-- The marker after the last write of this side, with the values of its sequences.
create or replace function fig.write_marker(p_domain text, p_epoch bigint, p_sequences jsonb) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain;
    seqs jsonb;
begin
    select coalesce(jsonb_object_agg(s ->> 'there', coalesce(pg_sequence_last_value((s ->> 'here')::regclass), 0)), '{}')
      into seqs from jsonb_array_elements(p_sequences) s;
    update fig.domain set marker = pg_logical_emit_message(true, 'fig', jsonb_build_object(
        'kind', 'fence', 'domain', p_domain, 'epoch', p_epoch, 'sequences', seqs)::text)
    where domain = p_domain returning * into here;
    return here;
end $$;

-- Fence: owner, e -> fenced, e+1. No write of this side can commit afterwards; the marker follows the last one.
-- p_sequences: [{"here": "public.a_id_seq", "there": "public.b_id_seq"}, ...]; their values travel with the marker.
create or replace function fig.fence(p_domain text, p_epoch bigint, p_lock_ms int, p_sequences jsonb) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state is distinct from 'owner' or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    update fig.domain set state = 'fenced', epoch = p_epoch + 1, changed_at = clock_timestamp() where domain = p_domain;
    perform fig.arm(p_domain, true);
    return fig.write_marker(p_domain, p_epoch + 1, p_sequences);
end $$;

-- Mark again: released, e stays, with a new marker. For a taker that failed over and has lost what it had applied: it
-- has been given all rows again, and its position knows no marker. Whoever still holds the old one finds a later one.
create or replace function fig.mark_again(p_domain text, p_epoch bigint, p_lock_ms int, p_sequences jsonb)
returns fig.domain language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state is distinct from 'released' or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    return fig.write_marker(p_domain, p_epoch, p_sequences);
end $$;

-- Un-fence (abort): fenced, e -> owner, e+1. Only one of this and release can commit.
create or replace function fig.unfence(p_domain text, p_epoch bigint, p_lock_ms int) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state = 'owner' and here.epoch = p_epoch + 1 then
        return here;
    end if;
    if here.state is distinct from 'fenced' or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    update fig.domain set state = 'owner', epoch = p_epoch + 1, marker = null, changed_at = clock_timestamp()
    where domain = p_domain returning * into here;
    perform fig.arm(p_domain, false);
    return here;
end $$;

-- Release: fenced, e -> released, e. Here it is decided; from now on there is only forward.
create or replace function fig.release(p_domain text, p_epoch bigint, p_lock_ms int) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state = 'released' and here.epoch = p_epoch then
        return here;
    end if;
    if here.state is distinct from 'fenced' or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    update fig.domain set state = 'released', changed_at = clock_timestamp() where domain = p_domain returning * into here;
    return here;
end $$;

-- True when a grant could go through now: the marker is applied and the tables can be locked. Changes nothing.
create or replace function fig.can_grant(p_domain text, p_epoch bigint, p_stream text, p_marker pg_lsn, p_lock_ms int)
returns boolean language plpgsql set search_path = pg_catalog as $$
begin
    if not fig.marker_applied(p_epoch, p_stream, p_marker) then
        return false;
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    return true;
end $$;

create or replace function fig.marker_applied(p_epoch bigint, p_stream text, p_marker pg_lsn) returns boolean
language sql stable set search_path = pg_catalog as $$
    select coalesce((select p.lsn >= p_marker and p.marker ->> 'kind' = 'fence' and (p.marker ->> 'epoch')::bigint = p_epoch
                     from fig.position p where p.stream = p_stream), false)
$$;

-- Grant: lower epoch -> owner, e. Compares the applied position here, in its own transaction: what was applied but
-- not flushed may be gone since anyone looked. Sequences only ever move forward.
create or replace function fig.grant_ownership(p_domain text, p_epoch bigint, p_stream text, p_marker pg_lsn, p_lock_ms int)
returns fig.domain language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
    seq record;
begin
    if here.state = 'owner' and here.epoch = p_epoch then
        return here;
    end if;
    if here.epoch is null or here.epoch >= p_epoch or here.state = 'owner' then
        perform fig.stale(p_domain, here);
    end if;
    if not fig.marker_applied(p_epoch, p_stream, p_marker) then
        raise exception using errcode = 'SF425',
            message = format('stream %s has not applied the marker of epoch %s at %s yet', p_stream, p_epoch, p_marker);
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    for seq in select key, value::bigint as value from fig.position p, jsonb_each_text(p.marker -> 'sequences')
               where p.stream = p_stream loop
        if seq.value > coalesce(pg_sequence_last_value(seq.key::regclass), 0) then
            perform setval(seq.key::regclass, seq.value);
        end if;
    end loop;
    update fig.domain set state = 'owner', epoch = p_epoch, marker = null, changed_at = clock_timestamp()
    where domain = p_domain returning * into here;
    perform fig.arm(p_domain, false);
    perform pg_logical_emit_message(true, 'fig', jsonb_build_object(
        'kind', 'grant', 'domain', p_domain, 'epoch', p_epoch)::text);
    return here;
end $$;

-- Stand by: released, e -> standby, e, once the other side is known to own. At rest one row says owner, one standby.
create or replace function fig.stand_by(p_domain text, p_epoch bigint, p_lock_ms int) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state = 'standby' and here.epoch = p_epoch then
        return here;
    end if;
    if here.state is distinct from 'released' or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    update fig.domain set state = 'standby', changed_at = clock_timestamp() where domain = p_domain returning * into here;
    return here;
end $$;

-- Void: owner, e -> owner, e+2, so that a controller paused before its fence finds its epoch gone.
create or replace function fig.void(p_domain text, p_epoch bigint, p_lock_ms int) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state is distinct from 'owner' or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    update fig.domain set epoch = p_epoch + 2, changed_at = clock_timestamp() where domain = p_domain returning * into here;
    return here;
end $$;

-- Stop: as it was read -> standby, armed. Only for a side that came back from the past while the other one owns. Both
-- rows cannot be read at one moment: whoever read one of them before a switch and the other one after it finds it moved.
drop function if exists fig.stop(text, int);
create or replace function fig.stop(p_domain text, p_state text, p_epoch bigint, p_lock_ms int) returns fig.domain
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state is distinct from p_state or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    update fig.domain set state = 'standby', changed_at = clock_timestamp() where domain = p_domain returning * into here;
    perform fig.arm(p_domain, true);
    return here;
end $$;

-- The highest number that each of these sequences has given, or that stands in a column which draws from it.
create or replace function fig.sequence_tops(p_sequences text[]) returns bigint[]
language plpgsql set search_path = pg_catalog as $$
declare
    name text;
    place record;
    stands bigint;
    top bigint;
    tops bigint[] := '{}';
begin
    foreach name in array p_sequences loop
        top := coalesce(pg_sequence_last_value(name::regclass), 0);
        for place in
            select format('%I.%I', n.nspname, c.relname) as relation, a.attname
            from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            join pg_class c on c.oid = d.refobjid join pg_namespace n on n.oid = c.relnamespace
            where d.classid = 'pg_class'::regclass and d.objid = name::regclass
              and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        loop
            execute format('select max(%I) from %s', place.attname, place.relation) into stands;
            top := greatest(top, stands);
        end loop;
        tops := tops || top;
    end loop;
    return tops;
end $$;

-- Give way: as it was read -> standby, p_new, armed, because the other side is about to be adopted at that epoch. First
-- of an adoption's two steps: whoever believes that this side goes on, or was about to grant it, finds it moved.
create or replace function fig.give_way(p_domain text, p_state text, p_epoch bigint, p_new bigint, p_lock_ms int)
returns fig.domain language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    if here.state = 'standby' and here.epoch = p_new then
        return here;
    end if;
    if here.state is distinct from p_state or here.epoch <> p_epoch or p_new <= p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    update fig.domain set state = 'standby', epoch = p_new, marker = null, changed_at = clock_timestamp()
    where domain = p_domain returning * into here;
    perform fig.arm(p_domain, true);
    return here;
end $$;

-- Adopt: as it was read -> owner, p_new, because a person says so after a restore. p_new is higher than any epoch
-- that is known, so that whoever remembers another owner finds it gone. No number is given twice: sequences go past
-- p_tops, what the other side knows of them.
create or replace function fig.adopt(
    p_domain text, p_state text, p_epoch bigint, p_new bigint, p_sequences text[], p_tops bigint[], p_lock_ms int
) returns fig.domain language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
    seq record;
begin
    if here.state = 'owner' and here.epoch = p_new then
        return here;
    end if;
    if here.state is distinct from p_state or here.epoch <> p_epoch or p_new <= p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    for seq in select name::regclass as id, greatest(ours, theirs) as top
               from unnest(p_sequences, fig.sequence_tops(p_sequences), p_tops) u(name, ours, theirs) loop
        if seq.top > coalesce(pg_sequence_last_value(seq.id), 0) then
            perform setval(seq.id, seq.top);
        end if;
    end loop;
    update fig.domain set state = 'owner', epoch = p_new, marker = null, changed_at = clock_timestamp()
    where domain = p_domain returning * into here;
    perform fig.arm(p_domain, false);
    perform pg_logical_emit_message(true, 'fig', jsonb_build_object(
        'kind', 'grant', 'domain', p_domain, 'epoch', p_new)::text);
    return here;
end $$;

-- First in every transaction of ours that writes the domain's rows on a side: not the owner, nor one that is fenced and
-- may own again (its own rows are the truth until it releases), and no epoch has passed.
create or replace function fig.guard_apply(p_domain text, p_epoch bigint) returns void language plpgsql as $$
declare
    here fig.domain;
begin
    select * into here from fig.domain where domain = p_domain for share;
    if not found or here.state in ('owner', 'fenced') or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
end $$;

-- Enroll tables (and their partitions) of a domain that has its row: the list, and the fence as the row says.
create or replace function fig.fence_tables(p_domain text, p_armed boolean, p_lock_ms int) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    name text;
begin
    insert into fig.domain_table (relation, domain)
        select i.inhrelid, p_domain from pg_inherits i join fig.domain_table t on t.relation = i.inhparent
        where t.domain = p_domain on conflict do nothing;
    -- Nobody is held meanwhile, so autovacuum may take its time to yield.
    perform fig.lock_tables(p_domain, 5000, p_lock_ms);
    for name in select * from fig.table_names(p_domain) loop
        execute format('create or replace trigger a_fig_fence before insert or update or delete or truncate on %s'
                       ' for each statement execute function fig.deny(%L)', name, p_domain);
    end loop;
    perform fig.arm(p_domain, p_armed);
end $$;

create or replace function fig.repair_fence(p_domain text, p_lock_ms int) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
begin
    perform fig.fence_tables(p_domain, here.state <> 'owner', p_lock_ms);
end $$;

-- Enroll: the row, the list of tables, the triggers (disarmed on the owner, armed elsewhere). The row is a new one, or,
-- where one was read (p_is_known), still as it was: a side that was restored meanwhile to a time before it, or with
-- another one, does not get to own by a reading that is over.
drop function if exists fig.enroll(text, text, text, bigint, regclass[], int);
create or replace function fig.enroll(
    p_domain text, p_side text, p_state text, p_epoch bigint, p_tables regclass[], p_lock_ms int,
    p_is_known boolean default false
) returns fig.domain language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain;
begin
    if not p_is_known then
        insert into fig.domain (domain, side, state, epoch) values (p_domain, p_side, p_state, p_epoch)
            on conflict do nothing;
    end if;
    here := fig.row_for_update(p_domain, p_lock_ms);
    if here.state is distinct from p_state or here.epoch <> p_epoch then
        perform fig.stale(p_domain, here);
    end if;
    execute format('create sequence if not exists fig.%I', 'refused_' || p_domain);
    execute format('grant usage on sequence fig.%I to public', 'refused_' || p_domain);
    insert into fig.domain_table (relation, domain)
        select t::oid, p_domain from unnest(p_tables) t on conflict do nothing;
    perform fig.fence_tables(p_domain, here.state <> 'owner', p_lock_ms);
    return here;
end $$;

-- Dismiss: takes the triggers and rows of the domain away again.
create or replace function fig.dismiss(p_domain text, p_lock_ms int) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain := fig.row_for_update(p_domain, p_lock_ms);
    name text;
begin
    if here.domain is null then
        return;
    end if;
    perform fig.lock_tables(p_domain, p_lock_ms, p_lock_ms);
    for name in select * from fig.table_names(p_domain) loop
        execute format('drop trigger if exists a_fig_fence on %s', name);
    end loop;
    execute format('drop sequence if exists fig.%I', 'refused_' || p_domain);
    delete from fig.domain where domain = p_domain;
end $$;

-- A table of ours, in a domain of ours, on which the moves are rehearsed before anyone is held: the first call of a
-- session costs ten times what the second one does (functions to compile, catalogs to read).
create table if not exists fig.rehearsal (id int primary key);

create or replace function fig.rehearse(p_lock_ms int) returns void
language plpgsql set search_path = pg_catalog as $$
declare
    here fig.domain;
begin
    select * into here from fig.domain where domain = 'fig_rehearsal';
    if not exists (select from fig.domain_table t join pg_trigger g on g.tgrelid = t.relation
                   where t.domain = here.domain and t.relation = 'fig.rehearsal'::regclass and g.tgname = 'a_fig_fence') then
        insert into fig.domain (domain, side, state, epoch) values ('fig_rehearsal', 'monolith', 'owner', 1)
            on conflict do nothing;
        here := fig.row_for_update('fig_rehearsal', p_lock_ms);
        here := fig.enroll(here.domain, here.side, here.state, here.epoch, array['fig.rehearsal']::regclass[],
                           p_lock_ms, true);
    end if;
    begin
        here := fig.fence('fig_rehearsal', here.epoch, p_lock_ms, '[]');
        perform fig.marker_applied(here.epoch, 'fig_rehearsal', here.marker);
        raise sqlstate 'SF200';
    exception when sqlstate 'SF200' then
        null;  -- Taken back: what has been read and compiled is still there, and no stream has anything to carry.
    end;
    perform set_config('synchronous_commit', 'off', true);  -- Nothing to wait for.
end $$;

-- What the watchdog compares: each table whose fence is not as the row says, and partitions without one.
create or replace view fig.fence_breach as
    select d.domain, d.side, d.state, d.epoch, t.relation::regclass::text as relation,
           coalesce(g.tgenabled::text, 'missing') as trigger_state
    from fig.domain d join fig.domain_table t using (domain)
    left join pg_catalog.pg_trigger g on g.tgrelid = t.relation and g.tgname = 'a_fig_fence'
    where coalesce(g.tgenabled::text, 'missing') <> case when d.state = 'owner' then 'D' else 'O' end
    union all
    select d.domain, d.side, d.state, d.epoch, i.inhrelid::regclass::text, 'not enrolled'
    from fig.domain d join fig.domain_table t using (domain)
    join pg_catalog.pg_inherits i on i.inhparent = t.relation
    where not exists (select 1 from fig.domain_table e where e.relation = i.inhrelid);
grant select on fig.fence_breach to public;

-- Trigger functions need no EXECUTE to fire; everything else is for role "fig" alone.
revoke execute on all functions in schema fig from public;
