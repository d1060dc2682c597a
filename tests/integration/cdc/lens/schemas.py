"""A table with every combinator in it, on both sides, under names and labels that need care."""

from __future__ import annotations

from typing import Any

MONOLITH = """
    create type mood as enum ('merry', 'it''s so {so}', '100 %');
    create domain amount as numeric(12, 2) not null;
    create table "odd Table" (
        "the id"   bigint primary key,
        name       text,
        short      varchar(20),
        price      numeric(12, 2),
        total      amount,
        small      integer not null,
        large      bigint,
        at_local   timestamp,
        at         timestamptz,
        ratio      double precision,
        exact      numeric,
        document   jsonb,
        bytes      bytea,
        list       text[],
        span       interval,
        mood       mood,
        kind       varchar(1) not null check (kind in ('D', 'W')),
        open       boolean not null,
        paid       boolean not null,
        stock      integer not null,
        remark     text,
        site       text not null check (site = 'north'),
        phone      text,
        "phone at" timestamptz,
        check ((phone is null) = ("phone at" is null)),
        doubled    numeric generated always as (price * 2) stored
    );
"""

SERVICE = """
    create type feeling as enum ('glad', 'so-so', 'full');
    create type stage as enum ('new', 'open', 'paid', 'done');
    create table thing (
        id            bigint primary key,
        label         text,
        short         text,
        price_cents   bigint,
        total_tenths  bigint not null,
        small         bigint not null,
        large         numeric(19, 0),
        at_local      timestamptz,
        at            timestamptz,
        ratio         double precision,
        exact         numeric,
        document      jsonb,
        bytes         bytea,
        list          text[],
        span          interval,
        feeling       feeling,
        kind          text not null check (kind in ('deposit', 'withdrawal')),
        stage         stage not null,
        currency      char(3) not null check (currency = 'EUR'),
        shouted       text generated always as (upper(label)) stored
    );
    create table stocked (thing_id bigint primary key, available integer not null, remark text);
    create table verified (id bigint primary key, number text not null, at timestamptz not null,
                           country char(2) not null check (country = 'DE'));
"""

TABLES: list[dict[str, Any]] = [
    {
        "monolith": "public.odd Table",
        "key": ["the id"],
        "service": {
            "public.thing": {
                "id": "the id",
                "label": "name",
                "short": {"cast": "short", "to": "text", "back": "varchar(20)"},
                "price_cents": {"scale": "price", "by": 100},
                "total_tenths": {"scale": "total", "by": 100},
                "small": {"cast": "small", "to": "bigint", "back": "int"},
                "large": {"cast": "large", "to": "numeric(19)", "back": "bigint"},
                "at_local": {"cast": "at_local", "to": "timestamptz", "back": "timestamp"},
                "at": "at",
                "ratio": "ratio",
                "exact": "exact",
                "document": "document",
                "bytes": "bytes",
                "list": "list",
                "span": "span",
                "feeling": {"enum": "mood", "values": {"merry": "glad", "it's so {so}": "so-so", "100 %": "full"}},
                "kind": {"enum": "kind", "values": {"D": "deposit", "W": "withdrawal"}},
                "stage": {
                    "flags": ["open", "paid"],
                    "values": {"false,false": "new", "true,false": "open", "false,true": "paid", "true,true": "done"},
                },
                "currency": {"constant": "EUR"},
            },
            "public.stocked": {"thing_id": "the id", "available": {"rename": "stock", "absent": 0}, "remark": "remark"},
            "public.verified": {"id": "the id", "number": "phone", "at": "phone at", "country": {"constant": "DE"}},
        },
        "optional": {"public.verified": "phone"},
        "monolith_only": {"site": {"constant": "north"}},
    }
]

MONOLITH_ROWS = 'select t::text from "odd Table" t order by "the id"'
SERVICE_ROWS = """
    select t::text, s::text, v::text from thing t
    full join stocked s on s.thing_id = t.id full join verified v using (id)
    order by id, thing_id
"""
EMPTY_MONOLITH = 'truncate "odd Table"'
EMPTY_SERVICE = "truncate thing, stocked, verified"
