"""Operators see and steer the streams: `fig sync`, figures for Prometheus, and no value of a row anywhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from migration_plan.cli import main
from migration_plan.lifecycle import Side
from migration_plan.sync.troubles import Trouble, troubles
from tests.integration.events.conftest import event
from tests.integration.events.moving import Payments
from tests.integration.events.test_budget import control_of
from tests.integration.events.test_moving import payments, sync
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

__all__ = ["payments"]

SECRET = "value-nobody-may-see"
Fig = Callable[..., dict[str, Any]]


@pytest.fixture
def metrics(payments: Payments) -> str:
    """The address of the figures, which the settings name too."""
    address = f"127.0.0.1:{free_port()}"
    settings = yaml.safe_load(payments.settings.read_text())
    payments.settings.write_text(yaml.safe_dump({**settings, "streams": {"metrics": address}}))
    return address


@pytest.fixture
def fig(payments: Payments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fig:
    """`fig("status", "payments")` runs `fig sync` and gives its JSON, or its error."""
    monkeypatch.setenv("FIG_CONFIG", str(payments.settings))
    monkeypatch.setenv("FIG_STATE", str(tmp_path))

    def run(*arguments: str) -> dict[str, Any]:
        command = ["sync", *arguments, "--json"]
        monkeypatch.setattr(sys, "argv", ["fig", *command])  # Where errors look for --json.
        result = CliRunner().invoke(main, command)
        found: dict[str, Any] = json.loads(result.output.splitlines()[-1])
        return {**found, "exit": result.exit_code}

    return run


def figures(address: str) -> dict[tuple[str, str], float]:
    """By (name, direction) of the domain payments; states as name/state, domains' own with an empty direction."""
    text = httpx.get(f"http://{address}/metrics").text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if labels["domain"] == "payments":
                name = sample.name.removeprefix("fig_stream_") + ("/" + labels["state"] if "state" in labels else "")
                found[name, labels.get("direction", "")] = sample.value
    return found


def test_figures_say_when_a_stream_lags_and_how_far(payments: Payments, metrics: str, fig: Fig) -> None:
    way = "to_service"
    with payments.running(metrics):
        sync(payments)
        wait_until(lambda: figures(metrics).get(("state/streaming", way)) == 1, 10, "it streams")
        wait_until(lambda: figures(metrics)["lag_seconds", way] < 1, 10, "it does not lag")
        with psycopg.connect(payments.dsns[Side.SERVICE]) as holding:
            holding.execute('lock table "order" in access exclusive mode')
            payments.execute(Side.MONOLITH, "insert into \"order\" select n, 'new' from generate_series(1, 50) n")
            wait_until(lambda: figures(metrics)["lag_seconds", way] > 1, 10, "it lags, and that shows")
            late = figures(metrics)
            assert late["lag_bytes", way] > 1000
            assert late["lag_seconds", "to_monolith"] < late["lag_seconds", way], "the other way does not lag"
            seen = next(one for one in fig("status", "payments")["streams"] if one["direction"] == way)
            assert seen["lag_seconds"] > 1
            assert seen["lag_bytes"] > 1000
        wait_until(lambda: figures(metrics)["rows_total", way] == 50, 10, "every row is counted")
        wait_until(lambda: figures(metrics)["lag_seconds", way] < 1, 10, "it has caught up")
        found = figures(metrics)
        assert found["rows_per_second", way] > 0
        assert 0 < found["retained_wal_bytes", way] < found["wal_budget_bytes", way]
        assert found["state/streaming", "outbox_monolith"] == 1
        assert {name for name, _ in found} >= {"given_up", "lag_bytes", "rows_total", "state/paused"}


def test_a_person_looks_pauses_continues_and_copies(payments: Payments, metrics: str, fig: Fig) -> None:
    with payments.running(metrics):
        sync(payments)
        payments.execute(Side.MONOLITH, f"""insert into "order" values (1, '{SECRET}'), (2, 'new')""")
        wait_until(lambda: fig("status", "payments")["well"], 15, "all of it streams")
        status = fig("status", "payments")
        assert status["exit"] == 0
        assert status["next_steps"] == ["fig sync verify payments"]
        assert [one["direction"] for one in status["streams"]] == [
            "to_monolith", "to_service", "outbox_monolith", "outbox_service",
        ]  # fmt: skip

        assert fig("stop", "payments", "--direction", "to_service")["streams"] == ["payments_to_service"]
        status = fig("status", "payments")
        assert status["exit"] == 1
        paused = next(one for one in status["streams"] if one["direction"] == "to_service")
        assert paused["state"] == "paused"
        assert status["next_steps"] == ["fig sync start payments"]
        assert fig("start", "payments")["next_steps"] == ["fig sync status payments"]
        wait_until(lambda: fig("status", "payments")["well"], 10, "it goes on")

        # Somebody writes past the stream: a copy puts that right, whatever it was.
        with psycopg.connect(payments.dsns[Side.SERVICE]) as rogue:
            rogue.execute("set session_replication_role = replica")
            rogue.execute("select pg_logical_emit_message(true, 'fig-applied', 'fig_rogue')")  # The way back is silent.
            rogue.execute("""update "order" set state = 'wrong' where id = 1; insert into "order" values (9, 'gone')""")
        differs = fig("verify", "payments")
        assert differs["exit"] == 13
        assert {(one["key"]["id"], one["kind"]) for one in differs["differences"]} == {
            ("1", "differs"),
            ("9", "surplus"),
        }
        assert SECRET not in json.dumps(differs)
        assert {"***"} == {one["source"] for one in differs["differences"] if one["kind"] == "differs"}
        assert SECRET in json.dumps(fig("verify", "payments", "--show-values"))
        repaired = fig("repair", "payments")
        assert repaired.get("rows") == 2, repaired
        assert repaired["remaining"] == []
        assert SECRET not in json.dumps(repaired)
        assert fig("verify", "payments")["exit"] == 0

        copied = fig("snapshot", "payments")
        assert copied["streams"] == ["payments_to_service"]
        wait_until(lambda: fig("status", "payments")["well"], 10, "it streams again")
        assert fig("verify", "payments")["exit"] == 0
        assert fig("snapshot", "payments", "--direction", "sideways")["error"] == "no-such-stream"
    entries = payments.parts.journal.entries("payments", 100)
    assert SECRET not in json.dumps([entry.as_json() for entry in entries])
    kinds = [entry.kind for entry in entries]
    for kind in ("stream-paused", "stream-continued", "copy-asked", "stream-returned", "values-shown", "repaired"):
        assert kind in kinds


def test_what_nobody_runs_is_asked_for_and_said(payments: Payments, fig: Fig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migration_plan.sync.steering.TAKEN_UP_WITHIN", 0.5)
    payments.listen()
    with payments.running():
        sync(payments)
        payments.tell(Side.MONOLITH, event())
    asked = fig("snapshot", "payments")
    assert asked["error"] == "streams-silent"
    assert asked["exit"] == 8
    status = fig("status", "payments")
    assert {one["state"] for one in status["streams"]} == {"stopped", "given-up"}
    assert control_of(payments, Side.MONOLITH, "payments_to_service").code == "asked"
    with payments.running():
        wait_until(lambda: fig("status", "payments")["well"], 15, "it was asked for, and is done")


def test_a_poison_row_is_named_with_the_command_that_leaves_it_out(payments: Payments, fig: Fig) -> None:
    with payments.running():
        sync(payments)
        payments.execute(Side.SERVICE, """alter table "order" add constraint strict check (state <> 'odd')""")
        payments.execute(Side.MONOLITH, """insert into "order" values (1, 'odd')""")
        payments.execute(Side.MONOLITH, """insert into "order" values (2, 'new')""")

        def stopped() -> dict[str, Any] | None:
            found = [one for one in fig("status", "payments")["streams"] if one["last_alarm"]]
            return found[0] if found else None

        wait_until(stopped, 15, "it stands in front of the row, and says so", every=0.1)
        alarm = (stopped() or {})["last_alarm"]
        assert alarm["case"] == "poison-row"
        command = alarm["next_step"].partition("(fig sync skip ")[2].partition(" --why")[0].split()
        assert command[0] == "payments"
        assert fig("skip", *command, "--why", "an order that never was")["exit"] == 0
        wait_until(lambda: payments.execute(Side.SERVICE, 'select id from "order"') == [(2,)], 15, "it goes on")
        assert fig("snapshot", "payments", "--table", "public.nothing")["error"] == "no-such-stream"
    [line] = [e for e in payments.parts.journal.entries("payments", 50) if e.kind == "change-skipped"]
    assert line.detail["why"] == "an order that never was"


def test_a_row_that_cannot_be_applied_is_red_until_it_is_behind(
    payments: Payments, metrics: str, fig: Fig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream tries again and again, so its slot is in use now and then: no look may find it well."""
    monkeypatch.setenv("FIG_CONFIG", str(payments.settings))
    with payments.running(metrics):
        sync(payments)
        wait_until(lambda: fig("status", "payments")["well"], 15, "all of it streams")
        assert troubles(os.environ) == []
        payments.execute(Side.SERVICE, """alter table "order" add check (state <> 'poison')""")
        payments.execute(Side.MONOLITH, """insert into "order" values (1, 'poison'), (2, 'new')""")
        wait_until(lambda: troubles(os.environ), 10, "the figures tell it")
        assert troubles(os.environ) == [Trouble("payments", "to_service", "poison-row")]
        wait_until(lambda: not fig("status", "payments")["well"], 5, "it is told")
        looks = [fig("status", "payments") for _ in range(25)]
        assert {look["exit"] for look in looks} == {1}
        [state] = {one["state"] for look in looks for one in look["streams"] if one["direction"] == "to_service"}
        assert state == "stopped"
        [step] = looks[-1]["next_steps"]
        _, command = step.split("(fig sync ")
        lsn, change = command.split()[2:4]
        assert {one["state"] for one in looks[-1]["streams"] if one["direction"] == "to_monolith"} == {"streaming"}
        fig("skip", "payments", lsn, change, "--direction", "to_service", "--why", "a test")
        wait_until(lambda: fig("status", "payments")["exit"] == 0, 15, "what is behind is no trouble any more")
        wait_until(lambda: troubles(os.environ) == [], 10, "nor to the figures")
        assert payments.execute(Side.SERVICE, 'select id from "order"') == [(2,)]
