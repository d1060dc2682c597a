-- How far a domain's canary is; there is a row only while its stage is `canary`.

create schema if not exists fig;

create table if not exists fig.canary (
    domain    text primary key,
    share     integer not null check (share between 0 and 10000),
    mode      text not null,
    revision  bigint not null,
    since     timestamptz not null default clock_timestamp(),
    counted   jsonb not null,   -- What each proxy had counted when this share began.
    reference jsonb,            -- The monolith's reads of an earlier step.
    reason    text not null,
    check (mode <> 'back' or share = 0)
);
