"""Columns that become rows, twice from one table: by two discriminators (an enum, a text), and with values to NULL."""

from __future__ import annotations

from typing import Any

from cdc.lens import Lens

MONOLITH = """
    create table notification_preferences (
        user_id       bigint primary key,
        email_orders  boolean not null default true,
        email_sales   boolean not null default true,
        sms_orders    boolean not null default false,
        "it's odd"    boolean not null default false,
        hello         text,
        bye           text default 'See you',
        updated_at    timestamptz not null default '2026-01-01'
    );
"""
SERVICE = """
    create type channel as enum ('sms', 'email', 'it''s {odd} 100 %');
    create table preference_owner (user_id bigint primary key, updated_at timestamptz not null default '2026-01-01');
    create table preference (
        user_id bigint,
        channel channel,
        topic   varchar(9) collate "und-x-icu",
        enabled boolean not null,
        origin  text not null default 'shop' check (origin = 'shop'),
        primary key (channel, user_id, topic),
        check (topic in ('orders', 'sales')),
        check (not (channel = 'sms' and topic = 'sales')),
        check (channel <> 'it''s {odd} 100 %' or topic = 'orders')
    );
    create table phrase (
        owner_id bigint, kind text check (kind in ('hello', 'bye')), words text, primary key (owner_id, kind)
    );
"""

TABLES: list[dict[str, Any]] = [
    {
        "monolith": "public.notification_preferences",
        "key": ["user_id"],
        "service": {
            "public.preference_owner": {"user_id": "user_id", "updated_at": "updated_at"},
            "public.preference": {
                "user_id": "user_id",
                "pivot": {
                    "rows": {
                        "email_orders": {"channel": "email", "topic": "orders", "absent": True},
                        "email_sales": {"channel": "email", "topic": "sales", "absent": True},
                        "sms_orders": {"channel": "sms", "topic": "orders", "absent": False},
                        "it's odd": {"channel": "it's {odd} 100 %", "topic": "orders", "absent": False},
                    },
                    "value": "enabled",
                },
                "origin": {"constant": "shop"},
            },
            "public.phrase": {
                "owner_id": "user_id",
                "pivot": {"rows": {"hello": {"kind": "hello"}, "bye": {"kind": "bye"}}, "value": "words"},
            },
        },
    }
]
LENS = Lens.parse(TABLES)

EMPTY_SERVICE = "delete from phrase; delete from preference; delete from preference_owner"
MONOLITH_ROWS = "select t::text from notification_preferences t order by user_id"
SERVICE_ROWS = """
    select t::text from preference_owner t union all
    select t::text from preference t union all select t::text from phrase t order by 1
"""
