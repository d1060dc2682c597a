-- What the shadow comparer found, in the journal's database. No value of a row is here but by its shape.

create table if not exists fig.shadow (
    domain   text primary key,
    stage_at timestamptz,                                  -- When the stage began that this evidence belongs to.
    since    timestamptz not null default clock_timestamp()
);

create table if not exists fig.shadow_route (
    domain    text not null,
    route     text not null,
    compared  bigint not null default 0,
    healed    bigint not null default 0,
    lagging   bigint not null default 0,
    void      bigint not null default 0,
    too_large bigint not null default 0,
    impure    bigint not null default 0,
    first_at  timestamptz not null default clock_timestamp(),
    last_at   timestamptz not null default clock_timestamp(),
    primary key (domain, route)
);

create table if not exists fig.shadow_field (
    domain text not null,
    route  text not null,
    path   text not null,
    raw    bigint not null default 0,
    noise  bigint not null default 0,
    primary key (domain, route, path)
);

create table if not exists fig.shadow_group (
    domain   text not null,
    route    text not null,
    paths    text[] not null,
    count    bigint not null,
    first_at timestamptz not null default clock_timestamp(),
    last_at  timestamptz not null default clock_timestamp(),
    primary key (domain, route, paths)
);

create table if not exists fig.shadow_example (
    id         bigint generated always as identity primary key,
    domain     text not null,
    route      text not null,
    path       text not null,
    at         timestamptz not null default clock_timestamp(),
    request_id text not null,
    monolith   text not null,
    service    text not null
);
create index if not exists shadow_example_place on fig.shadow_example (domain, route, path, id);

create table if not exists fig.shadow_dropped (
    domain text not null,
    reason text not null,
    count  bigint not null,
    primary key (domain, reason)
);
