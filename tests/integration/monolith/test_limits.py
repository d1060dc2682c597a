"""Guessing passwords: counted for everybody alike, in all processes, and exactly."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.security import generate_password_hash

from legacy_monolith import jobs
from legacy_monolith.users import login, passwords
from legacy_monolith.users.limits import PASSWORDS_FROM_ADDRESS, PASSWORDS_OF_ACCOUNT
from tests.integration.monolith.crowds import at_once
from tests.integration.monolith.shop import PASSWORD, Person, Shop, problem
from tests.integration.monolith.test_sessions import CHANGE, LOGIN, statements

AT_ONCE = PASSWORDS_OF_ACCOUNT.at_once


def try_login(person: Person, email: str, password: str = "not it at all", **headers: str):
    return person.post(LOGIN, {"email": email, "password": password}, **headers)


def pass_time(shop: Shop, seconds: float) -> None:
    """As if everything had happened so much earlier."""
    shop.query("update rate_limits set free_at = free_at - %s * interval '1 second'", seconds)


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the counting matters."""
    monkeypatch.setattr(login, "password_matches", lambda stored, password: password == PASSWORD)


@pytest.mark.parametrize("name", ["known", "unknown"])
def test_after_ten_wrong_passwords_even_the_right_one_has_to_wait(shop: Shop, name: str) -> None:
    form = {"email": "known@example.test", "password": PASSWORD, "name": "K", "role": "buyer"}
    assert shop.visitor().post("/api/users/signup", form).status_code == 201
    guesser, email = shop.visitor(), f"{name}@example.test"
    for _ in range(AT_ONCE):
        assert problem(try_login(guesser, email)) == (401, "wrong-credentials")
    # However it is written.
    refused = try_login(guesser, email.upper(), PASSWORD)
    assert problem(refused) == (429, "too-many-requests")
    assert 50 <= int(refused.headers["Retry-After"]) <= 60
    assert set(refused.get_json()) == {"type", "title", "status", "detail", "next_step"}
    pass_time(shop, int(refused.headers["Retry-After"]))
    assert try_login(guesser, email, PASSWORD).status_code == (200 if name == "known" else 401)


def test_one_users_guesser_is_no_other_users_problem(shop: Shop, cheap_hashes: None) -> None:
    one, other = shop.person(), shop.person()
    for _ in range(AT_ONCE + 1):
        refused = try_login(shop.visitor(), one.user["email"])
    assert refused.status_code == 429
    assert one.get("/api/users/me").status_code == 200
    shop.logged_in(other)


def test_right_passwords_are_not_counted(shop: Shop, cheap_hashes: None) -> None:
    somebody = shop.person()
    for _ in range(AT_ONCE + 5):
        shop.logged_in(somebody)
    answers = [try_login(shop.visitor(), somebody.user["email"]).status_code for _ in range(AT_ONCE + 1)]
    assert answers == [401] * AT_ONCE + [429]


def test_of_many_guesses_at_once_exactly_as_many_as_allowed_are_answered(shop: Shop, cheap_hashes: None) -> None:
    email = shop.person().user["email"]
    assert try_login(shop.visitor(), email).status_code == 401
    lock = "select key from rate_limits where key like 'passwords-of-account:%' for update"
    guesses = [lambda: try_login(shop.visitor(), email).status_code for _ in range(16)]
    answers = at_once(shop, lock, guesses)
    assert sorted(answers) == [401] * (AT_ONCE - 1) + [429] * (16 - AT_ONCE + 1)


def test_all_processes_count_together(shop: Shop, cheap_hashes: None) -> None:
    second = Shop(shop.server, shop.database, shop.identity_key)
    email = shop.person().user["email"]
    answers = [try_login((shop, second)[i % 2].visitor(), email).status_code for i in range(AT_ONCE + 2)]
    second.close()
    assert answers == [401] * AT_ONCE + [429] * 2


def test_an_address_that_tries_account_after_account_is_stopped_and_others_are_not(
    shop: Shop, cheap_hashes: None
) -> None:
    somebody = shop.person()

    def guess(number: int) -> int:
        return try_login(shop.visitor(), f"{number}@example.test", X_Real_IP="203.0.113.7").status_code

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(guess, range(PASSWORDS_FROM_ADDRESS.at_once)))
    assert set(answers) == {401}
    email = somebody.user["email"]
    assert try_login(shop.visitor(), email, PASSWORD, X_Real_IP="203.0.113.7").status_code == 429
    assert try_login(shop.visitor(), email, PASSWORD, X_Real_IP="203.0.113.8").status_code == 200


def test_a_client_that_names_its_own_address_is_not_believed(new_shop: Callable[..., Shop], cheap_hashes: None) -> None:
    shop = new_shop(TRUSTED_PROXIES=())
    for number in range(PASSWORDS_FROM_ADDRESS.at_once):
        try_login(shop.visitor(), f"{number}@example.test", X_Real_IP=f"203.0.113.{number}")
    assert try_login(shop.visitor(), "a@example.test", X_Real_IP="198.51.100.1").status_code == 429


def test_a_stolen_session_is_no_place_to_guess_the_password_at(shop: Shop, cheap_hashes: None) -> None:
    somebody = shop.person()
    form = {"current_password": "not it at all", "new_password": "another horse"}
    assert [somebody.post(CHANGE, form).status_code for _ in range(AT_ONCE)] == [403] * AT_ONCE
    assert problem(somebody.post(CHANGE, form))[0] == 429
    email = {"email": "new@example.test", "password": "not it at all"}
    assert problem(somebody.post("/api/users/email", email))[0] == 429
    assert try_login(shop.visitor(), somebody.user["email"]).status_code == 429


def test_the_same_is_done_for_an_unknown_user_as_for_a_known_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    email = shop.person().user["email"]
    methods: list[str] = []
    plain = passwords.check_password_hash

    def compared(stored: str, password: str) -> bool:
        methods.append(stored.partition("$")[0])
        return plain(stored, password)

    monkeypatch.setattr(passwords, "check_password_hash", compared)
    done = []
    for address in (email, "nobody@example.test"):
        with statements(shop) as seen:
            try_login(shop.visitor(), address)
        done.append(seen)
    assert done[0] == done[1]
    assert methods == [passwords.METHOD] * 2


def test_the_limits_table_tells_nobody_who_was_counted(shop: Shop, cheap_hashes: None) -> None:
    try_login(shop.visitor(), "alice@example.test", X_Real_IP="203.0.113.7")
    said = str(shop.query("select key from rate_limits"))
    assert len(shop.query("select key from rate_limits")) == 2
    assert "alice" not in said
    assert "203.0.113" not in said


def test_limits_that_limit_nobody_any_more_are_forgotten_and_others_are_not(shop: Shop, cheap_hashes: None) -> None:
    try_login(shop.visitor(), "early@example.test", X_Real_IP="203.0.113.7")
    pass_time(shop, 61)
    try_login(shop.visitor(), "late@example.test", X_Real_IP="203.0.113.8")
    jobs.tidy(shop.app)
    assert shop.query("select count(*) from rate_limits") == [(2,)]


def test_a_password_hashed_by_older_rules_is_hashed_anew_at_its_next_use(shop: Shop) -> None:
    somebody = shop.person()
    old = generate_password_hash(PASSWORD, method="scrypt:1024:8:1")
    shop.query("update users set password_hash = %s", old)
    assert try_login(shop.visitor(), somebody.user["email"]).status_code == 401
    assert shop.query("select password_hash from users") == [(old,)]
    shop.logged_in(somebody)
    [(stored,)] = shop.query("select password_hash from users")
    assert stored.startswith(f"{passwords.METHOD}$")
    shop.logged_in(somebody)
    # And not again and again.
    assert shop.query("select password_hash from users") == [(stored,)]
    # Nobody was logged out by it.
    assert somebody.get("/api/users/me").status_code == 200


def test_hashing_anew_never_brings_a_changed_password_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = shop.person()
    shop.query("update users set password_hash = %s", generate_password_hash(PASSWORD, method="scrypt:1024:8:1"))

    def slow(password: str) -> str:
        shop.query("update users set password_hash = 'changed meanwhile'")
        return passwords.hash_password(password)

    monkeypatch.setattr(login, "hash_password", slow)
    assert try_login(shop.visitor(), somebody.user["email"], PASSWORD).status_code == 200
    assert shop.query("select password_hash from users") == [("changed meanwhile",)]
