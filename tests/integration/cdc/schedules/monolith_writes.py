"""What the monolith's application may do to its tables, at random. Each function gives the statements of one act."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Act = list[str]
MakeAct = Callable[[Random], Act]


def picked(table: str, column: str, chance: Random) -> str:
    """Some row that is there when the statement runs, chosen by its key, so that a seed chooses the same again."""
    salt = chance.randrange(1_000_000)
    return f"(select {column} from {table} order by md5({column}::text || '{salt}') limit 1)"


def large(chance: Random) -> str:
    """A value that is kept out of the row, or none."""
    if chance.random() < 0.2:
        return "null"
    return f"(select string_agg(md5(i::text || '{chance.randrange(10**6)}'), '') from generate_series(1, 150) i)"


def insert_accounts(chance: Random) -> Act:
    first, count = chance.randrange(1000), chance.choice([1, 1, 3, 20])
    phone = chance.choice(["null", "'+49' || i", "'0' || i"])
    refused = chance.choice(["", " on conflict do nothing", " on conflict (email) do update set name = 'again'"])
    return [
        f"insert into account (email, name, balance, phone, bio) select 'u' || i, 'name ' || i, i * 1.25, {phone},"
        f" {large(chance)} from generate_series({first}, {first + count - 1}) i{refused}"
    ]


def change_account(chance: Random) -> Act:
    change = chance.choice([
        f"balance = balance + {chance.randrange(-500, 500)}.25", "hidden = not hidden", "closed = not closed",
        f"bio = {large(chance)}", f"name = 'n{chance.randrange(99)}'", "name = name", "phone = null",
        f"phone = '{chance.randrange(10**6)}'", f"joined = joined + interval '{chance.randrange(99)} minutes'",
    ])  # fmt: skip
    rows = f"id = {picked('account', 'id', chance)}" if chance.random() < 0.7 else f"id % 3 = {chance.randrange(3)}"
    return [f"update account set {change} where {rows}"]


def move_account(chance: Random) -> Act:
    """Another key, with all entries; sometimes there and back again, with other values on the way."""
    by = chance.randrange(1, 10**6)
    there = f"update account set id = id + {by}, hidden = not hidden where id = {picked('account', 'id', chance)}"
    back = f"update account set id = id - {by}, name = 'back' where id > {by} and name <> 'back'"
    return [there, back] if chance.random() < 0.3 else [there]


def swap_emails(chance: Random) -> Act:
    one, other = picked("account", "id", chance), picked("account", "id", chance)
    return [
        f"update account set email = '~' || email where id in ({one}, {other})",
        "update account a set email = (select substr(b.email, 2) from account b where b.email like '~%'"
        " and (b.id <> a.id or (select count(*) from account where email like '~%') = 1)) where email like '~%'",
    ]


def replace_account(chance: Random) -> Act:
    """One goes, and in the same transaction another one takes its e-mail address, or its key."""
    i = chance.randrange(1000)
    return chance.choice([
        [f"delete from account where email = 'u{i}'", f"insert into account (email, name) values ('u{i}', 'again')"],
        [f"delete from account where id = {i % 30}",
         f"insert into account (id, email, name) values ({i % 30}, 'key{i}', 'again')"],
    ])  # fmt: skip


def delete_account(chance: Random) -> Act:
    return [f"delete from account where id = {picked('account', 'id', chance)}"]


def insert_entries(chance: Random) -> Act:
    first, count = chance.randrange(500), chance.choice([1, 2, 10, 30])
    tag = chance.choice(["null", "'t' || i"])
    return [
        f"insert into entry select a, i, i * 0.5, {tag} from (select {picked('account', 'id', chance)} a) a,"
        f" generate_series({first}, {first + count - 1}) i where a is not null on conflict do nothing"
    ]


def change_entries(chance: Random) -> Act:
    owner = f"account_id = {picked('account', 'id', chance)}"
    return [chance.choice([
        f"update entry set amount = amount + 1 where {owner}",
        f"update entry set n = n + 1000, amount = -amount where {owner} and n % 2 = 0",
        f"update entry set n = n - 1 where {owner}",
        f"update entry set tag = n || 'x' || {chance.randrange(99)} where {owner}",
        f"delete from entry where {owner} and n % 3 = 0",
        f"update entry set amount = amount + 0.01 where n % 7 = {chance.randrange(7)}",
    ])]  # fmt: skip


def rotate_tags(chance: Random) -> Act:
    """Every entry of an account gets the tag of its neighbour."""
    owner = f"account_id = {picked('account', 'id', chance)}"
    return [
        f"update entry set tag = '~' || tag where {owner} and tag is not null and tag not like '~%'",
        "update entry e set tag = substr(f.tag, 2) from (select account_id, n, coalesce(lead(tag) over w,"
        " first_value(tag) over w) tag from entry where tag like '~%' window w as (partition by account_id order by n"
        " rows between unbounded preceding and unbounded following)) f"
        " where (e.account_id, e.n) = (f.account_id, f.n)",
    ]


def change_memos(chance: Random) -> Act:
    """Replica identity full, large bodies, places that are unique."""
    i, j = chance.randrange(20), chance.randrange(20, 40)
    return chance.choice([
        [f"insert into memo values ({i}, {chance.randrange(40)}, {large(chance)}) on conflict (id) do nothing"],
        [f"insert into memo values ({i}, {i}, {large(chance)}, 'loud')"],
        [f"update memo set body = {large(chance)} where id < {i}"],
        ["update memo set kind = case kind when 'plain' then 'loud' else 'plain' end"],
        ["update memo set place = place + 1"],  # Each takes its neighbour's, in one statement.
        [f"update memo set place = {j} - place where place between 1 and {j - 1}"],
        ["update memo set place = -place - 1", "update memo set place = (37 - place) % 41 where place < 0"],
        [f"update memo set id = {j} where id = {i}"],
        [f"delete from memo where id = {i}", f"insert into memo values ({i}, null, {large(chance)})"],
        [f"update memo set id = id + 100, body = body || 'x' where id = {i}"],
    ])  # fmt: skip


def change_settings(chance: Random) -> Act:
    i = chance.randrange(12)
    return [chance.choice([
        f"insert into setting values ({i}, 'h{i}', null)",
        f"insert into setting values ({i}, null, 'b') on conflict (account_id) do update set bye = 'again'",
        f"update setting set hello = null, bye = 'b{i}' where account_id <= {i}",
        f"update setting set account_id = account_id + 12 where account_id = {i}",
        f"update setting set since = since + interval '1 day', hello = '' where account_id = {i}",
        f"delete from setting where account_id = {i}",
    ])]  # fmt: skip


def touch_elsewhere(chance: Random) -> Act:
    """What is no business of the stream."""
    return [chance.choice([
        "insert into elsewhere (n) select generate_series(1, 50)", "delete from elsewhere",
        "select pg_logical_emit_message(true, 'fig', 'nothing we know')",
        "select pg_logical_emit_message(false, 'other', 'loose')",
        "create temp table if not exists scratch (n int)",
    ])]  # fmt: skip


def truncate(chance: Random) -> Act:
    return [chance.choice(["truncate memo", "truncate setting", "truncate entry", "truncate account cascade",
                           "truncate memo, setting"])]  # fmt: skip


def many_rows(chance: Random) -> Act:
    """A transaction of thousands of rows, some of them more than once."""
    first = chance.randrange(10_000, 10**6)
    return [
        f"insert into entry select {picked('account', 'id', chance)}, i, 1, null"
        f" from generate_series({first}, {first + chance.choice([700, 3000])}) i",
        f"update entry set amount = amount + 1 where n >= {first} and n % 2 = 0",
        f"delete from entry where n >= {first} and n % 3 = 0",
    ]


def change_schema(chance: Random) -> Act:
    """What a lens allows without a word: nothing that it reads becomes another thing."""
    return [chance.choice([
        f"create index on account (name, id) where id > {chance.randrange(99)}",
        "alter table account alter name set default 'none'",
        "alter table entry add constraint sane check (amount < 1e9) not valid; alter table entry drop constraint sane",
        "alter table memo replica identity default", "alter table memo replica identity full",
        "alter table account replica identity full", "alter table account replica identity default",
        "alter table entry set (fillfactor = 50)", "alter table account alter bio set storage extended",
        "cluster memo using memo_pkey", "alter table elsewhere add column if not exists more text default 'x'",
        "create table if not exists later (id int primary key); insert into later values (1) on conflict do nothing",
    ])]  # fmt: skip


ACTS: tuple[tuple[MakeAct, int], ...] = (
    (insert_accounts, 10), (change_account, 14), (move_account, 5), (swap_emails, 5), (replace_account, 4),
    (delete_account, 2), (insert_entries, 8), (change_entries, 7), (rotate_tags, 4), (change_memos, 12),
    (change_settings, 8), (touch_elsewhere, 2), (truncate, 2), (many_rows, 1), (change_schema, 2),
)  # fmt: skip

FIRST_ROWS = """
    insert into account (email, name, balance, phone, bio)
        select 'first' || i, 'n' || i, i, nullif(i % 3, 0)::text, repeat(md5(i::text), 90)
        from generate_series(1, 12) i;
    insert into entry select a, n, n, 't' || n from generate_series(1, 6) a, generate_series(1, 4) n;
    insert into memo select i, i, repeat('m', i * 900) from generate_series(1, 9) i;
    insert into setting select i, 'hello ' || i, null from generate_series(1, 6) i;
"""
