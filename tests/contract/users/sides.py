"""The two implementations of the users' contract, as processes, and people who use them."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from tests.integration.catalog.identities import Issuer
from tests.support.clients import Answer, Client

ME, LOGIN, LOGOUT = "/api/users/me", "/api/users/login", "/api/users/logout"
SIGNUP, CSRF, PASSWORD_CHANGE, EMAIL = (
    "/api/users/signup",
    "/api/users/csrf",
    "/api/users/password",
    "/api/users/email",
)
PHONE, VERIFY, SELLER, SESSION = (
    "/api/users/phone",
    "/api/users/phone/verify",
    "/api/users/seller",
    "/internal/users/session",
)
PASSWORD = "correct horse battery staple"
# A second apart from everybody else's ids, so that people may move to the other side.
_ids = itertools.count(1_000_000)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Names:
    """What one side calls the tables and columns that tests look into."""

    code: str
    limit: str
    credential: str
    key: str
    copied: tuple[tuple[str, str], ...]
    """(what is read of one user, how it is written), in this order."""


MONOLITH_NAMES = Names("phone_codes", "rate_limits", "users", "id", (
    ("select id, email, name, role, created_at, password_hash, session_epoch, phone, phone_verified_at from users"
     " where id = %s",
     "insert into users (id, email, name, role, created_at, password_hash, session_epoch, phone, phone_verified_at)"
     " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (id) do update set"
     " password_hash = excluded.password_hash, session_epoch = excluded.session_epoch, role = excluded.role,"
     " phone = excluded.phone, phone_verified_at = excluded.phone_verified_at"),
    ("select id, user_id, phone, state, attempts, created_at, expires_at from phone_codes where user_id = %s",
     "insert into phone_codes (id, user_id, phone, state, attempts, created_at, expires_at)"
     " values (%s, %s, %s, %s, %s, %s, %s)"),
))  # fmt: skip
SERVICE_NAMES = Names("code", "rate_limit", "credential", "account_id", (
    ("select id, email, name, role::text, created_at, password_hash, session_epoch, phone, verified_at from account"
     " join credential c on c.account_id = id left join verification v on v.account_id = id where id = %s",
     "with i as (select %s::bigint as id, %s as email, %s as name, %s::account_role as role, %s::timestamptz as at,"
     " %s as hash, %s::int as epoch, %s as phone, %s::timestamptz as verified),"
     " a as (insert into account select id, email, name, role, at from i on conflict (id) do update"
     " set role = excluded.role),"
     " v as (insert into verification select id, phone, verified from i where phone is not null"
     " on conflict (account_id) do update set phone = excluded.phone)"
     " insert into credential select id, hash, epoch from i on conflict (account_id) do update"
     " set password_hash = excluded.password_hash, session_epoch = excluded.session_epoch"),
    ("select id, account_id, phone, state::text, attempts, created_at, expires_at from code where account_id = %s",
     "insert into code (id, account_id, phone, state, attempts, created_at, expires_at)"
     " values (%s, %s, %s, %s::code_state, %s, %s, %s)"),
))  # fmt: skip


def problem(answer: Answer) -> tuple[int | None, str]:
    return answer.status, answer.json()["type"].removeprefix("/problems/")


def new_number() -> str:
    return f"+49151{next(_numbers):08}"


@dataclass
class Person:
    """Somebody with a browser. A method's answer is the answer of the side, whatever it is."""

    client: Client
    user: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        return self.client.get(path, {name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        return self.client.request(method, path, body, {n.replace("_", "-"): v for n, v in headers.items()})

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.send("POST", path, body, **headers)

    def fetch_token(self) -> str:
        self.client.csrf_token = self.get(CSRF).json()["csrf_token"]
        return self.client.csrf_token

    def close_browser(self) -> None:
        """The session's cookie is gone with it; the other one stays."""
        self.client.cookies.pop("session", None)
        self.client.csrf_token = ""

    def at(self, side: Side) -> Person:
        """The same browser, which now talks to this side."""
        return Person(replace(self.client, url=side.url, _connection=None), self.user)

    def stolen(self) -> Person:
        """Somebody else with a copy of the cookies."""
        return Person(replace(self.client, cookies=dict(self.client.cookies), _connection=None))

    def ask(self, number: str) -> Answer:
        return self.post(PHONE, {"phone": number})

    def verify(self, code: str) -> Answer:
        return self.post(VERIFY, {"code": code})


@dataclass
class Side:
    url: str
    dsn: str
    names: Names

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """As superuser, past the application."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def visitor(self) -> Person:
        return Person(Client(self.url, keep_alive=False))

    def person(self, role: str = "buyer") -> Person:
        """A logged-in user that nobody was before."""
        sequence = {"users": "users_id_seq", "credential": "account_id_seq"}[self.names.credential]
        self.query(f"select setval('{sequence}', {next(_ids)})")
        somebody = self.visitor()
        form = {"email": f"{uuid.uuid4()}@example.org", "password": PASSWORD, "name": "Ada", "role": role}
        answer = somebody.post(SIGNUP, form)
        assert answer.status == 201, str(answer)
        somebody.user = answer.json()
        somebody.fetch_token()
        return somebody

    def logged_in(self, person: Person, password: str = PASSWORD, remember: bool = False) -> Person:
        """The same user in another browser, with a session of its own."""
        other = self.visitor()
        answer = other.post(LOGIN, {"email": person.user["email"], "password": password, "remember": remember})
        assert answer.status == 200, str(answer)
        other.user = answer.json()
        other.fetch_token()
        return other

    def forget_limits(self) -> None:
        self.query(f"delete from {self.names.limit}")

    def receive(self, origin: Side, person: Person) -> None:
        """What the stream does: the person's rows appear here as they are there."""
        for (read, _), (_, write) in zip(origin.names.copied, self.names.copied, strict=True):
            self.query(f"delete from {self.names.code} where {_owner(self)} = %s", person.user["id"])
            for row in origin.query(read, person.user["id"]):
                self.query(write, *row)

    def statement(self, person: Person, method: str = "GET") -> str | None:
        headers = {"X-Original-Method": method}
        if person.client.csrf_token:
            headers["X-CSRF-Token"] = person.client.csrf_token
        answer = person.at(self).client.get(SESSION, headers)
        assert answer.status == 204, str(answer)
        return answer.headers.get("x-identity")


def _owner(side: Side) -> str:
    return "user_id" if side.names.code == "phone_codes" else "account_id"


def forged(person: Person) -> str:
    """A statement about the person by somebody who has no key of ours."""
    return Issuer().token(person.user["id"])
