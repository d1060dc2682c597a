"""Somebody in the shop: one browser, one request at a time, every answer checked and written down."""

from __future__ import annotations

import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.load.answers import WrongAnswer
from tests.load.figures import Sample
from tests.support.clients import SAFE_METHODS, Answer, Client, Outcome
from tests.support.history import Act, Operation

PASSWORD = "correct horse battery staple"
# Requests of these paths read and write no table of the catalog.
UNTOUCHED = ("/api/users/",)

Facts = dict[str, Any]


class NotAdmitted(AssertionError):
    """Somebody could not even sign up: the shop is not there, and there is nothing to measure."""


class Person(ABC):
    """What shoppers, sellers and visitors have in common."""

    role = "buyer"

    def __init__(self, name: str, url: str, keep_alive: bool, seed: int) -> None:
        self.email = f"{name}@example.org"
        self.name = name
        self.client = Client(url, keep_alive=keep_alive)
        self.dice = random.Random(f"{name}/{seed}")
        self.operations: list[Operation] = []
        self.samples: list[Sample] = []
        self.user_id = 0

    @abstractmethod
    def steps(self) -> Iterator[Callable[[], object]]:
        """For ever: the next thing to do, one request each."""

    def enter(self) -> None:
        """Sign up and fetch the CSRF token."""
        signup = {"email": self.email, "password": PASSWORD, "name": self.name, "role": self.role}
        answer = self.client.post("/api/users/signup", signup)
        if answer.status != 201:
            raise NotAdmitted(f"{self.email} cannot sign up: {answer}")
        token = self.client.get("/api/users/csrf")
        if token.status != 200:
            raise NotAdmitted(f"{self.email} gets no CSRF token: {token}")
        self.client.csrf_token = token.json()["csrf_token"]
        self.look_at_self()
        if not self.user_id:
            raise NotAdmitted(f"{self.email} is not logged in: {self.operations[-1].evidence}")

    def new_key(self) -> str:
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def look_at_self(self) -> None:
        def facts(found: Any) -> Facts:
            self.user_id = found["id"]
            return {"fields": {"email": found["email"]}}

        self.ask(Act.READ_SELF, "GET", "/api/users/me", facts=facts)

    def ask(
        self,
        act: Act,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        expect: tuple[int, ...] = (200,),
        refusals: tuple[str, ...] = (),
        facts: Callable[[Any], Facts] | None = None,
        **known: Any,
    ) -> Operation:
        """One attempt: what came back, whether it may have come, and what it said; kept for the checker.

        `refusals` are the problems with which the shop may rightly say no.
        """
        answer = self.client.request(method, path, body, headers)
        expected = answer.status in expect or _problem(answer) in refusals
        evidence = "" if expected else str(answer)
        if expected and facts and answer.outcome is Outcome.ACKNOWLEDGED:
            try:
                known |= facts(answer.json())
            except (WrongAnswer, KeyError, TypeError, ValueError, AttributeError) as wrong:
                expected, evidence = False, f"{type(wrong).__name__} {wrong}: {answer}"
        return self._keep(act, answer, expected, evidence, known)

    def _keep(self, act: Act, answer: Answer, expected: bool, evidence: str, known: Facts) -> Operation:
        attempt = answer.attempt
        operation = Operation(
            self.email, act, attempt.started, attempt.ended, answer.outcome, answer.status,
            expected=expected, evidence=evidence, **known,
        )  # fmt: skip
        self.operations.append(operation)
        domain = attempt.path.split("/")[2].partition("?")[0]
        touches = not attempt.path.startswith(UNTOUCHED)
        self.samples.append(
            Sample(
                domain,
                attempt.started,
                attempt.seconds,
                not expected,
                touches,
                attempt.method in SAFE_METHODS,
                attempt.new_connection,
            )
        )
        return operation


def _problem(answer: Answer) -> str:
    """The last part of the problem's type, if the answer is one."""
    if "problem+json" not in answer.headers.get("content-type", ""):
        return "none"
    return str(answer.json().get("type", "")).rpartition("/")[2]


def acknowledged(operation: Operation) -> bool:
    """Said yes, and rightly."""
    return operation.outcome is Outcome.ACKNOWLEDGED and operation.expected
