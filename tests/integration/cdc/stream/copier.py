"""A first copy in a process of its own, for tests that kill it: `python -m tests.integration.cdc.stream.copier JSON`.

The tables have awkward keys: negative numbers, texts under different collations, uuids, several columns, partitions;
one refers to another that is copied after it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

import psycopg

from cdc.copying import snapshot
from cdc.projection import Column, Projection, Role, Table
from cdc.spec import StreamSpec

SOURCE_TABLES = """
    create table number (id bigint primary key, code text unique, v text);
    create table word (k text collate "de-x-icu" primary key, v text);
    create table token (id uuid primary key, v text);
    create table several (b text, a int, c date, v numeric, primary key (a, b, c));
    create table part (id int, day date, v text, primary key (id, day)) partition by range (day);
    create table child (id int primary key, parent bigint references number on delete cascade on update cascade);
    create table part_old partition of part for values from (minvalue) to ('2026-01-01');
    create table part_new partition of part for values from ('2026-01-01') to (maxvalue);
"""
TARGET_TABLES = """
    create table number (id bigint primary key, code text unique, v text);
    create table word (k text collate "C" primary key, v text);
    create table token (id uuid primary key, v text);
    create table several (b varchar(40), a bigint, c date, v numeric, primary key (b, a, c));
    create table part (id bigint, day date, v text, primary key (day, id));
    create table child (id int primary key, parent bigint references number on delete cascade on update cascade);
"""
SEED = """
    insert into number select n, 'c' || n, repeat('x', 30) from generate_series(-{rows} / 2, {rows} / 2) n;
    insert into word select (array['ä', 'Z', 'a', 'ß', '\\', '''', '%', ''])[1 + n % 8] || n, 'v' from generate_series(1, {rows} / 4) n;
    insert into token select gen_random_uuid(), 'v' from generate_series(1, {rows} / 4) n;
    insert into several select 'é' || n % 10, n / 10, date '2026-01-01' + n % 3, n from generate_series(1, {rows} / 4) n;
    insert into part select n, date '2026-01-01' + (n % 100 - 50), 'v' from generate_series(1, {rows} / 4) n;
    insert into child select n, n from generate_series(1, {rows} / 4) n;
    analyze
"""  # noqa: E501
KEYS = {
    "child": ("id",),
    "number": ("id",),
    "word": ("k",),
    "token": ("id",),
    "several": ("a", "b", "c"),
    "part": ("id", "day"),
}
COLUMNS = {
    "child": "id parent",
    "number": "id code v",
    "word": "k v",
    "token": "id v",
    "several": "a b c v",
    "part": "id day v",
}
PROJECTIONS = tuple(
    Projection(
        Table("public", name), Table("public", name), tuple((k, k) for k in key),
        tuple(Column(c, (c,), "{" + c + "}") for c in COLUMNS[name].split()), Role.PRIMARY, (),
    )
    for name, key in KEYS.items()
)  # fmt: skip
WRITES = (
    "update number set v = v || '.' where id = {some} - {rows} / 2",
    "delete from number where id = {some}",
    "insert into number values ({rows} + {n}, 'n' || {n}, 'new') on conflict do nothing",
    "update number set id = -id - 1000000 where id = {some} - 7",
    "begin; update number set code = '~' || id where id in (-{pair}, -{pair} - 1);"
    " update number set code = 'c' || (-2 * {pair} - 1 - id) where id in (-{pair}, -{pair} - 1); commit",
    "update word set v = v || '.' where k = 'Z' || {some}",
    "insert into word values ('ö' || {n}, 'new') on conflict do nothing",
    "delete from token where id = (select id from token limit 1)",
    "insert into token values (gen_random_uuid(), 'new')",
    "update several set v = v + 1 where a = {some}",
    "update part set day = '2026-03-03' where id = {some}",
)
"""Among them: a key that changes, unique codes that swap in one transaction, a row that moves between partitions."""


def spec(source: str, target: str) -> StreamSpec:
    name = f"fig_{psycopg.conninfo.conninfo_to_dict(source)['dbname']}"  # Slots and origins are the cluster's.
    return StreamSpec(
        name="copied", domain="copied", source_dsn=source, target_dsn=target, slot=name,
        publication="fig_copied", origin=name, projections=PROJECTIONS, heartbeat=0.05,
    )  # fmt: skip


def main() -> None:
    given = json.loads(sys.argv[1])
    name, times = given.get("die_at") or ("", 0)
    lock, passed = threading.Lock(), [0]

    def checkpoint(at: str) -> None:
        with lock:
            passed[0] += at == name
            if name and passed[0] >= times:
                os.kill(os.getpid(), signal.SIGKILL)

    snapshot.copy(spec(given["source"], given["target"]), checkpoint=checkpoint, unit_bytes=given["unit_bytes"])


if __name__ == "__main__":
    main()
