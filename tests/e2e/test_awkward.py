"""A monolith that the toolkit knows nothing of: one of its domains goes there and back by plan file and middleware."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migration_plan.errors import PreflightRefused, SwitchAborted
from migration_plan.lifecycle import Side
from migration_plan.local import processes
from tests.awkward.people import People
from tests.load.moving import Moving
from tests.support.postgres import postgres_programs
from tests.support.stack import PROJECT, Stack, evidence_folder, private_stack
from tests.support.waiting import wait_until

KEYS = ("Account_memberId_fkey", "statements_accountId_fkey")
AWKWARD = Path(__file__).parents[1] / "awkward"


def schema(dsn: str) -> list[str]:
    """The whole database but its rows, in no order."""
    dumped = subprocess.run(
        [postgres_programs() / "pg_dump", "--schema-only", dsn], capture_output=True, text=True, timeout=60, check=True
    )
    return sorted(line for line in dumped.stdout.splitlines() if not line.startswith(("--", "\\")))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with private_stack(AWKWARD / "stack.yml", {"FIG_CONFIG": str(AWKWARD / "fig.yml")}) as stack:
        done = stack.fig("up")
        if done.returncode != 0:
            stack.collect(evidence_folder("awkward-up"))
            raise RuntimeError(f"fig up:\n{done.stdout}{done.stderr}")
        yield stack


def urls(stack: Stack) -> list[str]:
    """Of all three proxies."""
    return [f"http://127.0.0.1:{stack.ports[name]}" for name in ("public", "public-2", "public-3")]


Schemas = dict[str, list[str]]


@pytest.fixture(scope="module")
def untouched(stack: Stack) -> Schemas:
    """What both databases were before anything of ours came into them."""
    return {side: schema(stack.env[f"FIG_{side}_DSN"]) for side in ("ACME", "BOOK")}


def fig(stack: Stack, *arguments: str) -> dict[str, Any]:
    done = stack.fig(*arguments, "--json")
    assert done.returncode == 0, f"fig {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def nightly(stack: Stack) -> subprocess.CompletedProcess[str]:
    """The script that writes past the proxy."""
    return subprocess.run(
        [sys.executable, "-m", "tests.awkward.nightly"], cwd=PROJECT, env={**os.environ, **stack.env},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def crossing_keys(stack: Stack) -> dict[str, bool]:
    """The crossing foreign keys that the monolith has, and whether each is valid."""
    with psycopg.connect(stack.env["FIG_ACME_DSN"]) as connection:
        found = connection.execute(
            "select conname, convalidated from pg_constraint where conname = any (%s)", [list(KEYS)]
        ).fetchall()
    return dict(found)


def sums(dsn: str, query: str) -> dict[str, tuple[Decimal, Decimal]]:
    with psycopg.connect(dsn) as connection:
        return {str(account): (balance, total) for account, balance, total in connection.execute(query)}


def rows(dsn: str) -> dict[str, int]:
    """Of every table that is not ours."""
    tables = "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('acme', 'book')"
    with psycopg.connect(dsn) as connection:
        names = [name for (name,) in connection.execute(tables)]
        counts = {name: connection.execute(f"select count(*) from {name}".encode()).fetchone() for name in names}
    return {name: found[0] for name, found in counts.items() if found}


MONOLITH_SUMS = """select a."accountId", a.balance, coalesce(sum(e.amount), 0) from acme."Account" a
                   left join acme."Entry" e using ("accountId") group by 1, 2"""
SERVICE_SUMS = """select a.id, a.balance_cents * 0.01, coalesce(sum(e.amount_cents), 0) * 0.01 from book.account a
                  left join book.entry e on e.account_id = a.id group by a.id"""


@pytest.mark.usefixtures("untouched")
def test_a_domain_of_a_strange_monolith_goes_there_and_back_while_people_use_it(stack: Stack):
    people = People(urls(stack))
    with people.at_work():
        assert fig(stack, "advance", "ledger", "--to", "sync")["stage"] == "sync"
        for _ in range(2):
            fig(stack, "verify", "ledger")
            assert fig(stack, "advance", "ledger")["stage"] == "service"
            refused = nightly(stack)
            assert refused.returncode == 3, refused
            assert 'domain "ledger" is not owned here: this is the monolith side' in refused.stderr
            assert crossing_keys(stack) == {}
            people.join_and_leave()
            fig(stack, "verify", "ledger")
            assert fig(stack, "rollback", "ledger")["stage"] == "sync"
            assert crossing_keys(stack) == dict.fromkeys(KEYS, True)
        before = len(people.attempts)
        wait_until(lambda: len(people.attempts) > before + 40, 30, "people go on after the last switch")
    assert people.failures() == []
    assert people.stale == []
    assert len(people.attempts) > 100
    report = fig(stack, "verify", "ledger")
    assert report["differences"] == []
    expected = {account: (balance, balance) for account, balance in people.booked.items()}
    monolith = sums(stack.env["FIG_ACME_DSN"], MONOLITH_SUMS)
    assert {account: monolith[account] for account in expected} == expected
    assert sums(stack.env["FIG_BOOK_DSN"], SERVICE_SUMS) == monolith


def kill_a_rehearsal(stack: Stack, reached: str) -> int:
    """By SIGKILL, once it has said that; returns the session of its servers."""
    command: list[str | Path] = [Path(sys.executable).parent / "fig", "rehearse", "ledger"]
    with subprocess.Popen(command, cwd=PROJECT, env=stack.env, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert any(line.strip() == reached for line in process.stdout), f"it never said: {reached}"
        state = stack.state.with_name("s-rehearsal")
        session = int(json.loads((state / "session.json").read_text(encoding="utf-8"))["session"])
        assert processes.of_session(session), "its servers run"
        process.kill()
    return session


@pytest.mark.full
def test_a_rehearsal_that_is_killed_leaves_files_alone_and_status_names_them(stack: Stack):
    """The next one removes them: the next test."""
    people = People(urls(stack))
    with people.at_work():  # Without a recorded read it would be refused.
        wait_until(lambda: len(people.attempts) > 10, 30, "people are at work")
    session = kill_a_rehearsal(stack, "application")
    wait_until(lambda: not processes.of_session(session), 30, "its servers end with it")
    left = stack.state.with_name("s-rehearsal")
    said = json.loads(stack.fig("status", "--json").stdout)
    assert said["rehearsal_left"] == str(left)
    assert said["next_steps"][-1] == f"FIG_STATE={left} fig down --wipe"


def test_a_rehearsal_switches_copies_under_recorded_reads_and_touches_nothing_live(stack: Stack):
    live = {side: rows(stack.env[f"FIG_{side}_DSN"]) for side in ("ACME", "BOOK")}
    before = fig(stack, "history", "ledger", "-n", "1")["entries"]
    report = fig(stack, "rehearse", "ledger", "--rounds", "2")
    assert report["good"] is True, report
    assert [(one["giver"], one["taker"]) for one in report["rounds"]] == [
        ("monolith", "service"),
        ("service", "monolith"),
    ] * 2
    assert report["requests"] > 100
    assert report["rows"] == sum(live["BOOK"].values())
    assert {side: rows(stack.env[f"FIG_{side}_DSN"]) for side in live} == live
    entries = fig(stack, "history", "ledger", "-n", "2")["entries"]
    assert [one["kind"] for one in entries] == [before[-1]["kind"], "rehearsed"]
    assert not stack.state.with_name("s-rehearsal").exists()


@pytest.mark.parametrize(("checkpoint", "giver"), [("after-hold", Side.MONOLITH), ("after-release", Side.SERVICE)])
def test_a_proxy_that_is_cut_off_in_a_switch_costs_only_its_own_users_and_only_time(
    stack: Stack, checkpoint: str, giver: Side
):
    """It goes on serving, knows of no route, and lets its hold go by itself; the fence refuses what it sends."""
    moving, (first, second, third) = Moving(stack, "ledger"), urls(stack)
    moving.begin_sync()
    moving.give_to(giver)
    admin = stack.state / "nginx-3" / "admin.sock"

    def cut_off(reached: str) -> None:
        if reached == checkpoint:
            admin.rename(admin.with_suffix(".away"))

    others, cut = People([first, second]), People([third])
    with others.at_work(), cut.at_work(2):
        wait_until(lambda: len(cut.attempts) > 20, 30, "people are at work")
        if checkpoint == "after-hold":
            with pytest.raises(SwitchAborted):
                moving.switch(giver is Side.MONOLITH, cut_off)
            with pytest.raises(PreflightRefused, match="third"):
                moving.switch(giver is Side.MONOLITH, patience=0)
        else:
            done = moving.switch(giver is Side.MONOLITH, cut_off).switch
            assert done is not None
            assert done.silent_proxies == ["third"]
        seen = len(others.attempts)
        wait_until(lambda: len(others.attempts) > seen + 40, 30, "the others go on")
        admin.with_suffix(".away").rename(admin)
        moving.wait_until_settled()
        seen = len(cut.attempts)
        wait_until(lambda: len(cut.attempts) > seen + 40, 30, "its users go on")
        late = list(cut.attempts[seen + 2 :])
    assert moving.owner() is (giver if checkpoint == "after-hold" else giver.other)
    assert others.failures() == []
    assert {attempt.status for attempt in cut.failures()} <= {503}
    assert [attempt for attempt in late if attempt in cut.failures()] == []
    assert others.stale + cut.stale == []
    assert moving.differences() == 0
    expected = {account: (balance, balance) for account, balance in {**others.booked, **cut.booked}.items()}
    written = sums(stack.env["FIG_ACME_DSN"], MONOLITH_SUMS)
    assert {account: written[account] for account in expected} == expected
    moving.give_to(Side.MONOLITH)


@pytest.mark.full
def test_in_an_emergency_a_switch_is_forced_past_a_proxy_that_does_not_answer(stack: Stack):
    """It goes on serving by its old route: the old owner's database hands its writes back until it is told."""
    moving, (first, second, third) = Moving(stack, "ledger"), urls(stack)
    moving.begin_sync()
    moving.give_to(Side.SERVICE)
    admin = stack.state / "nginx-3" / "admin.sock"
    others, cut = People([first, second]), People([third])
    with others.at_work(), cut.at_work(2):
        admin.rename(admin.with_suffix(".away"))
        refused = stack.fig("rollback", "ledger", "--json")
        assert "--force REASON passes proxies" in refused.stdout + refused.stderr
        done = fig(stack, "rollback", "ledger", "--force", "the third proxy's machine is gone")
        assert (done["stage"], moving.owner()) == ("sync", Side.MONOLITH)
        seen = len(others.attempts)
        wait_until(lambda: len(others.attempts) > seen + 40, 30, "the others go on")
        admin.with_suffix(".away").rename(admin)
        moving.wait_until_settled()
        seen = len(cut.attempts)
        wait_until(lambda: len(cut.attempts) > seen + 20, 30, "its users go on")
        late = list(cut.attempts[seen + 2 :])
    assert others.failures() == []
    assert {attempt.status for attempt in cut.failures()} <= {503}
    assert [attempt for attempt in late if attempt in cut.failures()] == []
    assert others.stale + cut.stale == []
    assert moving.differences() == 0
    [forced] = [one for one in fig(stack, "history", "ledger", "-n", "30")["entries"] if one["kind"] == "forced"]
    assert [gate["figure"] for gate in forced["detail"]["gates"]] == ["2 of 3 answer"]


def test_everything_of_ours_leaves_both_databases_and_the_monolith_goes_on(stack: Stack, untouched: Schemas):
    people = People(urls(stack))
    refused = stack.fig("eject", "--json")
    assert refused.returncode == 4, refused
    reasons = json.loads(refused.stdout)["refusals"]
    assert {one["code"] for one in reasons} == {"moving", "running"}, reasons
    with people.at_work():
        fig(stack, "rollback", "ledger")
        fig(stack, "stop", "streams", "controller")
        planned = fig(stack, "eject", "--dry-run")["would_remove"]
        removed = fig(stack, "eject")["removed"]
        before = len(people.attempts)
        wait_until(lambda: len(people.attempts) > before + 40, 30, "people go on with the monolith alone")
    assert removed == planned
    assert people.failures() == []
    assert {side: schema(stack.env[f"FIG_{side}_DSN"]) for side in untouched} == untouched
    assert fig(stack, "eject")["removed"] == []
