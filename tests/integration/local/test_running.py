"""A stack that is up: idempotent, self-healing, unprivileged, and shown as it is."""

from __future__ import annotations

import json
import os
import pwd
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from migration_plan.local import processes
from tests.support.postgres import free_port
from tests.support.stack import private_stack
from tests.support.waiting import wait_until

TINY = Path(__file__).parent / "tiny.yml"


def pids(stack):
    return {name: one.pid for name, one in stack.status().items()}


def test_status_shows_pid_ports_and_health_of_every_process(small):
    status = small.status()
    assert set(status) == {"pg", "web", "parent"}
    assert all(one.well and one.pid and one.uptime >= 0 for one in status.values())
    assert status["web"].ports == {"web": small.base + 1}
    assert small.fig("status").returncode == 0


def test_up_once_more_restarts_nothing_and_repeats_no_step_that_is_done_once(small):
    before = pids(small)
    small.up()
    assert pids(small) == before
    with psycopg.connect(small.env["SMALL_OWNER_DSN"]) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (0,)


def test_a_killed_process_comes_back_and_its_neighbours_feel_nothing(small):
    before = pids(small)
    small.wait_until_back("web", small.kill("web"))
    after = pids(small)
    assert after["web"] != before["web"]
    assert {**after, "web": None} == {**before, "web": None}


def test_what_a_killed_process_leaves_behind_is_gone_when_its_successor_runs(small):
    leader = small.pid("parent")
    workers = [p for p in processes.of_session(small.session()) if p.group == leader and p.pid != leader]
    assert len(workers) == 1, "the process has one worker"
    small.wait_until_back("parent", small.kill("parent", whole=False))
    wait_until(lambda: processes.describe(workers[0].pid) != workers[0], 5, "the former worker ended")
    leader = small.pid("parent")
    wait_until(
        lambda: len([p for p in processes.of_session(small.session()) if p.group == leader]) == 2,
        5,
        "the successor has a worker of its own",
    )


def test_a_killed_postgres_comes_back_with_what_was_committed(small):
    with psycopg.connect(small.env["SMALL_DSN"]) as connection:
        connection.execute("insert into runs default values")
    small.wait_until_back("pg", small.kill("pg"))
    with psycopg.connect(small.env["SMALL_DSN"]) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (1,)


def test_a_frozen_process_is_shown_as_unhealthy(small):
    small.stop("web")
    try:
        assert not small.status()["web"].well
        assert small.fig("status").returncode == 1
    finally:
        small.cont("web")
    small.wait_until_healthy("web")


def test_status_as_json_is_what_status_shows(small):
    said = json.loads(small.fig("status", "--json").stdout)
    assert {one["name"]: one["pid"] for one in said["processes"]} == pids(small)
    assert said["state"] == str(small.state)


def test_a_stream_that_cannot_go_on_makes_the_status_red_and_says_what_to_type(small, tmp_path: Path):
    """`fig streams` is another program here: what it says is all that counts."""
    registry, address = CollectorRegistry(), f"127.0.0.1:{free_port()}"
    trouble = Gauge("fig_stream_trouble", "As fig streams has it.", ["domain", "direction", "code"], registry=registry)
    settings = tmp_path / "fig.yml"
    listeners = dict.fromkeys(("public", "internal", "metrics"), "127.0.0.1:1")
    settings.write_text(json.dumps({
        "journal": {"dsn": "dbname=nowhere"},
        "proxies": [{"name": "one", "folder": "/nowhere", "listeners": listeners}],
        "upstreams": {"web": ["127.0.0.1:1"]}, "default_upstream": "web", "plans": [], "streams": {"metrics": address},
    }))  # fmt: skip
    where = {"FIG_CONFIG": str(settings)}
    server, thread = start_http_server(int(address.split(":")[1]), "127.0.0.1", registry)
    try:
        trouble.labels("catalog", "to_service", "poison-row").set(1)
        red = small.fig("status", environment=where)
        assert red.returncode == 1
        assert "catalog to_service: poison-row" in red.stdout
        assert "next: fig sync status catalog" in red.stdout
        said = json.loads(small.fig("status", "--json", environment=where).stdout)
        assert said["streams"] == [{"domain": "catalog", "direction": "to_service", "code": "poison-row"}]
        assert said["next_steps"] == ["fig sync status catalog"]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_logs_shows_the_named_log_or_refuses_the_name(small):
    assert small.fig("logs", "table").stdout == "table made\n"
    assert "web: " in small.fig("logs").stdout
    refused = small.fig("logs", "nobody")
    assert refused.returncode == 28
    assert "table" in refused.stderr


def test_the_server_is_set_up_for_logical_replication_and_keeps_what_it_acknowledged(small):
    with psycopg.connect(small.env["SMALL_FIG_DSN"]) as connection:
        wanted = {"wal_level": "logical", "fsync": "on", "synchronous_commit": "on", "max_prepared_transactions": "10"}
        shown = {name: connection.execute("select current_setting(%s)", [name]).fetchone() for name in wanted}
    assert shown == {name: (value,) for name, value in wanted.items()}


def test_the_application_has_dml_and_nothing_more(small):
    with psycopg.connect(small.env["SMALL_DSN"], autocommit=True) as connection:
        connection.execute("insert into runs default values")
        for refused in ("truncate runs", "create table own ()", "alter table runs disable trigger user"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)


def test_the_role_of_the_toolkit_can_stream_and_fence_and_is_no_superuser(small):
    with psycopg.connect(small.env["SMALL_FIG_DSN"], autocommit=True) as connection:
        assert connection.execute("select rolsuper, rolreplication from pg_roles where rolname = 'fig'").fetchone() == (
            False,
            True,
        )
        connection.execute("set session_replication_role = replica")
        connection.execute("set session_replication_role = origin")
        connection.execute("select pg_replication_origin_create('fig_test')")
        connection.execute("select pg_replication_origin_drop('fig_test')")
        connection.execute("create schema fig_test")
        connection.execute("create publication fig_test for table runs")
        connection.execute("select pg_create_logical_replication_slot('fig_test', 'pgoutput')")
        connection.execute("select pg_drop_replication_slot('fig_test')")
        connection.execute("drop publication fig_test")
        connection.execute("drop schema fig_test")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create role another superuser")


def test_nobody_gets_in_without_the_right_password(small):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(small.env["SMALL_DSN"], password="guessed")


def test_secrets_are_readable_by_their_owner_only(small):
    files = [small.state / name for name in ("secrets.json", "env.json", "keys/identity.pem")]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    secret = small.env["SMALL_DSN"].split(":")[2].split("@")[0]
    logs = "".join(file.read_text(encoding="utf-8") for file in (small.state / "logs").iterdir())
    assert secret not in logs
    assert secret not in small.fig("status", "--json").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to give up")
def test_servers_do_not_run_as_root(small):
    owner = Path(f"/proc/{small.pid('pg')}").stat().st_uid
    assert pwd.getpwuid(owner).pw_name == "postgres"


def test_a_second_stack_lives_and_ends_beside_the_first(small):
    before = pids(small)
    with private_stack(TINY) as second:
        second.up()
        assert not set(pids(second).values()) & set(before.values())
        second.down()
    assert pids(small) == before


def test_a_changed_environment_starts_the_stack_anew_with_it(small):
    before = pids(small)
    done = small.fig("up", environment={"GREETING": "good morning"})
    assert done.returncode == 0, done.stderr
    assert "starting anew" in done.stdout
    environment = Path(f"/proc/{small.pid('web')}/environ").read_text(encoding="utf-8")
    assert "GREETING=good morning\0" in environment
    assert not set(pids(small).values()) & set(before.values())


def test_two_starts_at_the_same_time_make_one_stack(small):
    small.down()
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: small.fig("up"), range(2)))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert len([p for p in processes.of_session(small.session()) if p.parent == small.session()]) == 3


def test_a_terminated_process_is_started_again_too(small):
    small.wait_until_back("web", small.kill("web", signal.SIGTERM))


def test_a_stopped_process_stays_down_until_the_next_up_and_its_neighbours_feel_nothing(small):
    before = pids(small)
    done = small.fig("stop", "web")
    assert done.returncode == 0, done.stderr
    after = pids(small)
    assert (after["web"], {**after, "web": 0}) == (None, {**before, "web": 0})
    small.up()
    assert small.status()["web"].well


def test_a_process_that_the_stack_does_not_have_is_named_and_nothing_is_stopped(small):
    before = pids(small)
    done = small.fig("stop", "web", "wbe")
    assert (done.returncode, "wbe" in done.stderr, "web" in done.stderr) == (28, True, True)
    assert pids(small) == before


def test_a_part_of_the_stack_is_what_is_named_and_what_that_comes_after():
    with private_stack(TINY.with_name("small.yml")) as stack:
        stack.up("web")
        running = {name for name, one in stack.status().items() if one.pid}
        assert running == {"pg", "web"}
        assert stack.fig("up", "wbe").returncode == 28
