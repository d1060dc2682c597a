"""The domain of these tests: books. The service has other names, cents, an enum, and two tables for one."""

from __future__ import annotations

from cdc.projection import Column, Projection, Role, Table

MONOLITH_TABLES = """
    create table book (
        id bigserial primary key, title text not null default '', price numeric(10,2) not null default 0,
        stock int not null default 0, hidden boolean not null default false, code text unique, note text,
        added timestamp not null default '2026-01-01'
    );
    create table loan (book_id bigint, reader text, days int, primary key (book_id, reader));
    create table other (id int primary key);
"""

SERVICE_TABLES = """
    create type visibility as enum ('shown', 'hidden');
    create table volume (
        id bigint primary key, name text not null, cents bigint not null, seen visibility not null,
        code text unique, note text, added timestamptz not null, currency char(3) not null check (currency = 'EUR')
    );
    create table shelf (volume_id bigint primary key, available int not null);
    create table lending (volume_id bigint, reader text, days int, primary key (volume_id, reader));
"""

BOOK, LOAN = Table("public", "book"), Table("public", "loan")
VOLUME, SHELF, LENDING = Table("public", "volume"), Table("public", "shelf"), Table("public", "lending")


def same(target: str, source: str | None = None) -> Column:
    source = source or target
    return Column(target, (source,), "{" + source + "}")


LENT = (("book_id", "volume_id"), ("reader", "reader"))

TO_SERVICE = (
    Projection(
        BOOK, VOLUME, (("id", "id"),),
        (
            same("id"), same("name", "title"), Column("cents", ("price",), "({price}::numeric * 100)::bigint"),
            Column("seen", ("hidden",), "CASE WHEN {hidden}::boolean THEN 'hidden' ELSE 'shown' END"),
            same("code"), same("note"),
            Column("added", ("added",), "{added}::timestamp AT TIME ZONE 'UTC'"),
            Column("currency", (), "'EUR'"),
        ),
        Role.PRIMARY, (),
    ),
    Projection(
        BOOK, SHELF, (("id", "volume_id"),), (same("volume_id", "id"), same("available", "stock")), Role.PRIMARY, ()
    ),
    Projection(LOAN, LENDING, LENT, (same("volume_id", "book_id"), same("reader"), same("days")), Role.PRIMARY, ()),
)  # fmt: skip

TO_MONOLITH = (
    Projection(
        VOLUME, BOOK, (("id", "id"),),
        (
            same("id"), same("title", "name"), Column("price", ("cents",), "({cents}::numeric / 100)::numeric(20,2)"),
            Column("hidden", ("seen",), "({seen}::text = 'hidden')"),
            same("code"), same("note"),
            Column("added", ("added",), "{added}::timestamptz AT TIME ZONE 'UTC'"),
        ),
        Role.PRIMARY, (("stock", "0"),),
    ),
    Projection(
        SHELF, BOOK, (("volume_id", "id"),), (same("id", "volume_id"), same("stock", "available")),
        Role.PART, (("stock", "0"),),
    ),
    Projection(
        LENDING, LOAN, tuple((b, a) for a, b in LENT), (same("book_id", "volume_id"), same("reader"), same("days")),
        Role.PRIMARY, (),
    ),
)  # fmt: skip

AS_SERVICE = """
    select b.id, b.title, (b.price * 100)::bigint, b.hidden, b.code, b.note, b.added, b.stock from book b order by 1
"""
AS_MONOLITH = """
    select v.id, v.name, v.cents, v.seen = 'hidden', v.code, v.note, v.added at time zone 'UTC', s.available
    from volume v left join shelf s on s.volume_id = v.id order by 1
"""
"""The same rows read from both sides."""
