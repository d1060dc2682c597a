"""What a real server sends, and what its publisher makes of it: all kinds of messages, values of every shape."""

from __future__ import annotations

import select
from collections.abc import Sequence

import psycopg

from cdc.capture import slots, source_types
from cdc.capture.changes import Keepalive
from cdc.capture.source import SourceConnection, WalData
from cdc.debezium.envelope import Envelopes
from cdc.debezium.envelope_reader import EnvelopeReader
from cdc.kafka.topic_writer import Outgoing, TopicWriter
from cdc.messages import Relation
from cdc.pgoutput import decode
from cdc.position import Identity, parse_lsn

IDENTITY = Identity("1", 1, "recorded")
SESSION = 7

_TABLES = """
    create type "odd Kind" as enum ('ä', 'b''c', 'd"e');
    create table plain (
        id bigserial primary key, flag boolean, number numeric, word text, more jsonb, list int[], words text[],
        bits bytea, at timestamptz, kind "odd Kind", "a ""quoted"" näme" text, span int4range, doc xml, place point
    );
    create table whole (id int primary key, body text);
    alter table whole replica identity full;
    alter table whole alter body set storage external;
    create table parts (id int, year int, primary key (id, year)) partition by list (year);
    create table parts_1 partition of parts for values in (1);
    create publication recorded for table plain, whole, parts with (publish_via_partition_root = true);
    select pg_create_logical_replication_slot('{slot}', 'pgoutput');
"""
_ROWS = """
    insert into plain (flag, number, word, more, list, words, bits, at, kind, "a ""quoted"" näme", span, doc, place)
    values
        (true, 1.50, 'word', '{"a": [1, null, "x"]}', '{1,2,NULL}', '{a,"b c",NULL,""}', '\\xdeadbeef',
         '2026-01-01', 'ä', 'q', '[1,5)', '<a>b</a>', '(1,2)'),
        (false, 'NaN', '', 'null', '{}', '{{a,b},{c,d}}', '', 'infinity', 'b''c', '', 'empty', null, null),
        (null, null, null, null, null, null, null, '0044-03-15 BC', 'd"e', null, null, null, null);
    update plain set number = -number, word = 'other é漢😀' where id < 3;
    update plain set id = id + 100 where id = 1;
    delete from plain where id = 2;
    insert into whole values (1, repeat(md5('x'), 40)), (2, repeat(md5('y'), 90));
    update whole set id = 3 where id = 1;
    update whole set body = null where id = 2;
    delete from whole;
    insert into parts values (1, 1), (2, 1);
    truncate parts, whole restart identity cascade;
    select pg_logical_emit_message(true, 'fig', '{"kind": "heartbeat", "domain": "d"}');
    select pg_logical_emit_message(false, 'other', 'not in a transaction');
"""
_ORIGIN = """
    select pg_replication_origin_create('{slot}');
    select pg_replication_origin_session_setup('{slot}');
    insert into plain (word) values ('from elsewhere');
    select pg_replication_origin_session_reset();
    select pg_replication_origin_drop('{slot}')
"""


def messages(dsn: str) -> list[WalData]:
    """All messages of these statements, as they come from a slot."""
    slot = f"recorded_{psycopg.conninfo.conninfo_to_dict(dsn)['dbname']}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in f"{_TABLES}{_ROWS}{_ORIGIN}".replace("{slot}", slot).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        row = connection.execute("select pg_current_wal_insert_lsn()::text").fetchone()
        assert row is not None
        read = _read(dsn, slot, parse_lsn(row[0]))
        slots.drop(connection, slot)
    return read


def _read(dsn: str, slot: str, until: int) -> list[WalData]:
    source = SourceConnection(dsn, "recorder")
    source.start(slot, "recorded", 0)
    found: list[WalData] = []
    while True:
        received = source.receive()
        if isinstance(received, Keepalive) and received.wal_end >= until:
            source.close()
            return found
        if received is None:
            select.select([source.socket], [], [], 1)
            source.send_status(0, 0, ask=True)
        elif not isinstance(received, Keepalive):
            found.append(received)


def records(dsn: str, recorded: Sequence[WalData], schemas: bool) -> list[Outgoing]:
    """The same as records of a topic, the opening of a publisher's session first."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        envelopes = Envelopes("recorded", "recorded", schemas, split_key_changes=False)
        writer = TopicWriter(SESSION, "d", envelopes, lambda relation: source_types.facts(connection, relation))
        return [
            *writer.open(IDENTITY, 0),
            *(record for one in recorded for record in writer.take(one.lsn, decode(one.content))),
        ]


def announced(dsn: str, recorded: Sequence[WalData]) -> EnvelopeReader:
    """A reader that knows the tables of these messages."""
    reader = EnvelopeReader()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for one in recorded:
            message = decode(one.content)
            if isinstance(message, Relation):
                reader.announce(message, source_types.facts(connection, message).types)
    return reader
