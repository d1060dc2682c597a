"""Members of the awkward monolith: they book, transfer and read all the time, by whichever proxy they come to."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from tests.support.clients import Attempt, Client

CROWDS = itertools.count()


class People:
    """Every attempt is made once and kept."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = itertools.cycle(urls)
        self.crowd = next(CROWDS)
        self.attempts: list[Attempt] = []
        self.booked: dict[str, Decimal] = {}  # Account -> what was acknowledged.
        self.stale: list[str] = []
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @contextmanager
    def client(self) -> Iterator[Client]:
        client = Client(next(self._urls), record=self.attempts.append)
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

    def open_account(self, client: Client, member: str) -> str | None:
        """None if that was refused; the attempt is among the failures."""
        answer = client.post("/ledger/accounts", {"member": member, "label": f"a{next(self._numbers)}"})
        return str(answer.json()["id"]) if answer.status == 201 else None

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
            if turn % 50 == 0 and (opened := self.open_account(client, member)):
                mine.append(opened)
                balances[opened] = Decimal(0)
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
