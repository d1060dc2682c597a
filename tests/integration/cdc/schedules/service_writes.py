"""What the service may do to its tables once it owns them, at random; the rows flow back to the monolith."""

from __future__ import annotations

from random import Random

from tests.integration.cdc.schedules.monolith_writes import Act, MakeAct, large, picked, touch_elsewhere


def insert_clients(chance: Random) -> Act:
    """With all, some or none of their parts."""
    first = chance.randrange(1000)
    rows = f"generate_series({first}, {first + chance.choice([0, 0, 2, 20])}) i on conflict do nothing"
    acts = [
        f"insert into client select i + 10000, 'u' || i, i * 125, 'EUR', 'open', '2026-02-03' from {rows}",
        f"insert into profile select id, 'title ' || id, {large(chance)} from client on conflict do nothing",
        f"insert into contact select id, '0' || id from client where id % 2 = {chance.randrange(2)}"
        " on conflict do nothing",
    ]
    return acts[: chance.choice([1, 2, 3, 3])]


def change_client(chance: Random) -> Act:
    change = chance.choice([
        f"cents = cents + {chance.randrange(-500, 500)}", "standing = 'gone'", "standing = 'hidden'", "mail = mail",
        "joined = joined + interval '1 minute'",
    ])  # fmt: skip
    return [f"update client set {change} where id = {picked('client', 'id', chance)} or id % 5 = 0"]


def change_parts(chance: Random) -> Act:
    client = picked("client", "id", chance)
    return [chance.choice([
        f"update profile set bio = {large(chance)} where client_id = {client}",
        f"update profile set title = 't{chance.randrange(99)}' where client_id % 3 = 0",
        f"delete from profile where client_id = {client}",
        f"delete from contact where client_id = {client}",
        "update contact set phone = phone || '1' where client_id % 2 = 0",
        f"update profile set client_id = {client} where client_id = {picked('profile', 'client_id', chance)}",
        f"insert into profile values ({client}, 'again', {large(chance)})"
        " on conflict (client_id) do update set title = 'over'",
    ])]  # fmt: skip


def move_client(chance: Random) -> Act:
    """Its key, and with it those of all its parts and lines."""
    by = chance.randrange(1, 10**6)
    return [f"update client set id = id + {by} where id = {picked('client', 'id', chance)}"]


def swap_mails(chance: Random) -> Act:
    one, other = picked("client", "id", chance), picked("client", "id", chance)
    return [
        f"update client set mail = '~' || mail where id in ({one}, {other})",
        "update client a set mail = (select substr(b.mail, 2) from client b where b.mail like '~%'"
        " and (b.id <> a.id or (select count(*) from client where mail like '~%') = 1)) where mail like '~%'",
    ]


def delete_client(chance: Random) -> Act:
    """Sometimes its parts first, one by one."""
    client = picked("client", "id", chance)
    first = chance.sample([f"delete from profile where client_id = {client}",
                           f"delete from contact where client_id = {client}"], chance.randrange(3))  # fmt: skip
    return [*first, f"delete from client where id = {client}"]


def change_lines(chance: Random) -> Act:
    owner = f"client_id = {picked('client', 'id', chance)}"
    first = chance.randrange(500)
    return [chance.choice([
        f"insert into line select {picked('client', 'id', chance)}, i, i, 'l' || i"
        f" from generate_series({first}, {first + chance.choice([0, 5, 40])}) i on conflict do nothing",
        f"update line set cents = cents + 1 where {owner}",
        f"update line set position = position + 1000 where {owner} and position % 2 = 0",
        f"update line set label = null where {owner}",
        f"delete from line where {owner} and position % 3 = 0",
    ])]  # fmt: skip


def change_remarks(chance: Random) -> Act:
    i = chance.randrange(40)
    return chance.choice([
        [f"insert into remark values ({i}, {chance.randrange(40)}, {large(chance)}, 'calm')"
         " on conflict (id) do nothing"],
        [f"update remark set mood = 'noisy' where id < {i}"],
        ["update remark set place = place - 1"],  # Each takes its neighbour's, in one statement.
        ["update remark set place = -place - 1", "update remark set place = (37 - place) % 41 where place < 0"],
        [f"update remark set id = id + 100 where id = {i}"],
        [f"delete from remark where id = {i}"],
    ])  # fmt: skip


def change_phrases(chance: Random) -> Act:
    """Rows that are columns on the other side: they come, go, move to another owner and become another column."""
    i, kind = chance.randrange(12), chance.choice(["hello", "bye"])
    return chance.choice([
        [f"insert into greeting values ({i}) on conflict do nothing",
         f"insert into phrase values ({i}, '{kind}', 'w{i}') on conflict (account_id, kind) do update set words = 'o'"],
        [f"update phrase set words = null where account_id <= {i} and kind = '{kind}'"],
        [f"delete from phrase where account_id = {i} and kind = '{kind}'"],
        [f"delete from phrase where account_id = {i} and kind = 'bye'",
         f"update phrase set kind = 'bye', words = 'moved' where account_id = {i}"],
        [f"update greeting set account_id = account_id + 12 where account_id = {i}"],
        [f"delete from greeting where account_id = {i}"],
    ])  # fmt: skip


def truncate(chance: Random) -> Act:
    return [chance.choice(["truncate remark", "truncate contact", "truncate profile, line", "truncate phrase",
                           "truncate client cascade", "truncate greeting cascade"])]  # fmt: skip


def change_schema(chance: Random) -> Act:
    return [chance.choice([
        "create index on client (standing)", "alter table remark replica identity full",
        "alter table remark replica identity default", "alter type mood add value if not exists 'furious'",
        "cluster line using line_pkey", "alter table profile alter title set default ''",
    ])]  # fmt: skip


ACTS: tuple[tuple[MakeAct, int], ...] = (
    (insert_clients, 10), (change_client, 8), (change_parts, 14), (move_client, 5), (swap_mails, 4),
    (delete_client, 5), (change_lines, 8), (change_remarks, 8), (change_phrases, 14), (touch_elsewhere, 2),
    (truncate, 2), (change_schema, 2),
)  # fmt: skip

FIRST_ROWS = """
    insert into client select i, 'first' || i, i * 100, 'EUR', 'open', '2026-01-01' from generate_series(1, 12) i;
    insert into profile select i, 'n' || i, repeat(md5(i::text), 90) from generate_series(1, 12, 2) i;
    insert into contact select i, i from generate_series(1, 12, 3) i;
    insert into line select c, n, n, 't' || n from generate_series(1, 6) c, generate_series(1, 4) n;
    insert into remark select i, i, repeat('m', i * 900), 'calm' from generate_series(1, 9) i;
    insert into greeting select generate_series(1, 6);
    insert into phrase select i, 'hello', 'hello ' || i from generate_series(1, 4) i;
"""

COMPLETE = """
    insert into profile select id, '', null from client on conflict do nothing;
    insert into phrase select account_id, kind, null from greeting, unnest('{hello, bye}'::text[]) kind
        on conflict do nothing;
"""
"""To the monolith a part that is not there is one with certain values; to the verifier it is a row that is missing."""
