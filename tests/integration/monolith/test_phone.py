"""Codes to a phone: one message, five minutes, five attempts, one use; and what that makes possible."""

from __future__ import annotations

import base64
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from legacy_monolith import jobs, settings
from legacy_monolith.errors import SettingsMissing
from legacy_monolith.users import codes, limits, twilio_messages
from legacy_monolith.users.messages import Fate
from legacy_monolith.users.twilio_messages import TwilioMessages
from tests.integration.monolith import carrier as carriers
from tests.integration.monolith.carrier import HANG_UP, Answer, Carrier
from tests.integration.monolith.crowds import at_once
from tests.integration.monolith.shop import PRODUCTS, Person, Shop, problem
from tests.support.postgres import free_port

PHONE, VERIFY, SELLER = "/api/users/phone", "/api/users/phone/verify", "/api/users/seller"
NUMBER = "+4915112345678"
ACCOUNT = {"TWILIO_ACCOUNT_SID": "AC0", "TWILIO_AUTH_TOKEN": "a token", "TWILIO_FROM": "+15005550006"}
NEWEST = "select id from phone_codes for update"


@pytest.fixture(scope="module")
def running_carrier() -> Iterator[Carrier]:
    with carriers.running() as carrier:
        yield carrier


@pytest.fixture
def carrier(running_carrier: Carrier) -> Carrier:
    running_carrier.reset()
    return running_carrier


@pytest.fixture(scope="module")
def texting_shop(new_shop: Callable[..., Shop], running_carrier: Carrier) -> Shop:
    return new_shop(**ACCOUNT, TWILIO_BASE_URL=running_carrier.url)


@pytest.fixture
def shop(texting_shop: Shop, carrier: Carrier) -> Shop:
    texting_shop.clear()
    return texting_shop


def ask(person: Person, number: str = NUMBER, **headers: str):
    return person.post(PHONE, {"phone": number}, **headers)


def verify(person: Person, code: str):
    return person.post(VERIFY, {"code": code})


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def pass_pause(shop: Shop) -> None:
    """As if the last message had been sent a minute earlier; whatever else is counted stays."""
    shop.query("update rate_limits set free_at = free_at - interval '61 s' where starts_with(key, 'message-pause:')")


def with_code(shop: Shop, carrier: Carrier) -> tuple[Person, str]:
    somebody = shop.person()
    assert ask(somebody).status_code == 202
    return somebody, carrier.last.code


def test_the_code_of_the_message_proves_the_number(shop: Shop, carrier: Carrier) -> None:
    somebody = shop.person()
    assert somebody.user["phone"] is None
    asked = ask(somebody)
    assert (asked.status_code, asked.get_json()["delivery"]) == (202, "sent")
    [message] = carrier.messages
    assert (message.to, message.sender) == (NUMBER, ACCOUNT["TWILIO_FROM"])
    assert message.path == "/2010-04-01/Accounts/AC0/Messages.json"
    assert base64.b64decode(message.authorization.removeprefix("Basic ")) == b"AC0:a token"
    assert re.fullmatch(r"[0-9]{6}", message.code)
    # Asked for is not proved.
    assert somebody.get("/api/users/me").get_json()["phone"] is None
    assert verify(somebody, message.code).get_json() == {**somebody.user, "phone": NUMBER}
    assert somebody.get("/api/users/me").get_json()["phone"] == NUMBER


def test_a_code_works_once(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    assert verify(somebody, code).status_code == 200
    assert problem(verify(somebody, code)) == (409, "code-used")


def test_of_two_attempts_at_once_with_the_same_code_one_wins(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    tabs = [shop.same_person(somebody) for _ in range(2)]
    answers = at_once(shop, NEWEST, [partial(verify, tab, code) for tab in tabs])
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert [problem(answer)[1] for answer in answers if answer.status_code == 409] == ["code-used"]


def test_the_sixth_attempt_is_refused_even_with_the_right_code(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    for left in (4, 3, 2, 1, 0):
        refused = verify(somebody, wrong(code))
        assert problem(refused) == (403, "wrong-code")
        assert refused.get_json()["attempts_left"] == left
    assert problem(verify(somebody, code)) == (409, "code-exhausted")
    assert somebody.get("/api/users/me").get_json()["phone"] is None


def test_the_fifth_attempt_may_be_the_right_one(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    for _ in range(4):
        verify(somebody, wrong(code))
    assert verify(somebody, code).status_code == 200


def test_many_guesses_at_once_are_five_attempts(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    tabs = [shop.same_person(somebody) for _ in range(8)]
    answers = at_once(shop, NEWEST, [partial(verify, tab, wrong(code)) for tab in tabs])
    left = [answer.get_json().get("attempts_left") for answer in answers]
    assert sorted(number for number in left if number is not None) == [0, 1, 2, 3, 4]
    assert {problem(answer)[1] for answer in answers} == {"wrong-code", "code-exhausted"}
    assert problem(verify(somebody, code)) == (409, "code-exhausted")


def test_after_five_minutes_the_code_is_void(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    assert shop.query("select expires_at - created_at = interval '5 minutes' from phone_codes") == [(True,)]
    shop.query("update phone_codes set expires_at = expires_at - interval '299 s'")
    assert problem(verify(somebody, wrong(code))) == (403, "wrong-code")
    shop.query("update phone_codes set expires_at = expires_at - interval '1 s'")
    assert problem(verify(somebody, code)) == (409, "code-expired")


def test_a_new_code_makes_the_earlier_one_void(shop: Shop, carrier: Carrier) -> None:
    somebody, first = with_code(shop, carrier)
    pass_pause(shop)
    assert ask(somebody).status_code == 202
    second = carrier.last.code
    assert first != second
    assert problem(verify(somebody, first)) == (403, "wrong-code")
    assert verify(somebody, second).status_code == 200


def test_a_code_is_its_receivers_only(shop: Shop, carrier: Carrier) -> None:
    _, code = with_code(shop, carrier)
    other = shop.person()
    assert problem(verify(other, code)) == (409, "no-code")


def test_without_a_session_and_its_token_nothing_is_sent_or_checked(shop: Shop, carrier: Carrier) -> None:
    somebody = shop.person()
    for path, form in ((PHONE, {"phone": NUMBER}), (VERIFY, {"code": "123456"}), (SELLER, None)):
        assert problem(shop.visitor().post(path, form)) == (401, "not-authenticated")
        assert problem(somebody.post(path, form, X_CSRF_Token="wrong")) == (403, "csrf-token-invalid")
    assert carrier.messages == []


@pytest.mark.parametrize("number", ["", "0151 2345678", "+0151234567", "+49", "+4915112345678901", "+49151a23456", 49])
def test_what_is_no_number_is_named(shop: Shop, carrier: Carrier, number: Any) -> None:
    refused = ask(shop.person(), number)
    assert problem(refused) == (422, "invalid-fields")
    assert refused.get_json()["errors"][0]["field"] == "phone"
    assert carrier.messages == []


def test_a_second_code_has_to_wait_a_minute(shop: Shop, carrier: Carrier) -> None:
    somebody, _ = with_code(shop, carrier)
    refused = ask(somebody)
    assert problem(refused) == (429, "too-many-requests")
    assert 50 <= int(refused.headers["Retry-After"]) <= 60
    assert len(carrier.messages) == 1
    pass_pause(shop)
    assert ask(somebody).status_code == 202


def test_of_many_requests_for_a_code_at_once_one_is_sent(shop: Shop, carrier: Carrier) -> None:
    somebody, _ = with_code(shop, carrier)
    pass_pause(shop)
    tabs = [shop.same_person(somebody) for _ in range(6)]
    lock = "select key from rate_limits where key like 'message%' for update"
    answers = at_once(shop, lock, [partial(ask, tab) for tab in tabs])
    assert sorted(answer.status_code for answer in answers) == [202] + [429] * 5
    assert len(carrier.messages) == 2


def test_an_account_gets_five_codes_an_hour(shop: Shop, carrier: Carrier) -> None:
    somebody = shop.person()
    for number in range(5):
        assert ask(somebody, f"+49151{number:08}").status_code == 202
        pass_pause(shop)
    refused = ask(somebody, "+4915199999999")
    assert problem(refused) == (429, "too-many-requests")
    assert 600 < int(refused.headers["Retry-After"]) <= 720
    assert len(carrier.messages) == 5


def test_a_number_gets_five_codes_whoever_asks_for_them(shop: Shop, carrier: Carrier) -> None:
    answers = [ask(shop.person()).status_code for _ in range(6)]
    assert answers == [202] * 5 + [429]
    assert len(carrier.messages) == 5


def test_an_address_gets_twenty_codes_whatever_its_accounts(shop: Shop, carrier: Carrier) -> None:
    most = limits.MESSAGES_FROM_ADDRESS.at_once
    for number in range(most):
        assert ask(shop.person(), f"+49151{number:08}", X_Real_IP="203.0.113.7").status_code == 202
    somebody = shop.person()
    assert ask(somebody, X_Real_IP="203.0.113.7").status_code == 429
    # What is refused uses up nothing.
    assert ask(somebody, X_Real_IP="203.0.113.8").status_code == 202


def test_codes_are_not_guessed_over_many_messages(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    for _ in range(limits.CODES_OF_ACCOUNT.at_once):
        shop.query("update phone_codes set attempts = 0")
        assert verify(somebody, wrong(code)).status_code == 403
    assert problem(verify(somebody, code)) == (429, "too-many-requests")


def test_the_intent_is_known_before_the_message_is(shop: Shop, carrier: Carrier) -> None:
    seen: list[Any] = []
    carrier.on_arrival = lambda: seen.append(shop.query("select state, phone from phone_codes"))
    with_code(shop, carrier)
    assert seen == [[("intended", NUMBER)]]
    assert shop.query("select state, reference from phone_codes") == [("sent", "SM1")]


def test_whoever_stops_writes_waits_for_the_message_under_way(shop: Shop, carrier: Carrier) -> None:
    seen: list[Any] = []
    carrier.on_arrival = lambda: seen.extend(shop.query("select id from phone_codes for update skip locked"))
    with_code(shop, carrier)
    assert seen == []


@pytest.mark.parametrize("answer", [HANG_UP, (500, {"message": "oops"}), (503, {}), (200, b"<html>")])
def test_a_message_in_doubt_is_sent_once_and_its_code_is_good(shop: Shop, carrier: Carrier, answer: Answer) -> None:
    somebody = shop.person()
    carrier.script = [answer]
    asked = ask(somebody)
    assert (asked.status_code, asked.get_json()["delivery"]) == (202, "in_doubt")
    assert len(carrier.messages) == 1
    assert shop.query("select state from phone_codes") == [("in_doubt",)]
    assert verify(somebody, carrier.last.code).status_code == 200


def test_the_code_of_a_process_that_died_while_sending_is_good(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    shop.query("update phone_codes set state = 'intended'")
    assert verify(somebody, code).status_code == 200


def test_a_number_that_cannot_be_texted_is_the_askers_mistake(shop: Shop, carrier: Carrier) -> None:
    somebody = shop.person()
    carrier.script = [(400, {"code": 21211, "message": f"The 'To' number {NUMBER} is not valid", "status": 400})]
    assert problem(ask(somebody)) == (422, "invalid-fields")
    assert problem(verify(somebody, carrier.last.code)) == (409, "no-code")


@pytest.mark.parametrize(
    ("status", "code"), [(401, 20003), (429, 20429), (400, 21606)], ids=["credentials", "too fast", "our number"]
)
def test_a_message_that_twilio_does_not_take_from_us_is_503(
    shop: Shop, carrier: Carrier, caplog: pytest.LogCaptureFixture, status: int, code: int
) -> None:
    somebody = shop.person()
    carrier.script = [(status, {"code": code, "message": f"not to {NUMBER}", "status": status})]
    refused = ask(somebody)
    assert problem(refused) == (503, "messages-unavailable")
    assert refused.headers["Retry-After"]
    assert problem(verify(somebody, carrier.last.code)) == (409, "no-code")
    assert code in [getattr(record, "code", None) for record in caplog.records]
    assert NUMBER not in caplog.text


def test_messages_that_never_left_use_up_only_the_pause(shop: Shop, carrier: Carrier) -> None:
    somebody = shop.person()
    carrier.script = [(401, {"code": 20003, "message": "no", "status": 401})] * 6
    for _ in range(6):
        assert ask(somebody).status_code == 503
        assert ask(somebody).status_code == 429
        pass_pause(shop)
    assert ask(somebody).status_code == 202


def test_a_refusal_in_twilios_newer_form_is_understood(shop: Shop, carrier: Carrier) -> None:
    somebody = shop.person()
    carrier.script = [(400, {"type": "about:blank", "title": "Invalid", "status": 400, "code": 21614})]
    assert problem(ask(somebody)) == (422, "invalid-fields")


def test_without_a_carrier_nothing_was_sent(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(**ACCOUNT, TWILIO_BASE_URL=f"http://127.0.0.1:{free_port()}")
    somebody = shop.person()
    assert problem(ask(somebody)) == (503, "messages-unavailable")
    assert shop.query("select state from phone_codes") == [("failed",)]
    assert problem(verify(somebody, "123456")) == (409, "no-code")


def test_a_carrier_that_does_not_answer_is_left_in_time(carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = threading.Event()
    carrier.on_arrival = lambda: patience.wait(20)
    carrier.script = [HANG_UP]
    monkeypatch.setattr(twilio_messages, "READ_SECONDS", 0.1)
    messages = TwilioMessages("AC0", "a token", "+15005550006", carrier.url)
    began = time.monotonic()
    assert messages.send(NUMBER, "hello").fate is Fate.IN_DOUBT
    assert time.monotonic() - began < 10
    patience.set()
    messages.close()
    assert len(carrier.messages) == 1


def test_a_shop_without_an_account_says_so_and_counts_nothing(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(**dict.fromkeys(ACCOUNT, ""))
    somebody = shop.person()
    for _ in range(2):
        assert problem(ask(somebody)) == (503, "messages-not-configured")
    assert problem(verify(somebody, "123456")) == (409, "no-code")
    assert shop.query("select count(*) from phone_codes") == [(0,)]


def test_half_an_account_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    required = dict.fromkeys(settings.REQUIRED.values(), "set")
    with pytest.raises(SettingsMissing, match=r"missing: TWILIO_AUTH_TOKEN, TWILIO_FROM$"):
        settings.settings_from_environment({**required, **dict.fromkeys(ACCOUNT, ""), "TWILIO_ACCOUNT_SID": "AC0"})


def test_neither_the_logs_nor_the_database_know_the_code(
    shop: Shop, carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    somebody, code = with_code(shop, carrier)
    verify(somebody, wrong(code))
    verify(somebody, code)
    said = " ".join(
        str(value) for record in caplog.records for value in vars(record).values() if isinstance(value, str | tuple)
    )
    assert "request" in said
    assert not re.search(rf"\b{code}\b", said)
    assert NUMBER not in said
    [(row,)] = shop.query("select to_jsonb(c) - 'created_at' - 'expires_at' - 'used_at' from phone_codes c")
    assert not re.search(rf"\b{code}\b", str(row))


def test_who_reads_the_rows_without_the_secret_key_learns_no_code(shop: Shop, carrier: Carrier) -> None:
    _, code = with_code(shop, carrier)
    [(code_id, user_id, phone)] = shop.query("select id, user_id, phone from phone_codes")
    key = shop.app.config["SECRET_KEY"]
    assert codes.digits(key, code_id, user_id, phone) == code
    others = {codes.digits(f"{key}{number}", code_id, user_id, phone) for number in range(5)}
    assert others != {code}


def test_who_has_proved_a_number_may_sell_at_once(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    assert problem(somebody.post(SELLER)) == (409, "phone-not-verified")
    verify(somebody, code)
    form = {"title": "T", "description": "", "category": "home", "price": "1", "stock": 1}
    assert problem(somebody.post(PRODUCTS, form)) == (403, "role-required")
    before = somebody.client.get_cookie("session")
    for _ in range(2):
        assert somebody.post(SELLER).get_json()["role"] == "seller"
    assert somebody.post(PRODUCTS, form).status_code == 201
    # Proxies ask again who it is.
    assert somebody.client.get_cookie("session") != before


def test_who_signed_up_as_a_seller_needs_no_phone(shop: Shop) -> None:
    seller = shop.seller()
    assert seller.post(SELLER).get_json() == seller.user


def test_another_number_replaces_the_first_only_when_it_is_proved(shop: Shop, carrier: Carrier) -> None:
    somebody, code = with_code(shop, carrier)
    verify(somebody, code)
    pass_pause(shop)
    other = "+4915187654321"
    assert ask(somebody, other).status_code == 202
    assert somebody.get("/api/users/me").get_json()["phone"] == NUMBER
    assert verify(somebody, carrier.last.code).get_json()["phone"] == other


def test_codes_of_long_ago_are_forgotten(shop: Shop, carrier: Carrier) -> None:
    with_code(shop, carrier)
    assert ask(shop.person(), "+4915187654321").status_code == 202
    shop.query("update phone_codes set created_at = created_at - interval '8 days' where phone = %s", NUMBER)
    jobs.tidy(shop.app)
    assert shop.query("select phone from phone_codes") == [("+4915187654321",)]
