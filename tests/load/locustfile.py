"""The people of the demo as locust's users: `locust -f tests/load/locustfile.py --host http://127.0.0.1:7400`.

A request counts as failed not only for its status: people check what they are told (their carts, their orders, their
own edits), and what is wrong shows among locust's failures with its evidence.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from locust import User, between, task

from tests.load.person import Person
from tests.load.seller import Seller
from tests.load.shopper import Shopper
from tests.load.visitor import Visitor
from tests.support.clients import Client

_number = itertools.count(1)
_run = f"{os.getpid()}-{int(time.time())}"


@dataclass(frozen=True)
class Wrong(Exception):
    """What came back is not what may come back here."""

    evidence: str

    def __str__(self) -> str:
        return self.evidence


class Somebody(User):
    """One person, one step at a time."""

    abstract = True
    kind: type[Person]
    wait_time = between(0.05, 0.2)

    def on_start(self) -> None:
        number = next(_number)
        # Every third person opens a new connection for each request; the others keep theirs.
        name = f"{self.kind.__name__.lower()}-locust-{number}-{_run}"
        self.person = self.kind(name, str(self.host), number % 3 != 0, number)
        self.person.enter()
        self._tell()
        self._steps: Iterator[Callable[[], object]] = self.person.steps()

    def on_stop(self) -> None:
        self.person.client.close()

    @task
    def go_on(self) -> None:
        next(self._steps)()
        self._tell()

    def _tell(self) -> None:
        """Hand what happened since the last time to locust, and keep none of it."""
        for operation in self.person.operations:
            self.environment.events.request.fire(
                request_type=self.kind.__name__,
                name=str(operation.act),
                response_time=1000 * (operation.ended - operation.started),
                response_length=0,
                exception=None if operation.expected else Wrong(operation.evidence),
                context={},
            )
        self.person.operations.clear()
        self.person.samples.clear()


class ShopperUser(Somebody):
    kind = Shopper
    weight = 12


class SellerUser(Somebody):
    kind = Seller
    weight = 5


class VisitorUser(Somebody):
    kind = Visitor
    weight = 8


class ForgerUser(User):
    """Sends what is said to come from Stripe. Nobody may believe it."""

    weight = 1
    wait_time = between(1, 2)
    path = "/api/payments/webhooks/stripe"

    def on_start(self) -> None:
        self.client = Client(str(self.host), keep_alive=False)

    @task
    def forge(self) -> None:
        event = {"id": "evt_forged", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_forged"}}}
        answer = self.client.post(self.path, event, {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"})
        attempt = answer.attempt
        # A shop that takes no money knows nobody who could sign.
        refused = answer.status in (400, 404, 503)
        self.environment.events.request.fire(
            request_type="Forger",
            name="forged webhook",
            response_time=1000 * attempt.seconds,
            response_length=len(answer.body),
            exception=None if refused else Wrong(str(answer)),
            context={},
        )
