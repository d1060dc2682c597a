"""The real twilio library sends and looks up messages, over the network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.doubles.control import TwilioControl
from tests.doubles.faults import Kind
from tests.integration.doubles.conftest import ACCOUNT, TOKEN
from tests.support.waiting import wait_until

SHOP, ANN, BEN = "+15005550006", "+4915112345678", "+4915187654321"


class OtherHost(TwilioHttpClient):
    """The library has no setting for another address, so it is put in where the request leaves."""

    def __init__(self, base: str, timeout: float) -> None:
        super().__init__(timeout=timeout, pool_connections=False)
        self._base = urlsplit(base)

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        there = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        return super().request(method, urlunsplit(there), *args, **options)


def new_client(url: str, token: str = TOKEN, patience: float = 5) -> Client:
    return Client(ACCOUNT, token, http_client=OtherHost(url, patience))


@pytest.fixture
def client(twilio_url: str, twilio_control: TwilioControl) -> Client:
    return new_client(twilio_url)


def test_a_message_is_sent_and_looked_up(client: Client, twilio_control: TwilioControl):
    sent = client.messages.create(to=ANN, from_=SHOP, body="Your order 7 is on its way.")
    assert (sent.status, sent.to) == ("queued", ANN)
    assert sent.sid is not None
    found = client.messages(sent.sid).fetch()
    assert (found.status, found.body) == ("delivered", "Your order 7 is on its way.")
    assert [one["sid"] for one in twilio_control.messages(ANN)] == [sent.sid]


def test_messages_are_listed_newest_first_by_recipient_and_time(client: Client):
    before = datetime.now(UTC) - timedelta(seconds=5)
    sids = [client.messages.create(to=ANN, from_=SHOP, body=f"No {number}").sid for number in range(5)]
    client.messages.create(to=BEN, from_=SHOP, body="Another")
    assert [one.sid for one in client.messages.list(to=ANN, page_size=2)] == sids[::-1]
    assert len(client.messages.list(date_sent_after=before)) == 6
    assert client.messages.list(date_sent_before=before) == []


def test_asked_twice_it_sends_twice(client: Client, twilio_control: TwilioControl):
    sent = [client.messages.create(to=ANN, from_=SHOP, body="Your order 7 is on its way.").sid for _ in range(2)]
    assert [one["sid"] for one in twilio_control.messages()] == sent
    assert sent[0] != sent[1]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"to": "12", "from_": SHOP, "body": "x"}, 21211),
        ({"to": "+15005550009", "from_": SHOP, "body": "x"}, 21614),
        ({"to": ANN, "body": "x"}, 21603),
        ({"to": ANN, "from_": SHOP}, 21602),
    ],
)
def test_what_cannot_be_sent_is_refused(
    client: Client, twilio_control: TwilioControl, message: dict[str, str], code: int
):
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(**message)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert twilio_control.messages() == []


def test_only_the_right_token_is_let_in(twilio_url: str, twilio_control: TwilioControl):
    with pytest.raises(TwilioRestException) as refused:
        new_client(twilio_url, "other").messages.create(to=ANN, from_=SHOP, body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    assert twilio_control.messages() == []


@pytest.mark.parametrize(("kind", "sent"), [(Kind.DROP, 0), (Kind.LOST, 1)])
def test_without_an_answer_only_a_look_tells_whether_it_was_sent(
    client: Client, twilio_control: TwilioControl, kind: Kind, sent: int
):
    twilio_control.fail(kind, where={"To": ANN})
    with pytest.raises(requests.ConnectionError):
        client.messages.create(to=ANN, from_=SHOP, body="x")
    assert len(client.messages.list(to=ANN)) == sent


@pytest.mark.parametrize(("kind", "status"), [(Kind.ERROR, 500), (Kind.RATE_LIMITED, 429)])
def test_a_refusal_sends_nothing(client: Client, twilio_control: TwilioControl, kind: Kind, status: int):
    twilio_control.fail(kind)
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=ANN, from_=SHOP, body="x")
    assert refused.value.status == status
    assert twilio_control.messages() == []


def test_a_message_is_sent_even_if_nobody_waited_for_it(twilio_url: str, twilio_control: TwilioControl):
    twilio_control.fail(Kind.SLOW, seconds=0.5, method="POST")
    with pytest.raises(requests.Timeout):
        new_client(twilio_url, patience=0.2).messages.create(to=ANN, from_=SHOP, body="x")
    wait_until(lambda: twilio_control.messages(), 5, "the message was sent")


def test_people_can_see_the_messages(client: Client, twilio_control: TwilioControl):
    client.messages.create(to=ANN, from_=SHOP, body="Confirm: https://shop.test/confirm/1 <now>")
    page = twilio_control.page()
    assert 'href="https://shop.test/confirm/1"' in page
    assert "&lt;now&gt;" in page
