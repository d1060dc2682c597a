"""A domain "payments" that tells by its outbox, on two databases with streams and publishers, and no proxy."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml
from kombu import Connection

from migration_plan import bootstrap
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.streaming import daemon as streaming
from tests.integration.events.conftest import Broker

TABLES = """
    create table "order" (id bigint primary key, state text not null);
    create table payments_outbox (
        id uuid primary key, type text not null, payload jsonb not null, created_at timestamptz not null default now());
"""
OTHER = """
    create table users_outbox (
        id uuid primary key, type text not null, payload jsonb not null, created_at timestamptz not null default now());
"""
QUEUE = "listener"


def plan(domain: str, monolith: str, service: str) -> dict[str, Any]:
    outbox = f"public.{domain}_outbox"
    columns = {name: name for name in ("id", "type", "payload", "created_at")}
    tables = [{"monolith": outbox, "service": {outbox: columns}}]
    if domain == "payments":
        tables.append({"monolith": "public.order", "service": {"public.order": {"id": "id", "state": "state"}}})
    return {
        "domain": domain,
        "stages": ["monolith", "sync", "service"],
        "routes": [{"path": f"/api/{domain}"}],
        "sides": {
            "monolith": {"dsn": monolith, "upstream": "monolith"},
            "service": {"dsn": service, "upstream": "monolith"},
        },
        "tables": tables,
        "outbox": {"monolith": outbox, "service": outbox},
        "inbox": {"queue": f"{domain}.inbox"},
        "limits": {"drain": "1s", "patience": "10s"},
    }


def write_settings(folder: Path, journal: str, plans: list[dict[str, Any]], broker: str | None) -> Path:
    listeners = {"public": "127.0.0.1:1", "internal": "127.0.0.1:2", "metrics": "127.0.0.1:3"}
    settings: dict[str, Any] = {
        "journal": {"dsn": journal},
        "proxies": [{"name": "local", "folder": str(folder), "listeners": listeners}],
        "upstreams": {"monolith": ["127.0.0.1:4"]},
        "default_upstream": "monolith",
        "plans": [f"{one['domain']}.yml" for one in plans],
    }
    if broker is not None:
        settings["broker"] = {"url": broker}
    for one in plans:
        (folder / f"{one['domain']}.yml").write_text(yaml.safe_dump(one))
    file = folder / "fig.yml"
    file.write_text(yaml.safe_dump(settings))
    return file


@dataclass
class Payments:
    """The domain, with whoever acts on it."""

    parts: Parts
    all_parts: list[Parts]
    broker: Broker
    dsns: dict[Side, str]
    settings: Path

    def tell(self, side: Side, one: dict[str, Any]) -> None:
        with psycopg.connect(self.dsns[side], autocommit=True) as connection:
            connection.execute(
                "insert into payments_outbox (id, type, payload) values (%s, %s, %s)",
                [one["id"], one["type"], json.dumps(one)],
            )

    def execute(self, side: Side, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsns[side], autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def slots(self, side: Side) -> list[str]:
        found = self.execute(
            side,
            "select slot_name from pg_replication_slots where database = current_database()"
            " and slot_name like '%outbox%' order by 1",
        )
        return [row[0] for row in found]

    def listen(self) -> None:
        with Connection(self.broker.url) as connection:
            channel = connection.default_channel
            channel.exchange_declare("payments.events", "topic", durable=True, auto_delete=False)
            channel.queue_declare(QUEUE, durable=True, auto_delete=False)
            channel.queue_bind(QUEUE, "payments.events", "#")

    def ignore(self) -> None:
        """Nobody takes the events any more."""
        with Connection(self.broker.url) as connection:
            connection.default_channel.queue_unbind(QUEUE, "payments.events", "#")

    def heard(self) -> list[str]:
        with Connection(self.broker.url) as connection:
            channel, found = connection.default_channel, []
            while (message := channel.basic_get(QUEUE, no_ack=True)) is not None:
                found.append(json.loads(message.body)["id"])
            return found

    @contextmanager
    def running(self, metrics: str = "") -> Iterator[None]:
        """`fig streams`, as a thread."""
        stop = threading.Event()
        thread = threading.Thread(target=streaming.run, args=(self.all_parts, stop, metrics), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)


def without_proxies(settings: Path) -> list[Parts]:
    """What the daemons work on; nobody listens to these proxies."""
    made = bootstrap.all_parts({"FIG_CONFIG": str(settings)})
    return [Parts(one.plan, one.sides, [], one.journal, one.broker_url, one.plans) for one in made]
