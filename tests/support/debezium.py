"""Debezium's two connectors as settings for Kafka Connect: the PostgreSQL source, and the JDBC sink into PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterable

import psycopg

from tests.support.connect import JSON

LOSSLESS = {
    # Of the connector's modes those that lose nothing; `cdc.debezium.envelope_types` says the same.
    "decimal.handling.mode": "string",
    "interval.handling.mode": "string",
    "time.precision.mode": "microseconds",
    "binary.handling.mode": "bytes",
    "include.unknown.datatypes": "true",
    # The default writes a column's default where a row has NULL.
    "key.converter.replace.null.with.default": "false",
    "value.converter.replace.null.with.default": "false",
}
"""What our apply needs of a connector."""


def converters(schemas: bool) -> dict[str, str]:
    """JSON, each message with its schema or without."""
    said = "true" if schemas else "false"
    return {
        "key.converter": JSON, "key.converter.schemas.enable": said,
        "value.converter": JSON, "value.converter.schemas.enable": said,
    }  # fmt: skip


def source(
    dsn: str, prefix: str, publication: str, slot: str, tables: Iterable[str], *, schemas: bool
) -> dict[str, str]:
    """The PostgreSQL connector: tables (`schema.table`) of an existing publication to topics `prefix.schema.table`."""
    where = psycopg.conninfo.conninfo_to_dict(dsn)
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": str(where["host"]),
        "database.port": str(where["port"]),
        "database.user": str(where["user"]),
        "database.password": str(where.get("password", "")) or "trusted",
        "database.dbname": str(where["dbname"]),
        "topic.prefix": prefix,
        "plugin.name": "pgoutput",
        "publication.name": publication,
        "publication.autocreate.mode": "disabled",
        "slot.name": slot,
        "table.include.list": ",".join(re.escape(table) for table in tables),
        "provide.transaction.metadata": "true",
        "skipped.operations": "none",
        "poll.interval.ms": "50",
        "topic.creation.default.replication.factor": "-1",  # The broker's own.
        "topic.creation.default.partitions": "1",
        **converters(schemas),
    }


def sink(dsn: str, topics: str) -> dict[str, str]:
    """The JDBC sink: topics (a regular expression) with schemas into tables of their names that exist already."""
    where = psycopg.conninfo.conninfo_to_dict(dsn)
    return {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        # A string is taken for whatever type its column has.
        "connection.url": f"jdbc:postgresql://{where['host']}:{where['port']}/{where['dbname']}?stringtype=unspecified",
        "connection.username": str(where["user"]),
        "connection.password": str(where.get("password", "")) or "trusted",
        "topics.regex": topics,
        "collection.name.format": '"${source.table}"',
        "insert.mode": "upsert",
        "primary.key.mode": "record_key",
        "delete.enabled": "true",
        "truncate.enabled": "true",
        "schema.evolution": "none",
        "quote.identifiers": "true",
        # With the default one the sink stumbles over the header of a changed key whose columns have different types.
        "header.converter": "org.apache.kafka.connect.storage.StringConverter",
        "key.converter.replace.null.with.default": "false",
        "value.converter.replace.null.with.default": "false",
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.metadata.max.age.ms": "1000",  # How soon it sees a new topic.
        **converters(True),
    }
