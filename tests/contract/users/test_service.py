"""The users service alone: what it tells others, what a fence does to it, and that hashing is nobody else's wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from legacy_monolith.event import identity
from tests.contract.users.conftest import USERS
from tests.contract.users.sides import EMAIL, LOGIN, LOGOUT, ME, PASSWORD, PASSWORD_CHANGE, SIGNUP, Side, new_number
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.integration.catalog.test_fence import FENCE
from tests.integration.monolith.carrier import Carrier

TABLES = ("account", "credential", "verification", "code", "rate_limit", "outbox")

# What the timer does; in a process of its own, because eventlet warns of itself.
TIDY = """
from extracted.platform.database import Database
from extracted.users.tidying import tidy
tidy(Database.from_environment("URL", "tidying", 1))
"""


@pytest.fixture
def service(both: dict[str, Side], carrier: Carrier) -> Side:
    side = both["service"]
    side.forget_limits()
    return side


@pytest.fixture
def fenced(service: Side) -> Iterator[Side]:
    """As after a switch away; who was there before is still known."""
    service.query(FENCE.replace('"catalog"', '"users"'))
    for table in TABLES:
        service.query(
            f"create trigger a_fig_fence before insert or update or delete on {table} for each statement"
            " execute function fig.deny('users')"
        )
    yield service
    service.query("drop schema fig cascade")


def test_what_happens_is_told_once_under_the_ids_that_the_monolith_would_give_it(
    service: Side, running_carrier: Carrier
) -> None:
    somebody = service.person()
    number, me = new_number(), somebody.user["id"]
    assert somebody.ask(number).status == 202
    assert somebody.verify(running_carrier.last.code).status == 200
    email = f"{uuid4()}@example.org"
    for address in (email, email):
        assert somebody.post(EMAIL, {"email": address, "password": PASSWORD}).status == 200
    change = {"current_password": PASSWORD, "new_password": "a better horse"}
    assert somebody.post(PASSWORD_CHANGE, change).status == 204
    assert somebody.post(LOGOUT).status == 204
    [(code,)] = service.query("select id from code where phone = %s", number)
    told = service.query("select id, type, payload from outbox where payload->'data'->>'user_id' = %s", str(me))
    ids = {kind: id for id, kind, _ in told}
    assert {kind: payload["data"] for _, kind, payload in told} == {
        "user.signed_up": {"user_id": me},
        "user.phone_verified": {"user_id": me},
        "user.email_changed": {"user_id": me, "old_email": somebody.user["email"]},
        "user.password_changed": {"user_id": me},
        "user.logged_out_everywhere": {"user_id": me},
    }
    assert len(told) == 5
    for id, kind, payload in told:
        assert (payload["id"], payload["type"]) == (str(id), kind)
    assert ids["user.signed_up"] == identity("users", me, "user.signed_up")
    assert ids["user.phone_verified"] == identity("users", me, "user.phone_verified", code)
    assert ids["user.password_changed"] == identity("users", me, "user.password_changed", 2)
    assert ids["user.logged_out_everywhere"] == identity("users", me, "user.logged_out_everywhere", 3)


def test_neither_the_log_nor_what_is_told_holds_a_password_a_code_or_a_number(
    service: Side, running_carrier: Carrier, server_folder: Path
) -> None:
    somebody, number = service.person(), new_number()
    assert somebody.ask(number).status == 202
    running_carrier.script = [(401, {"code": 20003, "message": f"not to {number}", "status": 401})]
    assert service.person().ask(number).status == 503
    log = (server_folder / "users.log").read_text()
    told = json.dumps(service.query("select payload from outbox"))
    for secret in (PASSWORD, number, running_carrier.messages[0].code, somebody.user["email"]):
        assert secret not in log
        assert secret not in told


def test_a_side_that_does_not_own_the_users_hands_their_changes_back_and_still_says_who_they_are(
    both: dict[str, Side], service: Side, request: pytest.FixtureRequest
) -> None:
    somebody = service.person()
    request.getfixturevalue("fenced")
    login = {"email": somebody.user["email"], "password": PASSWORD}
    for method, path, body in (
        ("POST", SIGNUP, {**login, "email": "new@example.org", "name": "A", "role": "buyer"}),
        ("POST", LOGIN, login), ("POST", LOGOUT, None), ("PATCH", ME, {"name": "B"}),
        ("POST", EMAIL, login), ("POST", "/api/users/seller", None),
        ("POST", "/api/users/phone", {"phone": new_number()}), ("POST", "/api/users/phone/verify", {"code": "123456"}),
    ):  # fmt: skip
        answer = somebody.send(method, path, body)
        assert (answer.status, answer.headers.get("x-fig-fenced")) == (421, "users 7"), str(answer)
    assert somebody.get(ME).json() == somebody.user
    assert service.statement(somebody) is not None


def test_what_is_over_is_thrown_away_and_nothing_else(service: Side, running_carrier: Carrier) -> None:
    old, new = service.person(), service.person()
    numbers = [new_number(), new_number()]
    for person, number in zip((old, new), numbers, strict=True):
        assert person.ask(number).status == 202
    service.query("update code set created_at = now() - interval '8 days' where phone = %s", numbers[0])
    service.query("update rate_limit set free_at = now() where key like 'message-pause:%'")
    service.query(
        "update outbox set created_at = now() - interval '8 days' where payload->'data'->>'user_id' = %s",
        str(old.user["id"]),
    )
    parts = dict(part.split("=") for part in service.dsn.split())
    url = f"postgresql+psycopg2://users_app@127.0.0.1:{parts['port']}/{parts['dbname']}"
    subprocess.run([sys.executable, "-W", "ignore", "-c", TIDY], env={**os.environ, "URL": url}, check=True)
    assert service.query("select phone from code where phone = any (%s)", numbers) == [(numbers[1],)]
    assert service.query("select count(*) from rate_limit where key like 'message-pause:%'") == [(0,)]
    assert service.query("select count(*) > 0 from rate_limit where key like 'messages-to-number:%'") == [(True,)]
    told = "select count(*) from outbox where payload->'data'->>'user_id' = %s"
    assert [service.query(told, str(person.user["id"])) for person in (old, new)] == [[(0,)], [(1,)]]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"TWILIO_AUTH_TOKEN": ""}, "setting-missing: the environment variable TWILIO_AUTH_TOKEN is not set"),
        ({"SECRET_KEY": ""}, "setting-missing: the environment variable SECRET_KEY is not set"),
        ({"IDENTITY_PRIVATE_KEY_FILE": "/nowhere"}, "setting-wrong: the setting IDENTITY_PRIVATE_KEY_FILE"),
        ({"TRUSTED_PROXIES": "nginx"}, "setting-wrong: the setting TRUSTED_PROXIES"),
    ],
)
def test_a_service_that_lacks_a_setting_says_which_and_does_not_start(
    shared: Mapping[str, str], tmp_path: Path, missing: Mapping[str, str], said: str
) -> None:
    environment = {**shared, "USERS_DATABASE_URL": "postgresql+psycopg2://x@127.0.0.1:1/x", "AMQP_URL": NO_BROKER}
    process = ServiceProcess({**environment, **missing}, tmp_path / "log", USERS)
    process.spawn()
    assert process.process is not None
    assert process.process.wait(30) == 2
    assert said in process.said()
