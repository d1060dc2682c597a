"""From an outbox to the broker: every event arrives, in order, whatever dies; what a stream brought is left out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu import Connection

from cdc.outbox import install as outbox_install
from cdc.outbox.errors import EventUnpublishable, OutboxSlotLost
from cdc.outbox.publisher import Publisher
from cdc.outbox.spec import OutboxSpec
from tests.integration.cdc.stream.conftest import as_fig, execute, make_side
from tests.integration.events.conftest import Broker, Side, event
from tests.integration.events.publisher import spec
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

TABLE = """create table payments_outbox (
    id uuid primary key, type text not null, payload jsonb not null, created_at timestamptz not null default now())"""
INSERT = "insert into payments_outbox (id, type, payload) values (%s, %s, %s)"
QUEUE = "listener"


@dataclass
class Shop:
    """A database with an outbox, a queue that listens to it, and a publisher in between."""

    server: PostgresServer
    dsn: str
    broker: Broker
    log: Path
    process: subprocess.Popen[bytes] | None = None
    opened: ExitStack = field(default_factory=ExitStack)

    @property
    def spec(self) -> OutboxSpec:
        return spec(as_fig(self.dsn), self.broker.url)

    def tell(self, *events: dict[str, Any], replicated: bool = False) -> None:
        """All in one transaction; `replicated`: as a stream of ours does."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            if replicated:
                connection.execute("select pg_replication_origin_create('fig_x') where not exists"
                                   " (select from pg_replication_origin where roname = 'fig_x')")  # fmt: skip
                connection.execute("select pg_replication_origin_session_setup('fig_x')")
            with connection.transaction():
                for one in events:
                    connection.execute(INSERT, [one["id"], one["type"], json.dumps(one)])

    def listen(self) -> None:
        with Connection(self.broker.url) as connection:
            channel = connection.default_channel
            channel.exchange_declare("payments.events", "topic", durable=True, auto_delete=False)
            channel.queue_declare(QUEUE, durable=True, auto_delete=False)
            channel.queue_bind(QUEUE, "payments.events", "#")

    def heard(self) -> list[dict[str, Any]]:
        """Everything that the queue has, taken out."""
        with Connection(self.broker.url) as connection:
            channel, found = connection.default_channel, []
            while (message := channel.basic_get(QUEUE, no_ack=True)) is not None:
                body = message.body if isinstance(message.body, bytes | str) else bytes(message.body)
                found.append(json.loads(body))
            return found

    def start(self, **options: Any) -> None:
        given = json.dumps({"dsn": self.spec.dsn, "broker": self.broker.url, **options})
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.events.publisher", given], stdout=log, stderr=log
            )

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)

    def wait_until_published(self, seconds: float = 20) -> None:
        assert outbox_install.passed(self.spec, None, seconds), self.log.read_text()[-2000:]

    def confirmed(self) -> str:
        slot = self.spec.slot
        return str(execute(self.dsn, "select confirmed_flush_lsn from pg_replication_slots where slot_name = %s", slot))


@pytest.fixture
def shop(
    monolith_server: PostgresServer,
    new_database: Callable[[PostgresServer], str],
    broker: Broker,
    tmp_path: Path,
) -> Iterator[Shop]:
    shop = Shop(monolith_server, new_database(monolith_server), broker, tmp_path / "publisher.log")
    make_side(monolith_server, shop.dsn, TABLE)
    with Connection(broker.url) as connection:
        connection.default_channel.queue_delete(QUEUE)
        connection.default_channel.exchange_delete("payments.events")
    outbox_install.prepare(shop.spec)
    yield shop
    shop.end()
    broker.server.send(signal.SIGCONT)
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute("delete from fig.outbox")
        # The server notices by and by that who was killed has gone.
        busy = "select 1 from pg_replication_slots where slot_name = %s and active"
        wait_until(lambda: not connection.execute(busy, [shop.spec.slot]).fetchone(), 20, "the slot is let go")
        connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
                           [shop.spec.slot])  # fmt: skip


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in events]


def test_events_go_out_in_commit_order_as_nameko_would_send_them(shop: Shop) -> None:
    shop.listen()
    shop.start()
    sent = [event(title="Lamp – größer") for _ in range(30)]
    for one in sent:
        shop.tell(one)
    shop.wait_until_published()
    with Connection(shop.broker.url) as connection:
        first = connection.default_channel.basic_get(QUEUE, no_ack=True)
    assert first.properties["content_type"] == "application/json"
    assert first.properties["delivery_mode"] == 2
    assert first.properties["message_id"] == sent[0]["id"]
    assert first.delivery_info["routing_key"] == "order.paid"
    assert [sent[0], *shop.heard()] == sent


def test_what_a_stream_of_ours_brought_is_not_published_again(shop: Shop) -> None:
    shop.listen()
    shop.start()
    brought, written = [event(), event()], event()
    shop.tell(*brought, replicated=True)
    shop.tell(written)
    shop.wait_until_published()
    assert ids(shop.heard()) == [written["id"]]


def test_an_event_that_no_queue_takes_is_kept_until_one_does(shop: Shop) -> None:
    shop.start()
    early = event()
    shop.tell(early)
    wait_until(lambda: "no queue is bound" in shop.log.read_text(), 10, "the publisher says so", every=0.05)
    assert not outbox_install.passed(shop.spec, None, 0)
    shop.listen()
    shop.wait_until_published()
    assert ids(shop.heard()) == [early["id"]]


def test_rows_that_are_older_than_the_slot_are_published_too(shop: Shop) -> None:
    shop.start()
    outbox_install.remove(shop.spec)
    shop.end()
    old = [event() for _ in range(450)]
    shop.tell(*old)
    outbox_install.prepare(shop.spec)
    shop.listen()
    shop.start()
    new = event()
    shop.tell(new)
    shop.wait_until_published()
    assert set(ids(shop.heard())) == set(ids([*old, new]))


@pytest.mark.parametrize("checkpoint", ["before publish", "published", "confirmed"])
def test_nothing_is_lost_when_the_publisher_dies_at_a_checkpoint(shop: Shop, checkpoint: str) -> None:
    shop.listen()
    sent = []
    for times in (1, 2):
        shop.start(die_at=[checkpoint, times])
        batches = [[event() for _ in range(30)] for _ in range(5)]
        for batch in batches:
            shop.tell(*batch)
            sent += batch
        process = shop.process
        assert process is not None
        while process.poll() is None:
            sent.append(event())
            shop.tell(sent[-1])
    shop.start()
    shop.wait_until_published()
    heard = ids(shop.heard())
    assert list(dict.fromkeys(heard)) == ids(sent), "each one, in order of its first arrival"
    if checkpoint == "published":
        assert len(heard) > len(sent), "a repetition: the death was between the two confirmations"


def test_what_is_published_twice_takes_effect_once(shop: Shop, service_side: Side) -> None:
    """The whole way: a publisher that dies between the broker's confirmation and its own, and an inbox."""
    service_side.start()
    wait_until(lambda: shop.broker.is_declared() and shop.broker.consumers() == 1, 15, "it listens", every=0.05)
    told = [event() for _ in range(50)]
    shop.tell(*told)
    shop.start(die_at=["published", 1])
    process = shop.process
    assert process is not None
    wait_until(lambda: process.poll() is not None, 20, "it dies")
    shop.start()
    shop.wait_until_published()
    service_side.wait_for(told)
    wait_until(lambda: shop.broker.waiting() == 0, 10, "the inbox is empty")
    assert sorted(service_side.written()) == sorted(ids(told))


def test_nothing_is_lost_while_broker_and_database_die_freeze_and_come_back(shop: Shop) -> None:
    shop.listen()
    shop.start()
    stop, sent = threading.Event(), []

    def write() -> None:
        while not stop.wait(0.01):
            one = event()
            shop.tell(one)
            sent.append(one)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: len(sent) > 30, 20, "events flow")
        shop.broker.kill()
        wait_until(lambda: "does not take messages" in shop.log.read_text(), 15, "it misses the broker", every=0.05)
        shop.broker.server.start()
        shop.listen()  # As every consumer does that finds its broker again.
        execute(shop.dsn, "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s",
                shop.spec.slot)  # fmt: skip
        shop.wait_until_published()
        shop.broker.server.send(signal.SIGSTOP)
        wait_until(lambda: "not confirmed within" in shop.log.read_text(), 20, "it gives up waiting", every=0.05)
        shop.broker.server.send(signal.SIGCONT)
    finally:
        stop.set()
        writer.join()
    shop.wait_until_published(40)
    assert list(dict.fromkeys(ids(shop.heard()))) == ids(sent)


def test_an_idle_outbox_lets_go_of_the_log_even_without_a_broker(shop: Shop) -> None:
    shop.broker.server.send(signal.SIGSTOP)
    shop.start()
    shop.wait_until_published()
    before = shop.confirmed()
    execute(shop.dsn, "create table other (id int)")
    shop.wait_until_published()
    assert shop.confirmed() > before


def test_a_row_that_is_no_event_stops_the_publisher_by_name_until_it_is_left_out(shop: Shop) -> None:
    shop.listen()
    good, bad, after = event(), event(), event()
    shop.tell(good)
    shop.tell({**bad, "type": "x" * 300})
    shop.tell(after)
    with pytest.raises(EventUnpublishable) as stopped:
        Publisher(shop.spec).run(threading.Event())
    assert bad["id"] in stopped.value.message
    assert ids(shop.heard()) == [good["id"]]
    outbox_install.skip(shop.spec, bad["id"])
    shop.start()
    shop.wait_until_published()
    assert ids(shop.heard()) == [after["id"]]


def test_a_lost_slot_is_named_and_everything_is_published_again_on_request(shop: Shop) -> None:
    shop.listen()
    lost = event()
    execute(shop.dsn, "select pg_drop_replication_slot(%s)", shop.spec.slot)
    shop.tell(lost)
    with pytest.raises(OutboxSlotLost):
        Publisher(shop.spec).run(threading.Event())
    with pytest.raises(OutboxSlotLost):
        outbox_install.prepare(shop.spec)
    outbox_install.prepare(shop.spec, again=True)
    shop.start()
    shop.wait_until_published()
    assert ids(shop.heard()) == [lost["id"]]
