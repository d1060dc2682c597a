"""The real stripe library pays, is refused, gives back and repeats itself, over the network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from tests.doubles.control import StripeControl
from tests.doubles.faults import Kind
from tests.integration.doubles.conftest import API_KEY
from tests.support.waiting import wait_until

NO_REDIRECTS: Any = {"enabled": True, "allow_redirects": "never"}


def new_client(url: str, retries: int = 0, patience: float = 5, key: str = API_KEY) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": url},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=(1, patience)),
    )


@pytest.fixture
def client(stripe_url: str, stripe_control: StripeControl) -> stripe.StripeClient:
    return new_client(stripe_url)


def pay(client: stripe.StripeClient, card: str = "pm_card_visa", key: str | None = None, **more: Any) -> Any:
    params: Any = {
        "amount": 1200, "currency": "eur", "payment_method": card, "confirm": True,
        "automatic_payment_methods": NO_REDIRECTS, "metadata": {"order": "7"}, **more,
    }  # fmt: skip
    return client.v1.payment_intents.create(params, {"idempotency_key": key} if key else {})


def test_a_payment_is_made_looked_up_and_listed(client: stripe.StripeClient):
    intents = client.v1.payment_intents
    first = intents.create({"amount": 1200, "currency": "eur", "automatic_payment_methods": NO_REDIRECTS})
    assert first.status == "requires_payment_method"
    confirmed = intents.confirm(first.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]})
    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 1200)
    assert isinstance(confirmed.latest_charge, stripe.Charge)
    assert confirmed.latest_charge.paid
    found = intents.retrieve(first.id)
    assert found.status == "succeeded"
    assert found.latest_charge == confirmed.latest_charge.id
    second = pay(client)
    assert second.metadata["order"] == "7"
    assert [one.id for one in intents.list({"limit": 1}).auto_paging_iter()] == [second.id, first.id]


def test_a_card_by_its_number_is_a_payment_method(client: stripe.StripeClient):
    card: Any = {"number": "4000000000009995", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = client.v1.payment_methods.create({"type": "card", "card": card})
    with pytest.raises(stripe.CardError) as refused:
        pay(client, method.id)
    assert refused.value.error is not None
    assert refused.value.error.decline_code == "insufficient_funds"


def test_a_decline_is_a_card_error_that_carries_the_payment(client: stripe.StripeClient):
    with pytest.raises(stripe.CardError) as refused:
        pay(client, "pm_card_chargeDeclined")
    error = refused.value.error
    assert error is not None
    assert (refused.value.code, error.decline_code) == ("card_declined", "generic_decline")
    assert error.payment_intent is not None
    found = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert found.status == "requires_payment_method"
    assert found.last_payment_error is not None
    assert found.last_payment_error.code == "card_declined"


@pytest.mark.parametrize(("passed", "status"), [(True, "succeeded"), (False, "requires_payment_method")])
def test_the_owner_is_asked_and_answers(
    client: stripe.StripeClient, stripe_control: StripeControl, passed: bool, status: str
):
    asked = pay(client, "pm_card_authenticationRequired", return_url="http://shop.test/back?order=7")
    assert asked.status == "requires_action"
    page = asked.next_action.redirect_to_url.url
    assert "12.00 EUR" in httpx.get(page).text
    answer = httpx.post(page, data={"passed": "yes" if passed else "no"})
    assert answer.headers["Location"].startswith(f"http://shop.test/back?order=7&payment_intent={asked.id}&")
    assert client.v1.payment_intents.retrieve(asked.id).status == status


def test_the_owner_may_answer_through_the_control_api(client: stripe.StripeClient, stripe_control: StripeControl):
    asked = pay(client, "pm_card_authenticationRequired")
    assert stripe_control.authenticate(asked.id)["status"] == "succeeded"
    with pytest.raises(httpx.HTTPStatusError):
        stripe_control.authenticate(asked.id)


def test_what_was_canceled_cannot_be_confirmed(client: stripe.StripeClient):
    intents = client.v1.payment_intents
    intent = intents.create({"amount": 1200, "currency": "eur", "automatic_payment_methods": NO_REDIRECTS})
    assert intents.cancel(intent.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert refused.value.code == "payment_intent_unexpected_state"


def test_never_more_is_given_back_than_was_paid(client: stripe.StripeClient, stripe_control: StripeControl):
    paid = pay(client)
    refunds = client.v1.refunds
    assert refunds.create({"payment_intent": paid.id, "amount": 1000}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        refunds.create({"payment_intent": paid.id, "amount": 201})
    assert refunds.create({"payment_intent": paid.id}).amount == 200
    with pytest.raises(stripe.InvalidRequestError) as refused:
        refunds.create({"payment_intent": paid.id})
    assert refused.value.code == "charge_already_refunded"
    assert sum(one.amount for one in refunds.list({"payment_intent": paid.id})) == 1200
    assert [one["amount"] for one in stripe_control.refunds()] == [1000, 200]


def test_many_at_once_give_back_no_more_than_was_paid(client: stripe.StripeClient, stripe_control: StripeControl):
    paid = pay(client)

    def refund(_: int) -> bool:
        try:
            client.v1.refunds.create({"payment_intent": paid.id, "amount": 500})
        except stripe.InvalidRequestError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(refund, range(8))) == 2
    assert sum(one["amount"] for one in stripe_control.refunds()) == 1000


def test_the_same_key_gets_the_same_answer_and_pays_once(client: stripe.StripeClient, stripe_control: StripeControl):
    first, again = pay(client, key="order-7"), pay(client, key="order-7")
    assert first.last_response.body == again.last_response.body
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert len(stripe_control.intents()) == 1


def test_a_decline_is_repeated_under_its_key(client: stripe.StripeClient, stripe_control: StripeControl):
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            pay(client, "pm_card_chargeDeclined", key="order-7")
    assert len(stripe_control.charges()) == 1


def test_a_key_belongs_to_one_request(client: stripe.StripeClient, stripe_control: StripeControl):
    paid = pay(client, key="order-7")
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        pay(client, key="order-7", amount=1300)
    with pytest.raises(stripe.IdempotencyError):
        client.v1.refunds.create({"payment_intent": paid.id}, {"idempotency_key": "order-7"})
    assert len(stripe_control.intents()) == 1


def test_a_request_that_was_not_valid_does_not_use_up_its_key(client: stripe.StripeClient):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pay(client, key="order-7", amount=1)
    assert refused.value.code == "amount_too_small"
    assert pay(client, key="order-7").status == "succeeded"


def test_a_key_in_use_is_a_conflict(stripe_url: str, stripe_control: StripeControl):
    stripe_control.fail(Kind.SLOW, seconds=1, method="POST")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(pay, new_client(stripe_url), key="order-7")
        wait_until(lambda: stripe_control.keys_in_use() == ["order-7"], 5, "the slow request is in progress")
        with pytest.raises(stripe.APIError) as refused:
            pay(new_client(stripe_url), key="order-7")
        assert refused.value.http_status == 409
        assert refused.value.error is not None
        assert refused.value.error.code == "idempotency_key_in_use"
        assert slow.result().status == "succeeded"
    assert len(stripe_control.intents()) == 1


def test_a_client_that_retries_meets_its_own_request_and_gets_its_answer(
    stripe_url: str, stripe_control: StripeControl
):
    stripe_control.fail(Kind.SLOW, seconds=1, method="POST")
    paid = pay(new_client(stripe_url, retries=5, patience=0.4), key="order-7")
    assert paid.status == "succeeded"
    assert [one["id"] for one in stripe_control.intents()] == [paid.id]


@pytest.mark.parametrize(
    ("kind", "error", "paid"),
    [
        (Kind.DROP, stripe.APIConnectionError, 0),
        (Kind.LOST, stripe.APIConnectionError, 1),
        (Kind.ERROR, stripe.APIError, 0),
        (Kind.RATE_LIMITED, stripe.RateLimitError, 0),
    ],
)
def test_each_fault_is_what_the_library_says_it_is_and_a_retry_pays_once(
    client: stripe.StripeClient, stripe_control: StripeControl, kind: Kind, error: type[Exception], paid: int
):
    stripe_control.fail(kind, path="/v1/payment_intents", where={"metadata[order]": "7"})
    assert client.v1.payment_intents.list().data == []
    stripe_control.fail(kind, path="/v1/payment_intents", where={"metadata[order]": "8"})
    with pytest.raises(error):
        pay(client, key="order-7")
    assert len(stripe_control.intents()) == paid
    assert pay(client, key="order-7").status == "succeeded"
    assert len(stripe_control.intents()) == 1
    endings = [one["ending"] for one in stripe_control.received("POST")]
    first = {Kind.DROP: "dropped", Kind.LOST: "done, answer lost"}.get(kind, "answered")
    assert endings == [first, "answered"]
    assert [one["where"] for one in stripe_control.faults()] == [{"metadata[order]": "8"}]


def test_a_lost_answer_is_found_by_a_client_that_retries(stripe_url: str, stripe_control: StripeControl):
    stripe_control.fail(Kind.LOST, times=2)
    paid = pay(new_client(stripe_url, retries=2))
    keys = {one["headers"]["Idempotency-Key"] for one in stripe_control.received("POST")}
    assert len(stripe_control.received("POST")) == 3
    assert len(keys) == 1
    assert [one["id"] for one in stripe_control.intents()] == [paid.id]


def test_what_was_in_progress_at_a_reset_leaves_no_trace(stripe_url: str, stripe_control: StripeControl):
    stripe_control.fail(Kind.SLOW, seconds=1, method="POST")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(pay, new_client(stripe_url), key="order-7")
        wait_until(lambda: stripe_control.keys_in_use(), 5, "the slow request is in progress")
        stripe_control.reset()
        assert slow.result().status == "succeeded"
    assert stripe_control.intents() == stripe_control.events() == []
    assert pay(new_client(stripe_url), key="order-7", amount=1300).amount == 1300


def test_only_the_right_key_is_let_in(stripe_url: str, stripe_control: StripeControl):
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        pay(new_client(stripe_url, key="sk_test_other"))
    assert stripe_control.intents() == []


def test_what_the_double_does_not_play_it_refuses(client: stripe.StripeClient):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pay(client, capture_method="manual")
    assert (refused.value.code, refused.value.param) == ("parameter_unknown", "capture_method")
    with pytest.raises(stripe.InvalidRequestError, match="does not play"):
        client.v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent"):
        client.v1.payment_intents.retrieve("pi_unknown")


def test_people_can_see_what_happened(client: stripe.StripeClient, stripe_control: StripeControl):
    paid = pay(client, description="<b>Order</b> 7")
    with pytest.raises(stripe.CardError):
        pay(client, "pm_card_chargeDeclined")
    client.v1.refunds.create({"payment_intent": paid.id, "amount": 250})
    stripe_control.fail(Kind.SLOW, path="/v1/refunds")
    page = stripe_control.page()
    for text in (paid.id, "12.00 EUR", "2.50 EUR", "order=7", "Your card was declined.", "slow", "&lt;b&gt;Order"):
        assert text in page


def test_a_fault_that_is_misspelled_is_refused(stripe_url: str, stripe_control: StripeControl):
    answer = httpx.post(f"{stripe_url}/_control/faults", json={"kind": "drop", "tmes": 2})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["tmes"]
    assert stripe_control.faults() == []


def test_a_browser_pays_with_the_clients_secret_and_with_nothing_else(client: stripe.StripeClient, stripe_url: str):
    intent = client.v1.payment_intents.create(
        {"amount": 900, "currency": "eur", "automatic_payment_methods": NO_REDIRECTS}
    )
    address = f"{stripe_url}/v3/payment_intents/{intent.id}/confirm"
    given = {"key": "pk_test_x", "client_secret": intent.client_secret, "payment_method": "pm_card_visa"}
    for wrong, status in (({"client_secret": f"{intent.id}_secret_x"}, 404), ({"key": API_KEY}, 401)):
        assert httpx.post(address, data={**given, **wrong}).status_code == status
    declined = httpx.post(address, data={**given, "payment_method": "pm_card_chargeDeclined"})
    assert (declined.status_code, declined.json()["error"]["code"]) == (402, "card_declined")
    assert declined.headers["Access-Control-Allow-Origin"] == "*"
    assert httpx.post(address, data=given).json()["status"] == "succeeded"
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_browser_gets_a_script_from_the_address_that_shops_load(stripe_url: str):
    answer = httpx.get(f"{stripe_url}/v3/")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "window.Stripe" in answer.text
