"""A monolith that the toolkit knows nothing of: one of its domains goes there and back by plan file and middleware."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests.support.clients import Attempt, Client
from tests.support.postgres import postgres_programs
from tests.support.stack import PROJECT, Stack, evidence_folder, private_stack
from tests.support.waiting import wait_until

KEYS = ("Account_memberId_fkey", "statements_accountId_fkey")
CROWDS = itertools.count()
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


Schemas = dict[str, list[str]]


@pytest.fixture(scope="module")
def untouched(stack: Stack) -> Schemas:
    """What both databases were before anything of ours came into them."""
    return {side: schema(stack.env[f"FIG_{side}_DSN"]) for side in ("ACME", "BOOK")}


class People:
    """Members who book, transfer and read all the time; every attempt is made once and kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.crowd = next(CROWDS)
        self.attempts: list[Attempt] = []
        self.booked: dict[str, Decimal] = {}  # Account -> what was acknowledged.
        self.stale: list[str] = []
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @contextmanager
    def client(self) -> Iterator[Client]:
        client = Client(self.url, record=self.attempts.append)
        try:
            yield client
        finally:
            client.close()

    def join(self, client: Client) -> str:
        answer = client.post("/members", {"email": f"{self.crowd}-{next(self._numbers)}@example.org", "name": "N"})
        assert answer.status == 201, answer
        return answer.json()["id"]

    def join_and_leave(self) -> None:
        """The monolith's own cascade into the domain must not meet the fence while the domain is away."""
        with self.client() as client:
            client.request("DELETE", f"/members/{self.join(client)}")

    def open_account(self, client: Client, member: str) -> str:
        answer = client.post("/ledger/accounts", {"member": member, "label": f"a{next(self._numbers)}"})
        assert answer.status == 201, answer
        return answer.json()["id"]

    @contextmanager
    def at_work(self, count: int = 4) -> Iterator[None]:
        threads = [threading.Thread(target=self._member) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)

    def _member(self) -> None:
        with self.client() as client:
            balances = self._live(client)
        with self._lock:
            self.booked |= balances

    def _live(self, client: Client) -> dict[str, Decimal]:
        """One member's life; returns what was acknowledged, by account."""
        mine: list[str] = []
        member = self.join(client)
        balances: dict[str, Decimal] = {}
        for turn in itertools.count():
            if self._stop.is_set():
                break
            if turn % 50 == 0:
                mine.append(self.open_account(client, member))
                balances[mine[-1]] = Decimal(0)
            account = mine[turn % len(mine)]
            if client.post(f"/ledger/accounts/{account}/entries", {"amount": "3.10", "memo": "ü"}).status == 201:
                balances[account] += Decimal("3.10")
            other = mine[0]
            if account != other:
                transfer = {"from": account, "to": other, "amount": "0.05"}
                if client.post("/ledger/transfers", transfer).status == 201:
                    balances[account] -= Decimal("0.05")
                    balances[other] += Decimal("0.05")
            read = client.get(f"/ledger/accounts/{account}")
            if read.status == 200 and Decimal(read.json()["balance"]) != balances[account]:
                self.stale.append(f"{account}: read {read.json()['balance']}, own writes make {balances[account]}")
            drawn = client.post(f"/statements/{account}")
            if drawn.status == 201 and Decimal(drawn.json()["closing"]) != balances[account]:
                self.stale.append(f"{account}: statement {drawn.json()}, own writes make {balances[account]}")
            self._stop.wait(0.02)
        return balances

    def failures(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.status is None or attempt.status >= 400]


def fig(stack: Stack, *arguments: str) -> dict[str, object]:
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


MONOLITH_SUMS = """select a."accountId", a.balance, coalesce(sum(e.amount), 0) from acme."Account" a
                   left join acme."Entry" e using ("accountId") group by 1, 2"""
SERVICE_SUMS = """select a.id, a.balance_cents * 0.01, coalesce(sum(e.amount_cents), 0) * 0.01 from book.account a
                  left join book.entry e on e.account_id = a.id group by a.id"""


@pytest.mark.usefixtures("untouched")
def test_a_domain_of_a_strange_monolith_goes_there_and_back_while_people_use_it(stack: Stack):
    people = People(stack.env["FIG_PUBLIC_URL"])
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


def test_everything_of_ours_leaves_both_databases_and_the_monolith_goes_on(stack: Stack, untouched: Schemas):
    people = People(stack.env["FIG_PUBLIC_URL"])
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
