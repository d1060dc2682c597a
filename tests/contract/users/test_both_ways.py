"""A switch logs nobody out: what one side has made, the other one understands (I8)."""

from __future__ import annotations

from tests.contract.users.sides import (
    LOGIN,
    LOGOUT,
    ME,
    PASSWORD,
    PASSWORD_CHANGE,
    SELLER,
    Person,
    Side,
    new_number,
    problem,
)
from tests.integration.monolith.carrier import Carrier

Way = tuple[Side, Side]


def moved(way: Way, person: Person) -> Person:
    """The same browser, after the stream and the switch."""
    origin, target = way
    target.receive(origin, person)
    return person.at(target)


def test_a_session_its_token_and_its_role_are_as_good_over_there(way: Way) -> None:
    somebody = way[0].person("seller")
    there = moved(way, somebody)
    assert there.get(ME).json() == somebody.user
    assert there.send("PATCH", ME, {"name": "Over there"}).status == 200
    assert way[1].statement(there, "POST") is not None
    # A token of the other side is of the same session.
    there.fetch_token()
    assert there.at(way[0]).send("PATCH", ME, {"name": "And back"}).status == 200


def test_who_is_remembered_is_remembered_over_there_and_still_needs_a_token(way: Way) -> None:
    somebody = way[0].logged_in(way[0].person(), remember=True)
    there = moved(way, somebody)
    there.close_browser()
    assert problem(there.send("PATCH", ME, {"name": "Mallory"})) == (403, "csrf-token-invalid")
    there.fetch_token()
    assert there.send("PATCH", ME, {"name": "Alice"}).status == 200
    # What began again over there is a session here.
    assert there.at(way[0]).get(ME).status == 200


def test_a_password_set_here_opens_the_account_there_and_one_changed_there_here(way: Way) -> None:
    origin, target = way
    somebody = origin.logged_in(origin.person(), remember=True)
    copy = somebody.stolen()
    there = moved(way, somebody)
    target.logged_in(there)
    changed = there.post(PASSWORD_CHANGE, {"current_password": PASSWORD, "new_password": "a better horse"})
    assert changed.status == 204
    origin.receive(target, there)
    back = there.at(origin)
    # This session went on, remembered as before; the copy from before has ended.
    assert back.send("PATCH", ME, {"name": "Back"}).status == 200
    back.close_browser()
    assert back.get(ME).status == 200
    assert copy.get(ME).status == 401
    origin.logged_in(there, "a better horse")
    assert origin.visitor().post(LOGIN, {"email": there.user["email"], "password": PASSWORD}).status == 401


def test_a_logout_there_ends_the_sessions_from_here(way: Way) -> None:
    origin, target = way
    here = origin.logged_in(origin.person(), remember=True)
    copies = [here.stolen(), here.stolen()]
    copies[1].close_browser()
    there = moved(way, here)
    assert there.post(LOGOUT).status == 204
    assert there.client.cookies == {}
    for copy in copies:
        assert copy.at(target).get(ME).status == 401
    origin.receive(target, there)
    for copy in copies:
        assert copy.get(ME).status == 401


def test_a_code_sent_here_is_checked_there_with_the_attempts_it_has_left(way: Way, carrier: Carrier) -> None:
    somebody, number = way[0].person(), new_number()
    assert somebody.ask(number).status == 202
    code = carrier.last.code
    assert somebody.verify(f"{(int(code) + 1) % 1_000_000:06}").json()["attempts_left"] == 4
    there = moved(way, somebody)
    assert there.verify(f"{(int(code) + 2) % 1_000_000:06}").json()["attempts_left"] == 3
    assert there.verify(code).json()["phone"] == number
    assert len(carrier.messages) == 1
    assert there.post(SELLER).json()["role"] == "seller"


def test_what_was_counted_here_counts_there(way: Way) -> None:
    origin, target = way
    somebody = origin.person()
    target.receive(origin, somebody)
    guess = {"email": somebody.user["email"], "password": "not it at all"}
    for _ in range(10):
        assert origin.visitor().post(LOGIN, guess).status == 401
    for row in origin.query(f"select key, free_at from {origin.names.limit}"):
        target.query(f"insert into {target.names.limit} values (%s, %s)", *row)
    assert target.visitor().post(LOGIN, guess).status == 429
