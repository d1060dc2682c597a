"""Consoles for tests: a way in, people of all roles, a second console beside the stack's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml

from migration_plan.journal import tokens
from migration_plan.journal.access import Role
from migration_plan.journal.journal import Journal
from migration_plan.local import processes
from migration_plan.shadow.store import ShadowStore
from migration_plan.shadow.tally import Example, Sums
from proxy.shadow_comparer import Kind
from tests.support.postgres import free_port
from tests.support.stack import PROJECT, Stack
from tests.support.waiting import wait_until

ROUTE = "/api/catalog/products/{id}"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def link(stack: Stack, **environment: str) -> str:
    done = stack.fig("console", "link", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["url"])


@contextmanager
def tokens_of_all_roles(stack: Stack) -> Iterator[dict[Role, str]]:
    """They exist only here: from the first one on nobody acts without."""
    dsn = stack.env["FIG_JOURNAL_DSN"]
    with closing(Journal(dsn)) as journal:
        found = {role: tokens.create(journal, f"a-{role}", role) for role in reversed(Role)}
    try:
        yield found
    finally:
        with psycopg.connect(dsn) as connection:
            connection.execute("delete from fig.token")


@contextmanager
def another_console(
    stack: Stack, folder: Path, changes: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A second console of the same stack, with other things in the catalog's plan or in its environment; yields its
    address."""
    plan = yaml.safe_load((PROJECT / "migration_plan/plans/catalog.yml").read_text(encoding="utf-8"))
    for section, said in changes.items():
        plan[section] = {**plan.get(section, {}), **said} if isinstance(said, dict) else said
    (folder / "catalog.yml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    settings = yaml.safe_load((PROJECT / "fig.yml").read_text(encoding="utf-8"))
    settings["plans"] = [str(folder / "catalog.yml"), *(str(PROJECT / one) for one in settings["plans"][1:])]
    for static in settings["static"]:
        static["folder"] = str(PROJECT / static["folder"])
    (folder / "fig.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    at = f"127.0.0.1:{free_port()}"
    seen = {**stack.env, **(environment or {}), "FIG_CONFIG": str(folder / "fig.yml"), "FIG_CONSOLE_URL": f"http://{at}",
                   "FIG_CONSOLE_BIND": at}  # fmt: skip
    program: list[Path | str] = [Path(sys.executable).parent / "fig", "console", "run"]
    with (folder / "console.log").open("w") as log:
        process = subprocess.Popen(program, cwd=PROJECT, env=seen, stderr=log)
        try:
            wait_until(lambda: _answers(f"http://{at}"), 60, "the second console", every=0.1)
            yield f"http://{at}"
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def always_somebody_writing(dsn: str) -> Iterator[None]:
    """Short transactions on the monolith's products, one begun before the other ends: a switch finds no moment, and no
    transaction is long enough to be refused for."""
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
            turn = [(one, 1), (other, 2)]
            while not over.is_set():
                writer, product = turn[0]
                writer.execute("update products set title = title where id = %s", [product])
                over.wait(0.25)
                turn[1][0].commit()
                turn.reverse()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


def somebody_has_read(stack: Stack, number: int = 20) -> None:
    """So many reads of the catalog are in the proxy's log, which it writes with a delay."""
    path = "/api/catalog/products?limit=7"
    with httpx.Client(base_url=stack.env["FIG_PUBLIC_URL"], trust_env=False) as visitor:
        for _ in range(number):
            visitor.get(path).raise_for_status()
    log = stack.state / "nginx" / "access.json"
    wait_until(lambda: log.read_text().count(path.partition("?")[0]) >= number, 20, "the reads are in the log")


def found_in_shadow(stack: Stack) -> None:
    """What the comparer would write after 400 comparisons of each route, three of which differ."""
    sums = Sums()
    for route in (ROUTE, "/api/catalog/products"):
        sums.kinds["catalog", route, Kind.COMPARED] = 400
    sums.raw["catalog", ROUTE, "price"] = 3
    sums.groups["catalog", ROUTE, ("price",)] = 3
    sums.examples.append(Example("catalog", ROUTE, "price", "0" * 32, '"24.50"', '"24.5"'))
    with closing(ShadowStore(stack.env["FIG_JOURNAL_DSN"])) as store:
        store.write(sums, {}, store.since(), {})


def is_refused_after_ten_guesses(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        page = client.get("/login")
        policy, cookie = page.headers["content-security-policy"], page.headers["set-cookie"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
        tried = [
            client.post("/login", data={"csrf_token": token, "token": f"fig_guess_{n:043d}"}).status_code
            for n in range(11)
        ]
        assert tried == [403] * 10 + [429]
        assert client.get("/login", headers={"host": "rebound.example"}).status_code == 400


def kill_worker(stack: Stack) -> None:
    """Whoever carries out an order of the stack's console, at once and without a word."""
    wait_until(lambda: _workers(stack), 30, "somebody carries out the order", every=0.02)
    for pid in _workers(stack):
        os.kill(pid, signal.SIGKILL)


def end_orders(stack: Stack) -> None:
    """Whoever still carries out what a test has ordered that did not see it end."""
    for pid in _workers(stack):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not _workers(stack), 30, "nobody carries out an order", every=0.02)


def go_on(stack: Stack) -> None:
    """Whatever a test has frozen and not let go on; the others do not notice."""
    for one in processes.of_session(stack.session()):
        with suppress(ProcessLookupError):  # It has ended meanwhile, as programs do.
            os.kill(one.pid, signal.SIGCONT)


def _workers(stack: Stack) -> list[int]:
    own = processes.of_session(stack.session())
    return [one.pid for one in own if b"migration_plan.console.worker" in _command(one.pid)]


def _command(pid: int) -> bytes:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
