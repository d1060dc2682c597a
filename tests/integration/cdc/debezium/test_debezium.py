"""Debezium at both ends, the real one: its connector tells what our capture tells, field for field; our apply takes its
topics; its sink takes ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from cdc.debezium.envelope_differences import DIFFERENCES
from tests.integration.cdc.debezium import captures, comparing, workload
from tests.integration.cdc.debezium.captures import Told
from tests.support import debezium
from tests.support.connect import Connect
from tests.support.kafka import KafkaCluster
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

PUBLICATION = "told"


@dataclass(frozen=True)
class Telling:
    """The workload as both tell it, by topic."""

    ours: dict[str, list[Told]]
    theirs: dict[str, list[Told]]


@pytest.fixture(scope="module", params=["plain", "schemas"])
def telling(request, told_twice) -> Telling:
    return told_twice[request.param]


@pytest.fixture(scope="module")
def told_twice(
    monolith_server: PostgresServer, cluster: KafkaCluster, connect: Connect
) -> Iterator[dict[str, Telling]]:
    """Connectors with schemas and without, and a slot of ours beside each."""
    dsn = monolith_server.create_database("told")
    with psycopg.connect(dsn, autocommit=True) as source:
        source.execute(workload.SCHEMA)
        for statement in workload.BEFORE:
            source.execute(statement)
        tables = ", ".join(f'"{table}"' for table in workload.TABLES)
        source.execute(f"create publication {PUBLICATION} for table {tables} with (publish_via_partition_root)")
        for prefix in ("plain", "schemas"):
            source.execute(f"select pg_create_logical_replication_slot('ours_{prefix}', 'pgoutput')")
            names = [f"public.{table}" for table in workload.TABLES]
            settings = debezium.source(dsn, prefix, PUBLICATION, prefix, names, schemas=prefix == "schemas")
            connect.create(prefix, settings | debezium.LOSSLESS)
        wait_until(lambda: _streaming(source) == 2, 60, f"Debezium streams; log: {connect.log}")
        _work(dsn)
        source.execute("insert into no_key values ('last', 0)")
        lsn = source.execute("select (pg_current_wal_insert_lsn() - '0/0')::int8").fetchone()
        assert lsn is not None
        yield {
            prefix: Telling(
                captures.ours(dsn, f"ours_{prefix}", PUBLICATION, prefix, prefix == "schemas", lsn[0]),
                captures.theirs(cluster.bootstrap, prefix, _is_last),
            )
            for prefix in ("plain", "schemas")
        }
        for prefix in ("plain", "schemas"):
            connect.delete(prefix)


def _streaming(source: psycopg.Connection[tuple[int]]) -> int:
    found = source.execute("select count(*) from pg_replication_slots where active and database = 'told'").fetchone()
    return found[0] if found else 0


def _work(dsn: str) -> None:
    with psycopg.connect(dsn) as source:
        for transaction in workload.TRANSACTIONS:
            for statement in transaction:
                source.execute(statement)
            source.commit()
        for statement in workload.ROLLED_BACK:
            source.execute(statement)
        source.rollback()


def _is_last(told: Told) -> bool:
    after = told.value.get("payload", told.value).get("after")
    return bool(after) and after.get("word") == "last"


def _is_snapshot(told: Told) -> bool:
    return told.value is not None and told.value.get("payload", told.value).get("op") == "r"


def _types(topic: str, telling: Telling) -> dict[str, str]:
    """Columns of the tables of types are named after theirs."""
    named = {"given": "default", "ltree_less": "default"}
    if topic.endswith(".arrays"):
        [columns, *_] = [one.value.get("payload", one.value)["after"] for one in telling.theirs[topic] if one.value]
        return {name: f"{name}[]" for name in columns} | named
    return {name: name for name in ("date", "timetz", "varbit", "numeric", "numeric_12_3")} | named


def test_our_envelopes_are_debeziums_field_for_field_but_for_what_is_listed(telling):
    assert telling.ours.keys() == telling.theirs.keys()
    unexplained, met = [], set()
    for topic, theirs in telling.theirs.items():
        streamed = [one for one in theirs if not _is_snapshot(one)]
        assert len(telling.ours[topic]) == len(streamed), topic
        for one, other in zip(telling.ours[topic], streamed, strict=True):
            for found in comparing.differences(topic, one, other):
                why = comparing.explanation(found, _types(topic, telling))
                met.add(why)
                if why is None:
                    unexplained.append(found)
    assert not unexplained
    with_schemas = any(one.value and "schema" in one.value for told in telling.theirs.values() for one in told)
    assert [one for one in DIFFERENCES if one not in met and (with_schemas or not one.place.startswith("schema"))] == []


def test_what_was_rolled_back_is_told_by_nobody(telling):
    for told in (telling.ours, telling.theirs):
        assert "never" not in json.dumps([one.value for records in told.values() for one in records])
