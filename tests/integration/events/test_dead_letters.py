"""`fig dead-letters`: what an inbox could not take is listed, shown without what may be personal, and put back."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kombu import Connection

from migration_plan import bootstrap
from migration_plan.cli import main
from migration_plan.doctor.checks import events
from migration_plan.doctor.examine import facts_of
from migration_plan.streaming import figures
from tests.integration.events.conftest import INBOX, Broker, Side, event
from tests.integration.events.moving import plan, write_settings
from tests.integration.events.test_consumers import DEAD
from tests.support import prometheus
from tests.support.postgres import PostgresServer, free_port
from tests.support.prometheus import Target
from tests.support.waiting import wait_until

Fig = Callable[..., dict[str, Any]]


@pytest.fixture
def fig(
    services_server: PostgresServer,
    new_database: Callable[[PostgresServer], str],
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Fig:
    """`fig("list", "notifications")` runs the command and gives its JSON, or its error."""
    made = plan("notifications", "host=127.0.0.1 port=1", "host=127.0.0.1 port=2")
    settings = write_settings(tmp_path, new_database(services_server), [made], broker.url)
    monkeypatch.setenv("FIG_CONFIG", str(settings))
    monkeypatch.setenv("FIG_STATE", str(tmp_path))

    def run(*arguments: str) -> dict[str, Any]:
        command = ["dead-letters", *arguments, "--json"]
        monkeypatch.setattr(sys, "argv", ["fig", *command])  # Where errors look for --json.
        result = CliRunner().invoke(main, command)
        found: dict[str, Any] = json.loads(result.output.splitlines()[-1])
        return {**found, "exit": result.exit_code}

    return run


def test_a_dead_letter_is_listed_shown_masked_and_replayed(fig: Fig, service_side: Side, broker: Broker) -> None:
    service_side.execute("insert into trouble values ('order.cursed')")
    service_side.start()
    wait_until(lambda: broker.is_declared() and broker.consumers() == 1, 15, "it listens", every=0.05)
    assert fig("list", "notifications")["dead_letters"] == []
    cursed = event("order.cursed", user_id=7, old_email="ann@example.org", cents=100)
    broker.publish(cursed, "no event at all")
    wait_until(lambda: broker.waiting(DEAD) == 2, 15, "both are dead", every=0.05)
    listed = {one["type"]: one for one in fig("list", "notifications")["dead_letters"]}
    assert listed["order.cursed"]["attempts"] == 5
    assert listed["order.cursed"]["reason"] == "ValueError"
    assert listed["-"]["reason"] == "it is not JSON"
    [shown] = fig("show", "notifications", "--id", cursed["id"])["dead_letters"]
    assert shown["event"]["data"] == {"user_id": 7, "old_email": "***", "cents": 100}
    [bare] = fig("show", "notifications", "--id", cursed["id"], "--unmasked")["dead_letters"]
    assert bare["event"] == cursed
    service_side.execute("delete from trouble")
    assert fig("replay", "notifications", "--id", cursed["id"])["replayed"] == [cursed["id"]]
    service_side.wait_for([cursed])
    assert [one["type"] for one in fig("list", "notifications")["dead_letters"]] == ["-"]
    assert fig("replay", "notifications", "--id", cursed["id"])["error"] == "dead-letter-unknown"


def test_a_letter_stays_dead_while_nothing_takes_it(fig: Fig, broker: Broker) -> None:
    """The inbox is gone: the broker would drop what is sent there."""
    with Connection(broker.url) as connection:
        channel = connection.default_channel
        channel.queue_declare(DEAD, durable=True, auto_delete=False)
        channel.basic_publish(channel.prepare_message(json.dumps(event()).encode()), "", DEAD)
        channel.queue_delete(INBOX)
    wait_until(lambda: broker.waiting(DEAD) == 1, 5, "it lies there")
    failed = fig("replay", "notifications")
    assert failed["error"] == "inbox-missing"
    assert failed["exit"] != 0
    assert broker.waiting(DEAD) == 1


@pytest.mark.usefixtures("fig")
def test_a_dead_letter_rings_the_alarm_and_the_doctor_names_it(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "ASK_EVERY", 0.2)
    domains, stop, address = bootstrap.all_parts(), threading.Event(), f"127.0.0.1:{free_port()}"

    def named() -> set[str]:
        return {finding.code for parts in domains for finding in events(facts_of(parts, ""))}

    with (
        figures.served(address, [], domains, stop),
        ExitStack() as last,
        prometheus.running([Target("streams", address)]) as alarms,
    ):
        last.callback(stop.set)
        wait_until(lambda: alarms.query("fig_stream_dead_letters == 0"), 20, "none is counted", every=0.1)
        assert "dead-letters" not in named()
        assert alarms.ever_fired() == set()
        with Connection(broker.url) as connection:
            channel = connection.default_channel
            channel.queue_declare(DEAD, durable=True, auto_delete=False)
            channel.basic_publish(channel.prepare_message(json.dumps(event()).encode()), "", DEAD)
        wait_until(lambda: alarms.firing() == {"FigDeadLetters"}, 20, "it rings", every=0.1)
        assert "dead-letters" in named()
    for parts in domains:
        parts.close()
