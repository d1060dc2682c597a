"""The domain of these schedules: one lens with every combinator that moves rows, and both sides read independently.

A wide table becomes three (one of them optional), columns become rows, money becomes cents, flags become an enum.
"""

from __future__ import annotations

from typing import Any

from cdc.lens import Lens

MONOLITH = """
    create table account (
        id bigserial primary key, email text not null unique, name text not null default '',
        balance numeric(12,2) not null default 0, hidden boolean not null default false,
        closed boolean not null default false, bio text, phone text, joined timestamp not null default '2026-01-01'
    );
    alter table account alter bio set storage external;
    create table entry (
        account_id bigint references account on update cascade on delete cascade, n int,
        amount numeric(12,2) not null default 0, tag text, primary key (account_id, n), unique (account_id, tag)
    );
    create table memo (
        id int primary key, place int unique deferrable, body text, kind text not null default 'plain'
    );
    alter table memo alter body set storage external;
    alter table memo replica identity full;
    create table setting (
        account_id bigint primary key, hello text, bye text, since timestamptz not null default '2026-01-01'
    );
    create table elsewhere (id bigserial primary key, n int);
"""

SERVICE = """
    create type standing as enum ('open', 'hidden', 'closed', 'gone');
    create type mood as enum ('calm', 'noisy');
    create table client (
        id bigint primary key, mail text not null unique, cents bigint not null, currency char(3) not null,
        standing standing not null, joined timestamptz not null
    );
    create table profile (
        client_id bigint primary key references client on update cascade on delete cascade,
        title text not null, bio text
    );
    alter table profile alter bio set storage external;
    alter table profile replica identity full;
    create table contact (
        client_id bigint primary key references client on update cascade on delete cascade, phone text not null
    );
    create table line (
        client_id bigint references client on update cascade on delete cascade, position int, cents bigint not null,
        label text, primary key (client_id, position), unique (client_id, label)
    );
    create table remark (id int primary key, place int unique deferrable, body text, mood mood not null);
    alter table remark alter body set storage external;
    create table greeting (account_id bigint primary key, since timestamptz not null default '2026-01-01');
    create table phrase (
        account_id bigint references greeting on update cascade on delete cascade,
        kind text check (kind in ('hello', 'bye')), words text, primary key (account_id, kind)
    );
    create table elsewhere (id bigserial primary key, n int);
"""

_TABLES: list[dict[str, Any]] = [
    {
        "monolith": "public.account",
        "service": {
            "public.client": {
                "id": "id",
                "mail": "email",
                "cents": {"scale": "balance", "by": 100},
                "currency": {"constant": "EUR"},
                "standing": {
                    "flags": ["hidden", "closed"],
                    "values": {
                        "false,false": "open", "true,false": "hidden", "false,true": "closed", "true,true": "gone",
                    },
                },
                "joined": {"cast": "joined", "to": "timestamptz", "back": "timestamp"},
            },
            "public.profile": {"client_id": "id", "title": {"rename": "name", "absent": ""}, "bio": "bio"},
            "public.contact": {"client_id": "id", "phone": "phone"},
        },
        "optional": {"public.contact": "phone"},
    },
    {
        "monolith": "public.entry",
        "key": ["account_id", "n"],
        "service": {
            "public.line": {
                "client_id": "account_id", "position": "n", "cents": {"scale": "amount", "by": 100}, "label": "tag",
            }
        },
    },
    {
        "monolith": "public.memo",
        "service": {
            "public.remark": {
                "id": "id", "place": "place", "body": "body",
                "mood": {"enum": "kind", "values": {"plain": "calm", "loud": "noisy"}},
            }
        },
    },
    {
        "monolith": "public.setting",
        "key": ["account_id"],
        "service": {
            "public.greeting": {"account_id": "account_id", "since": "since"},
            "public.phrase": {
                "account_id": "account_id",
                "pivot": {"rows": {"hello": {"kind": "hello"}, "bye": {"kind": "bye"}}, "value": "words"},
            },
        },
    },
]  # fmt: skip
LENS = Lens.parse(_TABLES)

_ENTRIES = (
    "select account_id, n, (amount * 100)::bigint, tag from entry",
    "select client_id, position, cents, label from line",
)
_MEMOS = (
    "select id, place, body, kind from memo",
    "select id, place, body, case mood when 'calm' then 'plain' else 'loud' end from remark",
)
_SETTINGS = (
    "select account_id, since, hello, bye from setting",
    "select account_id, since, (select words from phrase p where p.account_id = g.account_id and kind = 'hello'),"
    " (select words from phrase p where p.account_id = g.account_id and kind = 'bye') from greeting g",
)
_ACCOUNTS = (
    "select id, email, (balance * 100)::bigint, hidden, closed, joined, name, bio, phone from account",
    "select id, mail, cents, standing in ('hidden', 'gone'), standing in ('closed', 'gone'),"
    " joined at time zone 'UTC', coalesce(title, ''), bio, phone"
    " from client left join profile p on p.client_id = id left join contact t on t.client_id = id",
)
SAME = (_ACCOUNTS, _ENTRIES, _MEMOS, _SETTINGS)
"""Each pair reads the same rows, on the monolith and on the service; written by hand, not by the lens."""

PARTS = (
    ("select id from account", "select client_id from profile"),
    ("select id from account where phone is not null", "select client_id from contact"),
    ("select account_id from setting", "select account_id from phrase where kind = 'hello'"),
    ("select account_id from setting", "select account_id from phrase where kind = 'bye'"),
)
"""A row that came from the monolith has all its parts; one that the service wrote may do without."""


def entries_with(more: str) -> tuple[tuple[str, str], ...]:
    """With the columns that both sides got on the way; `more` is empty or `, column …`."""
    return ((f"select account_id, n{more} from entry", f"select client_id, position{more} from line"),)
