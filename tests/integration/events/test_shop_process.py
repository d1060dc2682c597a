"""The shop's own listener, as the local stack runs it: an event becomes a message, once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.integration.events.conftest import Broker, event
from tests.integration.monolith.conftest import copy_of_template, prepare
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-m", "legacy_monolith.events"]


def test_the_shop_hears_of_itself(
    monolith_server: PostgresServer, broker: Broker, identity_files: tuple[Path, Path], tmp_path: Path
) -> None:
    prepare(monolith_server)
    name = copy_of_template(monolith_server)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "MONOLITH_DATABASE_URL": f"postgresql+psycopg://shop_app@127.0.0.1:{monolith_server.port}/{name}",
        "IDENTITY_PRIVATE_KEY_FILE": str(identity_files[0]),
        "SECRET_KEY": "a secret of these tests",
        "AMQP_URL": broker.url,
    }
    user = "insert into users (id, email, password_hash, name, role) values (7, 'a@b.test', '', 'Ann', 'buyer')"
    with psycopg.connect(monolith_server.dsn(name), autocommit=True) as shop:
        shop.execute(user)
    paid = event("order.paid", user_id=7, order_id=3, amount=1200)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(COMMAND, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: broker.is_declared() and broker.consumers() == 1, 20, "it listens", every=0.05)
        broker.publish(paid, paid)
        with psycopg.connect(monolith_server.dsn(name), autocommit=True) as shop:

            def heard() -> list[tuple[object, ...]]:
                return shop.execute("select message_id::text from notifications_inbox").fetchall()

            wait_until(heard, 20, f"it is heard: {(tmp_path / 'log').read_text()}", every=0.05)
            wait_until(lambda: broker.waiting() == 0, 5, "the inbox is empty")
            assert heard() == [(paid["id"],)]
            assert shop.execute("select kind, channel from notification_messages").fetchall() == [
                ("order.paid", "email")
            ]
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_without_a_broker_s_address_it_ends_and_says_why() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    ended = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "settings-missing: these settings are missing: AMQP_URL" in ended.stderr
