"""Codes to a phone: one message, five minutes, five attempts, one use. The same on both sides."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.users.sides import ME, SELLER, Person, Side, new_number, problem
from tests.integration.monolith.carrier import HANG_UP, Answer, Carrier


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def with_code(side: Side, carrier: Carrier) -> tuple[Person, str, str]:
    somebody, number = side.person(), new_number()
    answer = somebody.ask(number)
    assert (answer.status, answer.json()["delivery"]) == (202, "sent"), str(answer)
    return somebody, number, carrier.last.code


def pass_pause(side: Side) -> None:
    side.query(f"delete from {side.names.limit} where starts_with(key, 'message-pause:')")


def test_the_code_proves_the_number_once_and_makes_a_seller_possible(side: Side, carrier: Carrier) -> None:
    somebody, number, code = with_code(side, carrier)
    [message] = carrier.messages
    assert (message.to, message.sender, message.text[6:]) == (
        number, "+15005550006", " is your code for the shop, for 5 minutes. Give it to nobody.",
    )  # fmt: skip
    assert somebody.get(ME).json()["phone"] is None
    assert somebody.verify(code).json() == {**somebody.user, "phone": number}
    assert problem(somebody.verify(code)) == (409, "code-used")
    before = somebody.client.cookies["session"]
    assert somebody.post(SELLER).json()["role"] == "seller"
    # The proxy knows a session by its cookie.
    assert somebody.client.cookies["session"] != before
    contact = side.visitor().get(f"/internal/users/{somebody.user['id']}/contact").json()
    assert contact["phone"] == number


def test_the_sixth_attempt_is_refused_even_with_the_right_code(side: Side, carrier: Carrier) -> None:
    somebody, _, code = with_code(side, carrier)
    for left in (4, 3, 2, 1, 0):
        refused = somebody.verify(wrong(code))
        assert problem(refused) == (403, "wrong-code")
        assert refused.json()["attempts_left"] == left
        assert refused.json()["detail"] == f"This is not the code; {left} attempts are left."
    assert problem(somebody.verify(code)) == (409, "code-exhausted")
    assert somebody.get(ME).json()["phone"] is None


def test_many_guesses_at_once_are_five_attempts(side: Side, carrier: Carrier) -> None:
    somebody, _, code = with_code(side, carrier)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: somebody.stolen().verify(wrong(code)).json(), range(8)))
    assert sorted(said["attempts_left"] for said in answers if "attempts_left" in said) == [0, 1, 2, 3, 4]
    assert problem(somebody.verify(code)) == (409, "code-exhausted")


def test_an_old_code_and_one_before_the_newest_are_void(side: Side, carrier: Carrier) -> None:
    somebody, number, first = with_code(side, carrier)
    side.query(f"update {side.names.code} set expires_at = now() where phone = %s", number)
    assert problem(somebody.verify(first)) == (409, "code-expired")
    assert problem(somebody.ask(number)) == (429, "too-many-requests")
    pass_pause(side)
    assert somebody.ask(number).status == 202
    assert problem(somebody.verify(first)) == (403, "wrong-code")
    assert somebody.verify(carrier.last.code).status == 200


def test_a_code_is_its_receivers_only(side: Side, carrier: Carrier) -> None:
    _, _, code = with_code(side, carrier)
    assert problem(side.person().verify(code)) == (409, "no-code")


@pytest.mark.parametrize("number", ["", "0151 2345678", "+0151234567", "+4915112345678901", 49])
def test_what_is_no_number_is_named(side: Side, carrier: Carrier, number: str) -> None:
    refused = side.person().ask(number)
    assert problem(refused) == (422, "invalid-fields")
    assert refused.json()["errors"][0]["field"] == "phone"
    assert carrier.messages == []


def test_a_number_gets_five_codes_whoever_asks_for_them(side: Side, carrier: Carrier) -> None:
    number = new_number()
    assert [side.person().ask(number).status for _ in range(6)] == [202] * 5 + [429]
    assert len(carrier.messages) == 5


def test_codes_are_not_guessed_over_many_messages(side: Side, carrier: Carrier) -> None:
    somebody, number, code = with_code(side, carrier)
    for _ in range(10):
        side.query(f"update {side.names.code} set attempts = 0 where phone = %s", number)
        assert somebody.verify(wrong(code)).status == 403
    assert problem(somebody.verify(code)) == (429, "too-many-requests")


@pytest.mark.parametrize("answer", [HANG_UP, (500, {"message": "oops"}), (200, b"<html>")])
def test_a_message_in_doubt_is_sent_once_and_its_code_is_good(side: Side, carrier: Carrier, answer: Answer) -> None:
    somebody, number = side.person(), new_number()
    carrier.script = [answer]
    assert somebody.ask(number).json()["delivery"] == "in_doubt"
    assert len(carrier.messages) == 1
    assert side.query(f"select state::text from {side.names.code} where phone = %s", number) == [("in_doubt",)]
    assert somebody.verify(carrier.last.code).status == 200


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ((400, {"code": 21211, "message": "not valid", "status": 400}), (422, "invalid-fields")),
        ((401, {"code": 20003, "message": "no", "status": 401}), (503, "messages-unavailable")),
    ],
)
def test_a_message_that_was_not_taken_has_no_code(
    side: Side, carrier: Carrier, answer: Answer, refusal: tuple[int, str]
) -> None:
    somebody = side.person()
    carrier.script = [answer]
    assert problem(somebody.ask(new_number())) == refusal
    assert problem(somebody.verify(carrier.last.code)) == (409, "no-code")


def test_the_intent_is_committed_and_claimed_before_the_message_goes_out(side: Side, carrier: Carrier) -> None:
    seen: list[object] = []

    def look() -> None:
        seen.extend(side.query(f"select state::text from {side.names.code} where phone = %s", number))
        # Whoever stops writes waits for the message under way.
        locked = f"select id from {side.names.code} where phone = %s for update skip locked"
        seen.extend(side.query(locked, number))

    somebody, number = side.person(), new_number()
    carrier.on_arrival = look
    assert somebody.ask(number).status == 202
    assert seen == [("intended",)]
