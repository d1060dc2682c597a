"""The two implementations of the notifications' contract, as processes, and people who are told something.

People live in the monolith's users on both sides: who sends a message asks there how they can be reached.
"""

from __future__ import annotations

import json
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from kombu import Connection

from legacy_monolith import sending
from legacy_monolith.notifications import inbox
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import ServiceProcess
from tests.integration.monolith.elsewhere import Server
from tests.integration.monolith.shop import Shop
from tests.support.clients import Answer, Client
from tests.support.waiting import wait_until

MESSAGES = "/api/notifications/messages"
UNREAD = "/api/notifications/unread"
PREFERENCES = "/api/notifications/preferences"
NUMBER = "+4915112345678"
# An order's events need no order to be told.
ORDER: dict[str, Any] = {"order_id": 7, "amount": 2468, "lines": [{"title": "A chair\nof oak", "quantity": 2}]}


def problem(answer: Answer) -> tuple[int | None, str]:
    return answer.status, answer.json()["type"].removeprefix("/problems/")


@dataclass(frozen=True)
class Names:
    """What one side calls the tables and columns that tests look into."""

    messages: str
    inbox: str
    state: str
    due: str
    states: Mapping[str, str]
    """From a state that clients read to what is stored."""


MONOLITH_NAMES = Names(
    "notification_messages", "notifications_inbox", "state", "next_attempt_at",
    {name: name for name in ("pending", "sending", "sent", "failed", "in_doubt", "skipped")},
)  # fmt: skip
SERVICE_NAMES = Names(
    "message", "inbox", "status", "due_at",
    {"pending": "queued", "sending": "sending", "sent": "sent", "failed": "failed", "in_doubt": "unknown",
     "skipped": "suppressed"},
)  # fmt: skip


@dataclass
class Person:
    """Somebody with a browser. A method's answer is the answer of the side, whatever it is."""

    client: Client
    id: int = 0
    email: str = ""

    def get(self, path: str) -> Answer:
        return self.client.get(path)

    def send(self, method: str, path: str, body: object = None) -> Answer:
        return self.client.request(method, path, body)

    def choose(self, **choices: object) -> None:
        answer = self.send("PATCH", PREFERENCES, choices)
        assert answer.status == 200, str(answer)

    def messages(self, query: str = "") -> dict[str, Any]:
        answer = self.get(f"{MESSAGES}{query}")
        assert answer.status == 200, str(answer)
        page: dict[str, Any] = answer.json()
        return page

    def states(self) -> list[tuple[str, str]]:
        """Oldest first, the text message before its mail."""
        return [(one["channel"], one["state"]) for one in sorted(self.messages()["items"], key=_age)]

    def unread(self) -> int:
        return int(self.get(UNREAD).json()["unread"])


def _age(message: dict[str, Any]) -> tuple[str, str]:
    return message["created_at"], message["channel"]


@dataclass
class Side(ABC):
    url: str
    dsn: str
    names: Names
    users: Server

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """As superuser, past the application and past a fence."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def visitor(self) -> Person:
        return Person(Client(self.url, keep_alive=False))

    def person(self, phone: str | None = None, csrf: bool = True) -> Person:
        """A logged-in user that nobody was before, whose welcome is over."""
        browser = Client(self.users.url, keep_alive=False)
        form = {"email": f"{uuid.uuid4()}@example.org", "password": "correct horse", "name": "Ada", "role": "buyer"}
        answer = browser.post("/api/users/signup", form)
        assert answer.status == 201, str(answer)
        user_id = answer.json()["id"]
        shop = self.users.shop
        if phone:
            shop.query("update users set phone = %s, phone_verified_at = now() where id = %s", phone, user_id)
        shop.query("delete from notification_messages where user_id = %s", user_id)
        return Person(self.client(browser, user_id, csrf), user_id, form["email"])

    @abstractmethod
    def client(self, browser: Client, user_id: int, csrf: bool) -> Client:
        """How this side is told who asks."""

    @abstractmethod
    def tell(self, *events: dict[str, Any]) -> None:
        """Events of other domains; returns when all are acted on."""

    @abstractmethod
    def work(self) -> None:
        """Let the background work do what is due."""

    def happen(
        self, person: Person, kind: str = "order.paid", ago: timedelta = timedelta(), **facts: Any
    ) -> dict[str, Any]:
        event = {
            "id": str(uuid.uuid4()), "type": kind, "occurred_at": (datetime.now(UTC) - ago).isoformat(),
            "data": {"user_id": person.id, **ORDER, **facts},
        }  # fmt: skip
        self.tell(event)
        return event

    def pass_time(self, person: Person) -> None:
        """As if every pause of their messages were over, and every claim old."""
        names, owner = self.names, self._owner
        self.query(f"update {names.messages} set {names.due} = now() where {names.due} is not null"
                   f" and {owner} = {person.id}")  # fmt: skip
        self.query(f"update {names.messages} set claimed_at = claimed_at - interval '3 minutes'"
                   f" where {names.state} = 'sending' and {owner} = {person.id}")  # fmt: skip

    def pauses(self, person: Person) -> list[tuple[int, int]]:
        """Attempts, and about how many seconds after the last one comes the next."""
        return [(attempts, round(float(seconds) / 5) * 5) for attempts, seconds in self.query(
            f"select attempts, extract(epoch from {self.names.due} - now()) from {self.names.messages}"
            f" where {self.names.due} is not null and {self._owner} = {person.id}"
        )]  # fmt: skip

    @property
    def _owner(self) -> str:
        return "user_id" if self.names is MONOLITH_NAMES else "receiver_id"

    def reset(self) -> None:
        """No messages of others."""
        self.query(f"delete from {self.names.messages}")

    def is_noted(self, event: dict[str, Any]) -> bool:
        return bool(self.query(f"select 1 from {self.names.inbox} where message_id = %s", event["id"]))


@dataclass
class Monolith(Side):
    """Its background processes are run step by step."""

    shop: Shop = field(kw_only=True)

    def client(self, browser: Client, user_id: int, csrf: bool) -> Client:
        if csrf:
            browser.csrf_token = browser.get("/api/users/csrf").json()["csrf_token"]
        return browser

    def tell(self, *events: dict[str, Any]) -> None:
        with self.shop.app.app_context():
            for event in events:
                inbox.receive(event)

    def work(self) -> None:
        sending.send_all(self.shop.app, threading.Event())


@dataclass
class Service(Side):
    """Behind the proxy, which would put the identity into a header; hears of others over the broker."""

    process: ServiceProcess = field(kw_only=True)
    issuer: Issuer = field(kw_only=True)
    broker: str = field(kw_only=True)

    def client(self, browser: Client, user_id: int, csrf: bool) -> Client:
        token = self.issuer.token(user_id, roles=["buyer"], csrf=csrf)
        return Client(self.url, keep_alive=False, headers={"X-Identity": token})

    def tell(self, *events: dict[str, Any]) -> None:
        with Connection(self.broker, transport_options={"confirm_publish": True}) as connection:
            channel = connection.default_channel
            for event in events:
                message = channel.prepare_message(json.dumps(event).encode(), content_type="application/json")
                domain = "users" if event["type"].startswith("user.") else "payments"
                channel.basic_publish(message, f"{domain}.events", event["type"])
        wait_until(lambda: all(map(self.is_noted, events)), 20, f"events arrive; log: {self.process.log}")

    def work(self) -> None:
        # A message that somebody prepares is put off by 30 s; one that is to be sent again by 15 s, or 60 s and more.
        due = "due_at <= now() or due_at between now() + interval '15.1 s' and now() + interval '30.1 s'"
        open_ones = f"select 1 from message where status = 'sending' or {due}"
        wait_until(lambda: not self.query(open_ones), 20, f"messages are sent; log: {self.process.log}", every=0.05)
