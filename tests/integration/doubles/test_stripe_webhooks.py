"""Webhooks: signed, sent until they are taken, and out of order when told to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.doubles.control import StripeControl
from tests.doubles.faults import Kind
from tests.doubles.process import running
from tests.integration.doubles.conftest import API_KEY, SECRET
from tests.integration.doubles.receiver import Receiver
from tests.integration.doubles.test_stripe_payments import new_client, pay
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

OF_A_PAYMENT = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.fixture
def client(stripe_url: str, stripe_control: StripeControl, receiver: Receiver) -> stripe.StripeClient:
    """Its payments are told to the receiver."""
    stripe_control.send_webhooks(receiver.url, SECRET, first_pause=0.05, longest_pause=0.2)
    return new_client(stripe_url)


def types_after(receiver: Receiver, count: int) -> list[str]:
    wait_until(lambda: len(receiver.received) >= count, 10, f"{count} webhooks came; have {len(receiver.received)}")
    return [event.type for event in receiver.events(SECRET)]


def all_delivered(control: StripeControl) -> bool:
    return all(one["delivered"] for one in control.deliveries())


def test_events_come_signed_and_in_order(client: stripe.StripeClient, receiver: Receiver):
    paid = pay(client, key="order-7")
    assert types_after(receiver, 3) == OF_A_PAYMENT
    event: Any = receiver.events(SECRET)[-1]
    assert (event.data.object.id, event.data.object.metadata["order"]) == (paid.id, "7")
    assert event.request.idempotency_key == "order-7"
    assert event.api_version == stripe.api_version
    with pytest.raises(stripe.SignatureVerificationError):
        receiver.received[0].event("whsec_other")


def test_an_event_shows_the_object_as_it_was_then(client: stripe.StripeClient, receiver: Receiver):
    pay(client)
    types_after(receiver, 3)
    assert [event.data.object.status for event in receiver.events(SECRET)] == [
        "requires_confirmation", "succeeded", "succeeded",
    ]  # fmt: skip


def test_declines_questions_and_refunds_are_told(
    client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver
):
    with pytest.raises(stripe.CardError):
        pay(client, "pm_card_chargeDeclined")
    assert types_after(receiver, 3)[1:] == ["charge.failed", "payment_intent.payment_failed"]
    asked = pay(client, "pm_card_authenticationRequired")
    assert types_after(receiver, 5)[4:] == ["payment_intent.requires_action"]
    stripe_control.authenticate(asked.id)
    assert types_after(receiver, 7)[5:] == ["charge.succeeded", "payment_intent.succeeded"]
    client.v1.refunds.create({"payment_intent": asked.id})
    assert types_after(receiver, 9)[7:] == ["refund.created", "charge.refunded"]


def test_an_event_comes_again_until_it_is_taken(
    client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver
):
    receiver.statuses = [500, 302, 404]
    pay(client)
    wait_until(lambda: len(stripe_control.deliveries()) == 3 and all_delivered(stripe_control), 10, "all are delivered")
    statuses = [attempt["status"] for one in stripe_control.deliveries() for attempt in one["attempts"]]
    assert sorted(statuses) == [200, 200, 200, 302, 404, 500]
    ids = {event.id for event in receiver.events(SECRET)}
    assert len(ids) == 3


def test_an_endpoint_that_is_away_gets_its_events_when_it_is_back(
    stripe_url: str, stripe_control: StripeControl, receiver: Receiver
):
    stripe_control.send_webhooks("http://127.0.0.1:9/nobody", SECRET, first_pause=0.05, longest_pause=0.1)
    pay(new_client(stripe_url))
    wait_until(lambda: all(one["attempts"] for one in stripe_control.deliveries()), 10, "all were tried")
    assert not any(one["delivered"] for one in stripe_control.deliveries())
    stripe_control.send_webhooks(receiver.url, SECRET, first_pause=0.05, longest_pause=0.1)
    wait_until(lambda: all_delivered(stripe_control), 10, "all are delivered")
    assert sorted(types_after(receiver, 3)) == sorted(OF_A_PAYMENT)


def test_events_can_be_doubled(client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver):
    stripe_control.disturb_webhooks(copies=2)
    pay(client)
    assert types_after(receiver, 6) == [one for one in OF_A_PAYMENT for _ in range(2)]
    assert len({event.id for event in receiver.events(SECRET)}) == 3


def test_events_can_be_reordered(client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver):
    stripe_control.disturb_webhooks(reorder=3, patience=60)
    pay(client)
    assert types_after(receiver, 3) == OF_A_PAYMENT[::-1]


def test_events_can_be_delayed_until_they_are_released(
    client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver
):
    stripe_control.disturb_webhooks(delay=3600)
    pay(client)
    stripe_control.disturb_webhooks()
    with pytest.raises(stripe.CardError):
        pay(client, "pm_card_chargeDeclined")
    assert "charge.failed" in types_after(receiver, 3)
    assert receiver.events(SECRET)[-1].type == "payment_intent.payment_failed"
    stripe_control.release_webhooks()
    assert types_after(receiver, 6)[3:] == OF_A_PAYMENT


def test_an_event_can_come_once_more_much_later(
    client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver
):
    pay(client)
    types_after(receiver, 3)
    stripe_control.resend(stripe_control.events()[-1]["id"])
    assert types_after(receiver, 4)[3] == "payment_intent.succeeded"


def test_a_payment_whose_answer_was_lost_is_told_all_the_same(
    client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver
):
    stripe_control.fail(Kind.LOST)
    with pytest.raises(stripe.APIConnectionError):
        pay(client)
    assert types_after(receiver, 3) == OF_A_PAYMENT


def test_a_repeated_request_is_not_told_twice(
    client: stripe.StripeClient, stripe_control: StripeControl, receiver: Receiver
):
    pay(client, key="order-7")
    pay(client, key="order-7")
    assert len(stripe_control.events()) == 3


def test_a_double_knows_from_its_start_where_events_go(receiver: Receiver, tmp_path: Path):
    port = free_port()
    options = ["--api-key", API_KEY, "--webhook-url", receiver.url]
    with running("stripe", port, tmp_path / "log", *options, environment={"STRIPE_WEBHOOK_SECRET": SECRET}):
        for _ in range(2):
            before = len(receiver.received)
            pay(new_client(f"http://127.0.0.1:{port}"))
            assert types_after(receiver, before + 3)[before:] == OF_A_PAYMENT
            StripeControl(f"http://127.0.0.1:{port}").reset()
